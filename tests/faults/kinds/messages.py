"""Records are doubled, delayed, reordered, damaged, of a newer format or an unknown run; payloads are damaged."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import TypeVar

from google.protobuf.message import DecodeError

from reelwright.bus.topics import ALL, DEAD_LETTER, EVENTS, FRAMES, RESTORED, TITLES, run_key, segment_key
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch
from reelwright.wire.titles_pb2 import Event, SegmentCommitted, TitleRequest
from tests.faults.foreign_files import FOREIGN_RUN
from tests.faults.kinds.kind import instant_kind
from tests.faults.store_client import retry_until_store_answers
from tests.faults.topic_recorder import RecordedMessage
from tests.faults.trial_cluster import TrialCluster

Batch = TypeVar("Batch", FrameBatch, RestoredBatch)

_WORK_TOPICS = tuple(topic for topic in ALL if topic != DEAD_LETTER)
_FRAMES = tuple(FRAMES.values())
_TIMEOUT_SECONDS = 90.0
_POLL_SECONDS = 0.3


def _publish_twice(trial: TrialCluster, rng: Random) -> None:
    record = trial.recorder.pick(rng, rng.choice([TITLES, EVENTS, RESTORED, *_FRAMES[:1]]), *_WORK_TOPICS)
    trial.recorder.publish(*[record] * rng.randint(1, 5))


def _publish_reordered(trial: TrialCluster, rng: Random) -> None:
    """Publishes old records again, late and in another order."""
    pool = trial.recorder.pool(*rng.choice([(RESTORED,), _FRAMES, (EVENTS,), _WORK_TOPICS]))
    trial.recorder.publish(*rng.sample(pool, min(len(pool), rng.randint(5, 20))))


def _damage_frames(trial: TrialCluster, rng: Random) -> None:
    trial.recorder.publish(_damaged(*_valid_batch(trial, rng, FrameBatch, *_FRAMES), rng))


def _damage_restored(trial: TrialCluster, rng: Random) -> None:
    trial.recorder.publish(_damaged(*_valid_batch(trial, rng, RestoredBatch, RESTORED), rng))


def _valid_batch(trial: TrialCluster, rng: Random, kind: type[Batch], *topics: str) -> tuple[RecordedMessage, Batch]:
    """A record and the batch in it; skips records that another fault has made unreadable."""
    pool = trial.recorder.pool(*topics)
    for record in rng.sample(pool, len(pool)):
        with suppress(DecodeError):
            return record, kind.FromString(record.value)
    raise LookupError("no remembered record holds a valid batch")


def _damaged(record: RecordedMessage, batch: FrameBatch | RestoredBatch, rng: Random) -> RecordedMessage:
    """A copy whose inline payload does not match its digest, or whose stored payload does not exist."""
    if batch.payload.WhichOneof("content") == "inline":
        batch.payload.inline = _with_flipped_bit(batch.payload.inline, rng)
    else:
        batch.payload.reference = f"{batch.run}/payloads/{batch.segment:06d}/{'0' * 64}"
    return replace(record, value=batch.SerializeToString())


def _with_flipped_bit(content: bytes, rng: Random) -> bytes:
    index = rng.randrange(len(content))
    return content[:index] + bytes([content[index] ^ (1 << rng.randrange(8))]) + content[index + 1 :]


def _publish_garbage(trial: TrialCluster, rng: Random) -> None:
    record = trial.recorder.pick(rng, *_WORK_TOPICS)
    trial.recorder.publish(replace(record, value=rng.randbytes(rng.randint(1, 2000))))


def _publish_newer_format(trial: TrialCluster, rng: Random) -> None:
    trial.recorder.publish(trial.recorder.pick(rng, *_WORK_TOPICS).with_header("format", "99"))


def _publish_unknown_run(trial: TrialCluster, rng: Random) -> None:
    """Publishes valid messages of a run that was never submitted."""
    run = rng.randbytes(10).hex()
    frames, batch = _valid_batch(trial, rng, FrameBatch, *_FRAMES)
    restored, restored_batch = _valid_batch(trial, rng, RestoredBatch, RESTORED)
    batch.run = restored_batch.run = run
    event = Event(run=run, segment_committed=SegmentCommitted(segment=1, frames=24))
    title = TitleRequest(run=run, source=f"s3://{trial.cluster.bucket}/sources/none.mp4", recipe="{}")
    pool = trial.recorder.pool(EVENTS)
    titles = trial.recorder.pool(TITLES)
    trial.recorder.publish(
        *rng.sample(
            [
                replace(frames, key=segment_key(run, batch.segment), value=batch.SerializeToString()),
                replace(
                    restored, key=segment_key(run, restored_batch.segment), value=restored_batch.SerializeToString()
                ),
                replace(pool[0], key=run_key(run), value=event.SerializeToString()),
                replace(titles[0], key=run_key(run), value=title.SerializeToString()),
            ],
            2,
        )
    )


def _damage_payload(trial: TrialCluster, rng: Random) -> None:
    """Flips a bit of a stored payload."""

    def try_once() -> bool:
        name = _stored_payload(trial, rng)
        content = trial.store.get(name) if name else None
        if content:
            trial.store.put(name, _with_flipped_bit(content, rng))
        return bool(content)

    _retry(try_once)


def _remove_payload(trial: TrialCluster, rng: Random) -> None:
    """Removes a stored payload."""

    def try_once() -> bool:
        name = _stored_payload(trial, rng)
        if name:
            trial.store.remove(name)
        return bool(name)

    _retry(try_once)


def _stored_payload(trial: TrialCluster, rng: Random) -> str:
    payloads = [name for name in trial.store.names(trial.prefix) if "/payloads/" in name and FOREIGN_RUN not in name]
    return rng.choice(payloads) if payloads else ""


def _retry(try_once: Callable[[], bool]) -> None:
    end = time.monotonic() + _TIMEOUT_SECONDS
    while not retry_until_store_answers(try_once):
        if time.monotonic() > end:
            raise TimeoutError("no payload was stored")
        time.sleep(_POLL_SECONDS)


KINDS = (
    instant_kind("records doubled", 8, _publish_twice),
    instant_kind("records delayed and reordered", 6, _publish_reordered),
    instant_kind("frames record with a flipped bit", 4, _damage_frames),
    instant_kind("restored record with a flipped bit", 4, _damage_restored),
    instant_kind("stored payload with a flipped bit", 4, _damage_payload),
    instant_kind("stored payload gone", 3, _remove_payload),
    instant_kind("record that is no message", 4, _publish_garbage),
    instant_kind("record of a newer format", 3, _publish_newer_format),
    instant_kind("records of an unknown run", 3, _publish_unknown_run),
)
