"""Unusable batches: each becomes a dead letter or is requested again, and delays no other batch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.protocol import BusClosed
from reelwright.bus.topics import DEAD_LETTER, FRAMES, RESTORED, segment_key
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.scheduler import Scheduler
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.media.transport import decode_payload
from reelwright.store.retry import RetryPolicy
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch
from scripts.servers.s3 import S3Server
from tests.support.dispatch_harness import DispatchHarness, FakeRestorer, batch, until

MakeHarness = Callable[..., DispatchHarness]


def test_an_unreadable_batch_is_requested_again(make_harness: MakeHarness) -> None:
    """A record that is no FrameBatch becomes a dead letter, and the segment of its key is requested again."""
    h = make_harness()
    h.start_worker("w")
    h.bus.publish(FRAMES["standard"], segment_key("broken", 3), b"\xff\xff\xff")
    h.publish(batch("r", 0, 0))
    until(lambda: h.wanted_segments() and h.restored(), "the request and the good batch")
    assert h.wanted_segments()[0][:2] == ("broken", 3)
    assert h.failed_titles() == []
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


def test_a_batch_larger_than_a_message_is_rejected(make_harness: MakeHarness) -> None:
    """A batch above the dispatcher's largest message fails its title once, and the reason names the settings."""
    h = make_harness(max_message_bytes=1 << 20)
    h.start_worker("w")
    h.publish(batch("r", 0, 0, size=1024), batch("small", 0, 0))
    until(lambda: h.failed_titles() and h.restored(), "the failure, and the small batch")
    ((run, reason, code),) = h.failed_titles()
    assert (run, code) == ("r", 2)
    assert "raise REELWRIGHT_DISPATCHER_MAX_MESSAGE_BYTES (1048576), or lower REELWRIGHT_BUS_INLINE_BYTES" in reason
    assert (h.wanted_segments(), len(h.records(DEAD_LETTER))) == ([], 1)
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


@pytest.mark.parametrize("worker_first", [True, False])
def test_a_batch_larger_than_every_worker_accepts(
    make_harness: MakeHarness, caplog: pytest.LogCaptureFixture, worker_first: bool
) -> None:
    """A batch above the largest message of all its workers fails its title once, and costs no worker its stream."""
    caplog.set_level("INFO")
    h = make_harness(lease_seconds=1)
    large = batch("r", 0, 0, size=1024)
    if not worker_first:
        h.publish(large)
        until(lambda: h.dispatcher.counts().queued == 1, "the batch is queued")
    h.start_worker("w", max_message_bytes=1 << 20)
    until(lambda: h.dispatcher.counts().workers == 1, "the worker")
    h.publish(large, batch("small", 0, 0))
    until(lambda: h.failed_titles() and h.restored() == {("small", 0, 0): 1}, "the failure, and the small batch")
    run, reason, code = h.failed_titles()[0]
    assert (run, code) == ("r", 2)
    assert "raise REELWRIGHT_INFERENCE_MAX_MESSAGE_BYTES (1048576), or lower REELWRIGHT_BUS_INLINE_BYTES" in reason
    assert "dispatcher disconnected" not in {record.message for record in caplog.records}
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


def test_a_large_batch_goes_to_a_worker_that_accepts_it(make_harness: MakeHarness) -> None:
    """A batch above the largest message of one worker waits for another that accepts it."""
    h = make_harness()
    h.start_worker("large")
    small = FakeRestorer()
    h.start_worker("small", small, max_message_bytes=1 << 20)
    until(lambda: h.dispatcher.counts().workers == 2, "both workers")
    h.publish(*(batch("r", 0, number, size=1024) for number in range(4)))
    until(lambda: sum(h.restored().values()) == 4, "all batches")
    workers = {RestoredBatch.FromString(record.value).worker for record in h.records(RESTORED)}
    assert (workers, h.failed_titles()) == ({"large"}, [])


def test_a_batch_of_a_later_format_is_a_dead_letter(make_harness: MakeHarness) -> None:
    """A batch in a later format becomes a dead letter that says so, and its segment is requested again."""
    h = make_harness()
    h.start_worker("w")
    h.bus.publish(FRAMES["standard"], segment_key("new", 0), b"whatever", headers={"format": "99"})
    h.publish(batch("r", 0, 0))
    until(lambda: h.wanted_segments() and h.restored(), "the request and the good batch")
    ((run, segment, reason),) = h.wanted_segments()
    assert (run, segment) == ("new", 0)
    assert "format 99" in reason
    assert "upgrade" in reason
    (record,) = h.records(DEAD_LETTER)
    assert (record.headers["reason"], record.headers["topic"]) == (reason, FRAMES["standard"])
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


@pytest.mark.parametrize("key", [b"", b"run", b"run/x", b"run/99999999999", b"\xff/\xff"])
def test_a_record_without_a_segment_is_only_a_dead_letter(make_harness: MakeHarness, key: bytes) -> None:
    """A record whose key names no segment becomes a dead letter, and nothing is requested."""
    h = make_harness()
    h.bus.publish(FRAMES["bulk"], key, b"\xff\xff\xff")
    until(lambda: h.records(DEAD_LETTER), "the dead letter")
    until(lambda: h.held_frame_bytes() == 0, "the record to be acknowledged")
    assert (h.failed_titles(), h.wanted_segments()) == ([], [])


