"""Dispatcher and workers over real gRPC: every batch comes out restored, once, and no one takes more than asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from reelwright.bus.topics import EVENTS, FRAMES, RESTORED, run_key, segment_key
from reelwright.media.picture import Picture
from reelwright.media.transport import decode_payload
from reelwright.wire.dispatch_pb2 import Receipt
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch
from reelwright.wire.titles_pb2 import Event, TitleCancelled
from tests.support.dispatch_harness import FRAMES_PER_BATCH, PATIENCE, DispatchHarness, Doubler, batch, key, until

MakeHouse = Callable[..., DispatchHarness]


def test_many_batches_through_three_workers(house: MakeHouse, address: str) -> None:
    """Every batch of two runs comes out once, with its frames' places in time and the right samples."""
    h = house(address)
    for name in "abc":
        h.worker(name, parallel=2)
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
        assert (out.engine, out.worker in "abc") == ("doubler-1", True)
        pictures = decode_payload(out.payload)
        assert [int(p.planes[0][0, 0]) for p in pictures] == [
            (source.first_frame + i) % 251 for i in range(FRAMES_PER_BATCH)
        ]
        assert {(p.width, p.height) for p in pictures} == {(32, 32)}
    until(lambda: h.frames_held() == 0, "all frames done on the bus")


def test_frames_are_done_only_with_their_receipt(house: MakeHouse) -> None:
    """A batch on lease is held on the bus; the receipt releases it, and not before every one ahead of it."""
    h = house()
    raw = h.raw("w")
    h.publish(batch("r", 0, 0), batch("r", 0, 1))
    raw.say(credits=2)
    first, second = raw.lease(), raw.lease()
    both = h.frames_held()
    raw.say(receipt=Receipt(lease=second.lease))
    raw.say(credits=1)
    h.publish(batch("r", 1, 0))
    third = raw.lease()
    assert h.frames_held() > both
    raw.say(receipt=Receipt(lease=first.lease))
    raw.say(receipt=Receipt(lease=third.lease))
    until(lambda: h.frames_held() == 0, "the bus to let go")


def test_credits_bound_the_leases(house: MakeHouse) -> None:
    """A worker gets as many leases as it asked for and no more."""
    h = house()
    raw = h.raw("w")
    raw.say(credits=2)
    h.publish(*[batch("r", 0, number) for number in range(5)])
    leases = [raw.lease(), raw.lease()]
    raw.say(receipt=Receipt(lease=leases[0].lease))
    raw.say(credits=1)
    assert raw.lease().batch.batch == 2
    assert raw.silent


def test_classes_go_in_order(house: MakeHouse) -> None:
    """Express goes before standard before bulk, whatever came first."""
    h = house()
    for name in ("bulk", "standard", "express"):
        h.publish(batch(name, 0, 0), priority=name)
    until(lambda: len(h.dispatcher._desk._ready) == 3, "all three to be taken in")
    raw = h.raw("w")
    raw.say(credits=3)
    assert [raw.lease().batch.run for _ in range(3)] == ["express", "standard", "bulk"]


def test_a_near_deadline_goes_first(house: MakeHouse) -> None:
    """A run whose batches carry a deadline that is near gets most of the workers; nonsense for a deadline is none."""
    h = house()
    for number in range(8):
        h.publish(batch("any", 0, number), deadline="whenever")
        h.publish(batch("due", 0, number), deadline=str(time.time()))
    until(lambda: len(h.dispatcher._desk._ready) == 16, "all to be taken in")
    raw = h.raw("w")
    raw.say(credits=8)
    assert [raw.lease().batch.run for _ in range(8)].count("due") >= 7


def test_a_cancelled_run_is_dropped(house: MakeHouse) -> None:
    """A cancelled title's waiting batches are dropped, its leases revoked, its records done; other runs go on."""
    h = house()
    raw = h.raw("w")
    raw.say(credits=1)
    h.publish(batch("gone", 0, 0), batch("gone", 0, 1))
    assert raw.lease().batch.run == "gone"
    h.publish(batch("stays", 0, 0))
    until(lambda: len(h.dispatcher._desk._batches) == 3, "all to be taken in")
    h.bus.publish(EVENTS, run_key("gone"), Event(run="gone", title_cancelled=TitleCancelled()).SerializeToString())
    assert raw.revoked() == "gone"
    raw.say(credits=1)
    last = raw.lease()
    assert last.batch.run == "stays"
    raw.say(receipt=Receipt(lease=last.lease))
    until(lambda: h.frames_held() == 0, "all frames done on the bus")


