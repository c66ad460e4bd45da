"""Messages that somebody with access to the broker forges: empty, oversized, stale, of foreign runs and paths."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import zstandard
from google.protobuf.message import DecodeError

from reelwright.bus.topics import ALL, DEAD_LETTER, EVENTS, FRAMES, RESTORED, TITLES, run_key, segment_key
from reelwright.wire.frames_pb2 import FrameBatch, FrameInfo, Payload, RestoredBatch
from reelwright.wire.titles_pb2 import (
    Event,
    SegmentCommitted,
    SegmentWanted,
    TitleCancelled,
    TitleFailed,
    TitleFinished,
    TitlePlanned,
    TitleRequest,
)
from tests.faults.foreign_files import FOREIGN_FILM, FOREIGN_RUN, FOREIGN_SOURCE
from tests.faults.kinds.kind import instant_kind
from tests.faults.topic_recorder import RecordedMessage
from tests.faults.trial_cluster import TrialCluster

_FRAMES = tuple(FRAMES.values())
_WORK_TOPICS = tuple(topic for topic in ALL if topic != DEAD_LETTER)
# Runs that a message may name to reach another folder.
_FOREIGN_RUNS = ("", ".", "..", "../precious", "precious", "/", "ledger/../precious", "%2e%2e/precious", FOREIGN_RUN)
# Below the limit of the broker's topics, so that the broker takes it.
_LARGE = 900_000
_BOMB_SIDE = 1 << 14
_LATEST_ATTEMPT = (1 << 32) - 1


def _publish_empty(trial: TrialCluster, rng: Random) -> None:
    """Publishes messages without a value, and messages with only default values, on every topic."""
    for topic in _WORK_TOPICS:
        record = trial.recorder.pick(rng, *_WORK_TOPICS)
        trial.recorder.publish(replace(record, topic=topic, partition=0, key=rng.choice([b"", record.key]), value=b""))


def _publish_foreign_runs(trial: TrialCluster, rng: Random) -> None:
    """Publishes whole messages of runs that lead to other folders, with locations of foreign files."""
    bucket = f"s3://{trial.cluster.bucket}"
    run = rng.choice(_FOREIGN_RUNS)
    content = bytes(16)
    payload = Payload(pix_fmt="gray", width=4, height=4, frames=1, codec="raw", inline=content)
    reference = Payload(pix_fmt="gray", width=4, height=4, frames=1, codec="raw", reference=f"../{FOREIGN_FILM}")
    frame = [FrameInfo(duration=1)]
    forged = [
        (TITLES, TitleRequest(run=run, source=f"{bucket}/{FOREIGN_SOURCE}", output=f"{bucket}/{FOREIGN_FILM}")),
        (TITLES, TitleRequest(run=run, source=f"{bucket}/{FOREIGN_FILM}", output=f"{bucket}/{FOREIGN_FILM}/")),
        *((topic, FrameBatch(run=run, frames=frame, last=True, payload=payload)) for topic in _FRAMES),
        (RESTORED, RestoredBatch(run=run, frames=frame, last=True, payload=payload)),
        (RESTORED, RestoredBatch(run=run, frames=frame, last=True, payload=reference)),
        *((EVENTS, event) for event in _events(run, bucket)),
    ]
    for topic, message in forged:
        key = run_key(run) if topic in {TITLES, EVENTS} else segment_key(run, 0)
        trial.recorder.publish(_record(topic, key, message.SerializeToString()))


def _events(run: str, bucket: str) -> list[Event]:
    return [
        Event(run=run, title_planned=TitlePlanned(segments=1, frames=1)),
        Event(run=run, title_finished=TitleFinished(output=f"{bucket}/{FOREIGN_FILM}", frames=1)),
        Event(run=run, title_cancelled=TitleCancelled()),
        Event(run=run, title_failed=TitleFailed(reason="forged", exit_code=2)),
        Event(run=run, segment_wanted=SegmentWanted(segment=(1 << 32) - 1, reason="forged")),
    ]


def _publish_bomb(trial: TrialCluster, rng: Random) -> None:
    """Publishes small payloads that claim, and decode to, hundreds of megabytes, in batches of a title in work."""
    payload = Payload(pix_fmt="gray", width=_BOMB_SIDE, height=_BOMB_SIDE, frames=1, codec="zstd")
    payload.inline = zstandard.ZstdCompressor().compress(bytes(_BOMB_SIDE * _BOMB_SIDE))
    record, batch = _live_batch(trial, rng)
    batch.payload.CopyFrom(payload)
    trial.recorder.publish(replace(record, value=batch.SerializeToString()))


def _publish_oversized(trial: TrialCluster, rng: Random) -> None:
    """Publishes messages near the size limit of the broker: long texts, unknown fields, thousands of frames."""
    record, batch = _live_batch(trial, rng)
    batch.frames.extend(FrameInfo(pts=n) for n in range(_LARGE // 20))
    text = "x" * _LARGE
    # Field 1000, which no message has, with its length as a varint.
    unknown = b"\xc2\x3e" + bytes([_LARGE & 127 | 128, _LARGE >> 7 & 127 | 128, _LARGE >> 14]) + bytes(_LARGE)
    run = batch.run
    trial.recorder.publish(
        replace(record, value=batch.SerializeToString()),
        _record(EVENTS, run_key(run), Event(run=run, segment_wanted=SegmentWanted(reason=text)).SerializeToString()),
        _record(TITLES, run_key(FOREIGN_RUN), TitleRequest(run=FOREIGN_RUN, recipe=text).SerializeToString()),
        *(
            replace(valid, value=valid.value + unknown)
            for valid in (rng.choice(_small(trial.recorder.pool(topic))) for topic in (EVENTS, TITLES))
        ),
    )


def _small(records: list[RecordedMessage]) -> list[RecordedMessage]:
    """The records that the broker takes with so much added: those of earlier faults may be large already."""
    return [record for record in records if len(record.value) < _LARGE // 20]


def _publish_stale(trial: TrialCluster, rng: Random) -> None:
    """Publishes everything that the first titles of the campaign published again: they have ended long ago."""
    early = trial.recorder.early()
    trial.recorder.publish(*rng.sample(early, len(early)))


def _publish_other_attempts(trial: TrialCluster, rng: Random) -> None:
    """Publishes ends and requests of attempts that a title in work does not have."""
    _, batch = _live_batch(trial, rng)
    for attempt in {max(1, batch.attempt) + 1, _LATEST_ATTEMPT}:
        for event in _events(batch.run, f"s3://{trial.cluster.bucket}"):
            event.attempt = attempt
            trial.recorder.publish(_record(EVENTS, run_key(batch.run), event.SerializeToString()))


def _publish_false_commits(trial: TrialCluster, rng: Random) -> None:
    """Publishes commits, a complete plan and an end that the ledger does not have, for a title in work."""
    _, batch = _live_batch(trial, rng)
    events = [
        *(SegmentCommitted(segment=batch.segment + n, frames=24) for n in range(4)),
        TitlePlanned(segments=1, frames=1),
        TitleCancelled(),
        TitleFinished(output="s3://none/film.mp4", frames=1),
    ]
    for inner in events:
        event = Event(run=batch.run, attempt=batch.attempt)
        name = next(f.name for f in Event.DESCRIPTOR.fields if f.message_type == inner.DESCRIPTOR)
        getattr(event, name).SetInParent()
        getattr(event, name).CopyFrom(inner)
        trial.recorder.publish(_record(EVENTS, run_key(batch.run), event.SerializeToString()))


def _publish_forged_pictures(trial: TrialCluster, rng: Random) -> None:
    """Publishes restored batches of titles in work with black pictures, as an engine that no worker has."""
    for record in rng.sample(pool := trial.recorder.pool(RESTORED), min(4, len(pool))):
        try:
            batch = RestoredBatch.FromString(record.value)
        except DecodeError:
            continue
        batch.engine = "forged-1 fp32 reel-s@000000000000"
        for segment in (batch.segment, batch.segment + 1, batch.segment + 2):
            batch.segment = segment
            value = batch.SerializeToString()
            trial.recorder.publish(replace(record, key=segment_key(batch.run, segment), value=value))


def _live_batch(trial: TrialCluster, rng: Random) -> tuple[RecordedMessage, FrameBatch]:
    pool = trial.recorder.pool(*_FRAMES)
    for record in rng.sample(pool[-12:], len(pool[-12:])):
        try:
            batch = FrameBatch.FromString(record.value)
        except DecodeError:
            continue
        if len(batch.run) == len(FOREIGN_RUN) and batch.run != FOREIGN_RUN:
            return record, batch
    raise LookupError("no recent record holds a valid batch")


def _record(topic: str, key: bytes, value: bytes) -> RecordedMessage:
    return RecordedMessage(topic, 0, key, value, (("format", b"1"),))


KINDS = (
    instant_kind("empty messages on every topic", 4, _publish_empty),
    instant_kind("messages of foreign runs", 6, _publish_foreign_runs),
    instant_kind("bomb in a batch", 3, _publish_bomb),
    instant_kind("oversized messages", 3, _publish_oversized),
    instant_kind("stale messages of ended titles", 4, _publish_stale),
    instant_kind("events of other attempts", 4, _publish_other_attempts),
    instant_kind("false commits and ends", 4, _publish_false_commits),
    instant_kind("forged pictures of an unknown engine", 4, _publish_forged_pictures),
)
