"""Dispatcher and workers over real gRPC: every batch is restored once, within the credits of its worker."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

from reelwright.bus.topics import EVENTS, FRAMES, RESTORED, run_key, segment_key
from reelwright.media.picture import Picture
from reelwright.media.transport import decode_payload
from reelwright.wire.dispatch_pb2 import Receipt
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch
from reelwright.wire.titles_pb2 import Event, TitleCancelled
from tests.support.dispatch_harness import (
    FRAMES_PER_BATCH,
    TIMEOUT_SECONDS,
    DispatchHarness,
    FakeRestorer,
    batch,
    key,
    until,
)

MakeHarness = Callable[..., DispatchHarness]


def test_many_batches_through_three_workers(make_harness: MakeHarness, address: str) -> None:
    """Every batch of two runs is published once, with its frames' times and the right samples."""
    h = make_harness(address)
    for name in "abc":
        h.start_worker(name, parallel=2)
    sent = [batch(run, segment, number) for segment in range(4) for number in range(10) for run in ("r1", "r2")]
    h.publish(*sent)
    until(lambda: len(h.restored()) == len(sent), "all batches")
    assert set(h.restored().values()) == {1}
    by_key = {key(message): message for message in sent}
    for record in h.records(RESTORED):
        out = RestoredBatch.FromString(record.value)
        source = by_key[key(out)]
        assert record.key == segment_key(out.run, out.segment)
        assert (out.first_frame, list(out.frames), out.last) == (source.first_frame, list(source.frames), source.last)
        assert (out.engine, out.worker in "abc") == ("fake-1", True)
        pictures = decode_payload(out.payload)
        assert [int(p.planes[0][0, 0]) for p in pictures] == [
            (source.first_frame + i) % 251 for i in range(FRAMES_PER_BATCH)
        ]
        assert {(p.width, p.height) for p in pictures} == {(32, 32)}
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


def test_records_are_acknowledged_in_order_of_receipts(make_harness: MakeHarness) -> None:
    """The bus holds a leased batch until its receipt and the receipts of all batches before it."""
    h = make_harness()
    raw = h.connect_raw_worker("w")
    h.publish(batch("r", 0, 0), batch("r", 0, 1))
    raw.send(credits=2)
    first, second = raw.receive_lease(), raw.receive_lease()
    both = h.held_frame_bytes()
    raw.send(receipt=Receipt(lease=second.lease_id))
    raw.send(credits=1)
    h.publish(batch("r", 1, 0))
    third = raw.receive_lease()
    assert h.held_frame_bytes() > both
    raw.send(receipt=Receipt(lease=first.lease_id))
    raw.send(receipt=Receipt(lease=third.lease_id))
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


def test_credits_limit_the_leases(make_harness: MakeHarness) -> None:
    """A worker gets as many leases as it asked for and no more."""
    h = make_harness()
    raw = h.connect_raw_worker("w")
    raw.send(credits=2)
    h.publish(*[batch("r", 0, number) for number in range(5)])
    leases = [raw.receive_lease(), raw.receive_lease()]
    raw.send(receipt=Receipt(lease=leases[0].lease_id))
    raw.send(credits=1)
    assert raw.receive_lease().batch.batch == 2
    assert raw.inbox_empty


def test_classes_go_in_order(make_harness: MakeHarness) -> None:
    """Express goes before standard, standard before bulk, in whatever order they were published."""
    h = make_harness()
    for name in ("bulk", "standard", "express"):
        h.publish(batch(name, 0, 0), priority=name)
    until(lambda: h.dispatcher.counts().queued == 3, "all batches to be queued")
    raw = h.connect_raw_worker("w")
    raw.send(credits=3)
    assert [raw.receive_lease().batch.run for _ in range(3)] == ["express", "standard", "bulk"]


def test_a_near_deadline_goes_first(make_harness: MakeHarness) -> None:
    """A run with a near deadline gets most of the workers; an invalid deadline counts as none."""
    h = make_harness()
    for number in range(8):
        h.publish(batch("any", 0, number), deadline="whenever")
        h.publish(batch("due", 0, number), deadline=str(time.time()))
    until(lambda: h.dispatcher.counts().queued == 16, "all batches to be queued")
    raw = h.connect_raw_worker("w")
    raw.send(credits=8)
    assert [raw.receive_lease().batch.run for _ in range(8)].count("due") >= 7