def test_workers_drop_a_revoked_run(house: MakeHouse) -> None:
    """A worker drops a revoked run's batches, begun or not, and goes on with others."""
    entered, go_on = threading.Event(), threading.Event()

    def hold(_: Picture) -> None:
        entered.set()
        assert go_on.wait(PATIENCE)

    h = house()
    worker = h.worker("w", Doubler(hold), parallel=1, prefetch=2)
    h.publish(*[batch("gone", 0, number) for number in range(6)])
    assert entered.wait(PATIENCE)
    until(lambda: len(h.dispatcher._desk._batches) == 6, "all to be taken in")
    h.bus.publish(EVENTS, run_key("gone"), Event(run="gone", title_cancelled=TitleCancelled()).SerializeToString())
    until(lambda: all(job.dropped for job in list(worker._jobs._jobs.values())), "the revocation")
    go_on.set()
    h.publish(batch("stays", 0, 0))
    until(lambda: h.restored() == {("stays", 0, 0): 1}, "the other run")
    until(lambda: h.frames_held() == 0, "all frames done on the bus")


def test_backpressure_reaches_the_decoder(house: MakeHouse) -> None:
    """With no worker the dispatcher takes in a bounded number of batches and the publisher waits; then all is done."""
    h = house(hold_batches=8)
    sent = [batch("r", segment, number, size=256) for segment in range(4) for number in range(40)]
    total = sum(len(message.SerializeToString()) for message in sent)
    assert total > 2 * (8 << 20)
    publisher = threading.Thread(target=lambda: h.publish(*sent))
    publisher.start()
    until(lambda: h.frames_held() > (8 << 20) - (1 << 18), "the bus to fill")
    until(lambda: len(h.dispatcher._desk._batches) >= 8, "the dispatcher to fill")
    assert h.frames_held() <= (8 << 20) + 12 * (1 << 18)
    assert len(h.dispatcher._desk._batches) <= 8 + 4
    assert publisher.is_alive()
    for name in "ab":
        h.worker(name)
    until(lambda: len(h.restored()) == len(sent), "all batches")
    publisher.join(PATIENCE)
    assert set(h.restored().values()) == {1}


def test_a_full_restored_topic_holds_the_workers(house: MakeHouse) -> None:
    """While nobody takes restored batches the worker waits with its credits used up, and stops at once when told."""
    h = house()
    h._out.pause(h._out.assignment())
    big = [batch("r", 0, number, size=1024) for number in range(3)]
    worker = h.worker("w", parallel=1, prefetch=1)
    h.publish(*big)
    until(lambda: h.bus.held_bytes(RESTORED) > 4 << 20, "the first restored batch")
    worker.close(drain_seconds=0)
    assert h.bus.held_bytes(RESTORED) <= 9 << 20


def test_draining_finishes_what_is_leased(house: MakeHouse) -> None:
    """A dispatcher that drains leases nothing new and takes the receipts of what is out; the rest stays on the bus."""
    h = house()
    raw = h.raw("w")
    raw.say(credits=1)
    h.publish(batch("r", 0, 0), batch("r", 1, 0))
    lease = raw.lease()
    closer = threading.Thread(target=lambda: h.dispatcher.close(drain_seconds=PATIENCE))
    closer.start()
    until(lambda: h.dispatcher._desk._draining, "the drain")
    raw.say(credits=1)
    raw.say(receipt=Receipt(lease=lease.lease))
    closer.join(PATIENCE)
    assert not closer.is_alive()
    assert raw.silent
    left = h.bus.consumer([FRAMES["standard"]], "dispatcher")
    (record,) = left.poll(PATIENCE)
    assert FrameBatch.FromString(record.value).segment == 1 - lease.batch.segment
