"""Messages come twice, late, in another order, spoilt, from the future or about nothing; stored payloads rot or go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from random import Random
from typing import TypeVar

from google.protobuf.message import DecodeError

from reelwright.bus.topics import ALL, DEAD_LETTER, EVENTS, FRAMES, RESTORED, TITLES, run_key, segment_key
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch
from reelwright.wire.titles_pb2 import Event, SegmentCommitted, TitleRequest
from tests.faults.kinds.kind import Injection, Kind
from tests.faults.store_client import patiently
from tests.faults.topic_recorder import RecordedMessage
from tests.faults.trial_cluster import TrialCluster

Batch = TypeVar("Batch", FrameBatch, RestoredBatch)

_ENDS_IN_ORDER = tuple(topic for topic in ALL if topic != DEAD_LETTER)
_FRAMES = tuple(FRAMES.values())
_PATIENCE_SECONDS = 90.0
_LOOK_SECONDS = 0.3


def _double(world: TrialCluster, luck: Random) -> None:
    record = world.tap.pick(luck, luck.choice([TITLES, EVENTS, RESTORED, *_FRAMES[:1]]), *_ENDS_IN_ORDER)
    world.tap.publish(*[record] * luck.randint(1, 5))


def _disorder(world: TrialCluster, luck: Random) -> None:
    """Old records once more, late and in another order."""
    pool = world.tap.pool(*luck.choice([(RESTORED,), _FRAMES, (EVENTS,), _ENDS_IN_ORDER]))
    world.tap.publish(*luck.sample(pool, min(len(pool), luck.randint(5, 20))))


def _spoil_frames(world: TrialCluster, luck: Random) -> None:
    world.tap.publish(_spoilt(*_whole(world, luck, FrameBatch, *_FRAMES), luck))


def _spoil_restored(world: TrialCluster, luck: Random) -> None:
    world.tap.publish(_spoilt(*_whole(world, luck, RestoredBatch, RESTORED), luck))


def _whole(world: TrialCluster, luck: Random, kind: type[Batch], *topics: str) -> tuple[RecordedMessage, Batch]:
    """A record and the batch in it; what another fault has garbled is passed over."""
    pool = world.tap.pool(*topics)
    for record in luck.sample(pool, len(pool)):
        with suppress(DecodeError):
            return record, kind.FromString(record.value)
    raise LookupError("every record that is remembered was garbled")


def _spoilt(record: RecordedMessage, batch: FrameBatch | RestoredBatch, luck: Random) -> RecordedMessage:
    """A copy whose payload does not match its digest, or is nowhere."""
    if batch.payload.WhichOneof("content") == "inline":
        batch.payload.inline = _flipped(batch.payload.inline, luck)
    else:
        batch.payload.reference = f"{batch.run}/payloads/{batch.segment:06d}/{'0' * 64}"
    return replace(record, value=batch.SerializeToString())


def _flipped(content: bytes, luck: Random) -> bytes:
    place = luck.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << luck.randrange(8))]) + content[place + 1 :]


def _garble(world: TrialCluster, luck: Random) -> None:
    record = world.tap.pick(luck, *_ENDS_IN_ORDER)
    world.tap.publish(replace(record, value=luck.randbytes(luck.randint(1, 2000))))


def _from_the_future(world: TrialCluster, luck: Random) -> None:
    world.tap.publish(world.tap.pick(luck, *_ENDS_IN_ORDER).marked("format", "99"))


def _of_nobody(world: TrialCluster, luck: Random) -> None:
    """Whole messages of a run that nobody asked for."""
    run = luck.randbytes(10).hex()
    frames, batch = _whole(world, luck, FrameBatch, *_FRAMES)
    restored, done = _whole(world, luck, RestoredBatch, RESTORED)
    batch.run = done.run = run
    event = Event(run=run, segment_committed=SegmentCommitted(segment=1, frames=24))
    title = TitleRequest(run=run, source=f"s3://{world.cluster.bucket}/sources/none.mp4", recipe="{}")
    pool = world.tap.pool(EVENTS)
    titles = world.tap.pool(TITLES)
    world.tap.publish(
        *luck.sample(
            [
                replace(frames, key=segment_key(run, batch.segment), value=batch.SerializeToString()),
                replace(restored, key=segment_key(run, done.segment), value=done.SerializeToString()),
                replace(pool[0], key=run_key(run), value=event.SerializeToString()),
                replace(titles[0], key=run_key(run), value=title.SerializeToString()),
            ],
            2,
        )
    )


def _rot(world: TrialCluster, luck: Random) -> None:
    """A byte of a stored payload changes."""

    def attempt() -> bool:
        name = _stored(world, luck)
        content = world.shelf.get(name) if name else None
        if content:
            world.shelf.put(name, _flipped(content, luck))
        return bool(content)

    _until(attempt)


def _vanish(world: TrialCluster, luck: Random) -> None:
    """A stored payload is gone."""

    def attempt() -> bool:
        name = _stored(world, luck)
        if name:
            world.shelf.remove(name)
        return bool(name)

    _until(attempt)


def _stored(world: TrialCluster, luck: Random) -> str:
    payloads = [name for name in world.shelf.names(world.prefix) if "/payloads/" in name]
    return luck.choice(payloads) if payloads else ""


def _until(attempt: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not patiently(attempt):
        if time.monotonic() > end:
            raise TimeoutError("no payload was stored")
        time.sleep(_LOOK_SECONDS)


def _at_once(act: Callable[[TrialCluster, Random], None]) -> Injection:
    @contextmanager
    def inject(world: TrialCluster, luck: Random) -> Iterator[None]:
        act(world, luck)
        yield

    return inject


_NONE = (0.0, 0.0)
KINDS = (
    Kind("records doubled", 8, _NONE, _at_once(_double)),
    Kind("records delayed and reordered", 6, _NONE, _at_once(_disorder)),
    Kind("frames record with a flipped bit", 4, _NONE, _at_once(_spoil_frames)),
    Kind("restored record with a flipped bit", 4, _NONE, _at_once(_spoil_restored)),
    Kind("stored payload with a flipped bit", 4, _NONE, _at_once(_rot)),
    Kind("stored payload gone", 3, _NONE, _at_once(_vanish)),
    Kind("record that is no message", 4, _NONE, _at_once(_garble)),
    Kind("record of a newer format", 3, _NONE, _at_once(_from_the_future)),
    Kind("records of an unknown run", 3, _NONE, _at_once(_of_nobody)),
)