def test_a_cancelled_run_is_dropped(make_harness: MakeHarness) -> None:
    """A cancelled title's queued batches are dropped, its leases revoked, its records acknowledged; others go on."""
    h = make_harness()
    raw = h.connect_raw_worker("w")
    raw.send(credits=1)
    h.publish(batch("gone", 0, 0), batch("gone", 0, 1))
    assert raw.receive_lease().batch.run == "gone"
    h.publish(batch("stays", 0, 0))
    until(lambda: h.dispatcher.counts().batches == 3, "all batches to be queued")
    h.bus.publish(EVENTS, run_key("gone"), Event(run="gone", title_cancelled=TitleCancelled()).SerializeToString())
    assert raw.receive_revocation() == "gone"
    raw.send(credits=1)
    last = raw.receive_lease()
    assert last.batch.run == "stays"
    raw.send(receipt=Receipt(lease=last.lease_id))
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


def test_workers_drop_a_revoked_run(make_harness: MakeHarness) -> None:
    """A worker drops a revoked run's batches, started or not, and goes on with others."""
    entered, go_on = threading.Event(), threading.Event()

    def hold(_: Picture) -> None:
        entered.set()
        assert go_on.wait(TIMEOUT_SECONDS)

    h = make_harness()
    worker = h.start_worker("w", FakeRestorer(hold), parallel=1, prefetch=2)
    h.publish(*[batch("gone", 0, number) for number in range(6)])
    assert entered.wait(TIMEOUT_SECONDS)
    until(lambda: h.dispatcher.counts().batches == 6, "all batches to be queued")
    h.bus.publish(EVENTS, run_key("gone"), Event(run="gone", title_cancelled=TitleCancelled()).SerializeToString())
    until(lambda: all(lease.revoked for lease in worker.held_leases()), "the revocation")
    go_on.set()
    h.publish(batch("stays", 0, 0))
    until(lambda: h.restored() == {("stays", 0, 0): 1}, "the other run")
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


def test_backpressure_reaches_the_decoder(make_harness: MakeHarness) -> None:
    """Without workers the dispatcher holds a bounded number of batches, and the publisher waits."""
    h = make_harness(hold_batches=8)
    sent = [batch("r", segment, number, size=256) for segment in range(4) for number in range(40)]
    total = sum(len(message.SerializeToString()) for message in sent)
    assert total > 2 * (8 << 20)
    publisher = threading.Thread(target=lambda: h.publish(*sent))
    publisher.start()
    until(lambda: h.held_frame_bytes() > (8 << 20) - (1 << 18), "the bus to fill")
    until(lambda: h.dispatcher.counts().batches >= 8, "the dispatcher to fill")
    assert h.held_frame_bytes() <= (8 << 20) + 12 * (1 << 18)
    assert h.dispatcher.counts().batches <= 8 + 4
    assert publisher.is_alive()
    for name in "ab":
        h.start_worker(name)
    until(lambda: len(h.restored()) == len(sent), "all batches")
    publisher.join(TIMEOUT_SECONDS)
    assert set(h.restored().values()) == {1}


def test_a_full_restored_topic_blocks_the_workers(make_harness: MakeHarness) -> None:
    """While no one reads restored batches a worker waits without credits; it still stops at once when it is closed."""
    h = make_harness()
    h.pause_restored()
    big = [batch("r", 0, number, size=1024) for number in range(3)]
    worker = h.start_worker("w", parallel=1, prefetch=1)
    h.publish(*big)
    until(lambda: h.bus.held_bytes(RESTORED) > 4 << 20, "the first restored batch")
    worker.close(drain_seconds=0)
    assert h.bus.held_bytes(RESTORED) <= 9 << 20


def test_draining_finishes_what_is_leased(make_harness: MakeHarness) -> None:
    """A draining dispatcher leases nothing and accepts receipts of leased batches; the others stay on the bus."""
    h = make_harness()
    raw = h.connect_raw_worker("w")
    raw.send(credits=1)
    h.publish(batch("r", 0, 0), batch("r", 1, 0))
    lease = raw.receive_lease()
    closer = threading.Thread(target=lambda: h.dispatcher.close(drain_seconds=TIMEOUT_SECONDS))
    closer.start()
    until(lambda: h.dispatcher.counts().draining, "the drain")
    raw.send(credits=1)
    raw.send(receipt=Receipt(lease=lease.lease_id))
    closer.join(TIMEOUT_SECONDS)
    assert not closer.is_alive()
    assert raw.inbox_empty
    left = h.bus.consumer([FRAMES["standard"]], "dispatcher")
    (record,) = left.poll(TIMEOUT_SECONDS)
    assert FrameBatch.FromString(record.value).segment == 1 - lease.batch.segment


def test_the_poller_outlives_its_server(make_harness: MakeHarness) -> None:
    """The thread that polls for gRPC is not ended with a dispatcher: to wait for its end may take without a limit."""

    def pollers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if "_poll_wrapper" in thread.name]

    make_harness().close()
    first = pollers()
    gc.collect()
    assert len(first) == 1
    assert pollers() == first