def test_a_damaged_payload_is_requested_again(make_harness: MakeHarness) -> None:
    """A batch whose payload does not match its digest is removed and its segment requested again, without a failure."""
    h = make_harness(max_failures=1)
    h.start_worker("w")
    whole = batch("r", 7, 0)
    damaged = FrameBatch.FromString(whole.SerializeToString())
    damaged.payload.inline = b"\0" + damaged.payload.inline[1:]
    h.publish(damaged)
    until(h.wanted_segments, "the segment to be requested")
    ((run, segment, reason),) = h.wanted_segments()
    assert (run, segment) == ("r", 7)
    assert "digest" in reason
    until(lambda: h.held_frame_bytes() == 0, "the batch to be acknowledged")
    h.publish(whole)
    until(lambda: h.restored() == {("r", 7, 0): 1}, "the batch, sent again")
    assert (h.failed_titles(), h.records(DEAD_LETTER)) == ([], [])


def test_a_batch_that_contradicts_its_payload_reaches_no_worker(make_harness: MakeHarness) -> None:
    """A batch with another number of pictures becomes a dead letter, and its segment is requested again."""
    h = make_harness()
    wrong = batch("r", 0, 0)
    wrong.frames.add(pts=1)
    h.publish(wrong)
    until(h.wanted_segments, "the segment to be requested")
    assert h.wanted_segments() == [("r", 0, "2 pictures for 3 frames")]
    assert [record.headers["reason"] for record in h.records(DEAD_LETTER)] == ["2 pictures for 3 frames"]
    until(lambda: h.held_frame_bytes() == 0, "the record to be acknowledged")


def test_a_batch_larger_than_a_worker_takes_fails_its_title(make_harness: MakeHarness) -> None:
    """A worker refuses a batch that claims more than its limit before it decodes it, and the title fails."""
    h = make_harness(max_failures=1)
    h.start_worker("w", max_batch_bytes=100)
    h.publish(batch("r", 0, 0))
    until(h.failed_titles, "the title to fail")
    assert "the payload claims 2 pictures of 16x16, more than 100 bytes" in h.failed_titles()[0][1]
    assert h.wanted_segments() == []


def test_large_payloads_go_through_the_store(make_harness: MakeHarness, tmp_path: Path) -> None:
    """A payload above the limit is read from the store, and its restored one written there; small ones stay inline."""
    claims = ClaimCheck(str(tmp_path), 4096)
    h = make_harness(claims=claims)
    h.start_worker("w")
    large, small = batch("r", 0, 0, size=64), batch("r", 0, 1)
    plain = [decode_payload(each.payload) for each in (large, small)]
    large.payload.CopyFrom(claims.store_if_large(large.payload, "r", 0))
    assert large.payload.HasField("reference")
    h.publish(large, small)
    until(lambda: len(h.restored()) == 2, "both batches")
    for record in h.records(RESTORED):
        out = RestoredBatch.FromString(record.value)
        assert out.payload.HasField("reference") == (out.batch == 0)
        found = decode_payload(out.payload, claims.load(out.payload, out.run, out.segment))
        assert [p.planes[0][0, 0] for p in found] == [p.planes[0][0, 0] for p in plain[out.batch]]


def test_a_payload_missing_in_the_store_is_requested_again(make_harness: MakeHarness, tmp_path: Path) -> None:
    """A batch whose payload is missing in the store is removed and its segment requested again."""
    claims = ClaimCheck(str(tmp_path), 0)
    h = make_harness(claims=claims, max_failures=1)
    h.start_worker("w")
    lost = batch("r", 3, 0)
    lost.payload.CopyFrom(claims.store_if_large(lost.payload, "r", 3))
    claims.delete_payloads("r", 3)
    h.publish(lost)
    until(h.wanted_segments, "the segment to be requested")
    ((run, segment, reason),) = h.wanted_segments()
    assert (run, segment) == ("r", 3)
    assert "missing" in reason
    until(lambda: h.held_frame_bytes() == 0, "the batch to be acknowledged")
    assert h.failed_titles() == []


def test_workers_wait_for_a_store_that_does_not_answer(
    make_harness: MakeHarness, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store does not answer, batches in it wait, others go on, and no failure or loss is counted."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    claims = ClaimCheck(f"s3://{s3.bucket}/dispatch", 1000, RetryPolicy())
    h = make_harness(claims=claims, lease_seconds=1, max_failures=1, max_losses=1)
    stored = batch("stored", 0, 0, size=32)
    stored.payload.CopyFrom(claims.store_if_large(stored.payload, "stored", 0))
    s3.stop()
    try:
        h.start_worker("w")
        h.publish(stored, batch("inline", 0, 0, size=8))
        until(lambda: h.restored() == {("inline", 0, 0): 1}, "the batch that needs no store")
        until(lambda: h.dispatcher.counts().stalled_workers, "the worker to report that it is stalled")
        until(lambda: h.dispatcher.counts().leases == 0, "the lease to expire")
    finally:
        s3.start()
    until(lambda: ("stored", 0, 0) in h.restored(), "the batch from the store")
    assert h.failed_titles() == []


class ClosedBus(LocalBus):
    """A bus on which every publish fails."""

    def publish(self, *_: object, **__: object) -> None:
        raise BusClosed


def test_an_error_of_the_bus_ends_the_dispatcher() -> None:
    """When the frame consumer fails, `run` raises its error instead of serving on without frames."""
    bus, stop = ClosedBus(), threading.Event()
    super(ClosedBus, bus).publish(FRAMES["standard"], segment_key("r", 0), b"\xff")
    with pytest.raises(BusClosed):
        DispatcherService(bus, DispatcherSettings()).run(stop)
    assert stop.is_set()


def test_an_error_of_the_scheduler_ends_the_dispatcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the scheduler fails, `run` raises its error instead of serving on without leases."""

    def fail(_: Scheduler) -> None:
        raise ValueError("broken scheduler")

    monkeypatch.setattr(Scheduler, "expire_leases", fail)
    stop = threading.Event()
    with pytest.raises(ValueError, match="broken scheduler"):
        DispatcherService(LocalBus(), DispatcherSettings()).run(stop)
    assert stop.is_set()
