"""Whatever happens to a worker, every batch comes out restored, and one that cannot be takes nothing else along."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from reelwright.bus.topics import DEAD_LETTER
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.media.picture import Picture
from reelwright.wire.dispatch_pb2 import Ready, Receipt
from reelwright.wire.frames_pb2 import FrameBatch
from tests.support.dispatch_harness import PATIENCE, DispatchHarness, Doubler, batch, key, until

MakeHouse = Callable[..., DispatchHarness]


def test_a_dead_workers_batches_go_to_another(house: MakeHouse, address: str) -> None:
    """A stream that breaks in the middle of its leases puts them back, and another worker restores them."""
    h = house(address)
    dying = h.raw("dying")
    dying.say(credits=3)
    h.publish(*[batch("r", 0, number) for number in range(3)])
    leased = {dying.lease().batch.batch for _ in range(3)}
    assert leased == {0, 1, 2}
    h.worker("living")
    dying.die()
    until(lambda: len(h.restored()) == 3, "the batches from the dead worker")
    until(lambda: h.frames_held() == 0, "all frames done on the bus")


def test_a_hung_workers_lease_expires(house: MakeHouse) -> None:
    """A worker that says nothing loses its lease after its time, though its stream is open."""
    h = house(lease_seconds=0.3, prefer_other_seconds=0)
    hung = h.raw("hung")
    hung.say(credits=1)
    h.publish(batch("r", 0, 0))
    assert hung.lease().seconds == pytest.approx(0.3)
    h.worker("living")
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch from the hung worker")
    until(lambda: h.frames_held() == 0, "all frames done on the bus")


def test_a_late_receipt_counts(house: MakeHouse) -> None:
    """A receipt for a lease that has expired finishes the batch, which is leased to no one else any more."""
    h = house(lease_seconds=0.3)
    slow = h.raw("slow")
    slow.say(credits=1)
    h.publish(batch("r", 0, 0))
    late = slow.lease()
    other = h.raw("other")
    other.say(credits=1)
    assert other.lease().batch == late.batch
    slow.say(receipt=Receipt(lease=late.lease))
    until(lambda: h.frames_held() == 0, "the batch to be done")


def test_a_failure_goes_to_another_worker(house: MakeHouse) -> None:
    """What one worker cannot restore, another does; the title does not fail."""

    def refuse(_: Picture) -> None:
        raise RuntimeError("no memory on this device")

    h = house(attempts=2)
    h.worker("broken", Doubler(refuse), parallel=1, prefetch=1)
    h.worker("sound", parallel=1, prefetch=1)
    until(lambda: len(h.dispatcher._desk._workers) == 2, "both workers to connect")
    sent = [batch("r", 0, number) for number in range(12)]
    h.publish(*sent)
    until(lambda: len(h.restored()) == 12, "all batches")
    assert h.failed() == []
    assert h.records(DEAD_LETTER) == []


def test_a_lone_worker_gets_its_failures_again(house: MakeHouse) -> None:
    """With no other worker there, a batch goes back to the one that failed it."""
    tries: list[int] = []

    def fail_once(_: Picture) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("once")

    h = house(attempts=2, prefer_other_seconds=3600)
    h.worker("only", Doubler(fail_once))
    h.publish(batch("r", 0, 0))
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")
    assert len(tries) > 1
    assert h.failed() == []


def test_poison_fails_its_title_and_no_other(house: MakeHouse) -> None:
    """A batch that fails on every attempt ends as a dead letter and a TitleFailed; other runs come out whole."""

    def choke(picture: Picture) -> None:
        if int(picture.planes[0][0, 0]) == 106:
            raise ValueError("cannot\nrestore this")

    h = house(attempts=3)
    for name in "ab":
        h.worker(name, Doubler(choke))
    good = [batch("good", 3, number) for number in range(8)]
    h.publish(batch("bad", 1, 3), *good)
    until(lambda: h.failed() and len(h.restored()) == len(good), "the failure and the good run")
    ((run, reason, exit_code),) = h.failed()
    assert (run, exit_code) == ("bad", 1)
    assert "frames 106-107" in reason
    assert "ValueError: cannot restore this" in reason
    (letter,) = h.records(DEAD_LETTER)
    assert key(FrameBatch.FromString(letter.value)) == ("bad", 1, 3)
    assert letter.headers["reason"] == reason
    until(lambda: h.frames_held() == 0, "all frames done on the bus")


def test_a_worker_killer_is_given_up(house: MakeHouse) -> None:
    """A batch lost twice is restored alone; when its workers' streams break then too, it is given up."""
    h = house(losses=2)
    h.publish(batch("r", 0, 0))
    for number in range(4):
        raw = h.raw(f"w{number}")
        raw.say(credits=1)
        lease = raw.lease()
        assert lease.alone == (number >= 2)
        if lease.alone:
            raw.say(ready=Ready(lease=lease.lease))
            assert raw.begin() == lease.lease
        raw.die()
    until(h.failed, "the title to fail")
    assert "worker w3: was lost" in h.failed()[0][1]


def test_a_stopping_worker_hands_back(house: MakeHouse) -> None:
    """A worker that stops finishes what is under way and hands back the rest, which costs no attempt."""
    entered, go_on = threading.Event(), threading.Event()

    def hold(_: Picture) -> None:
        entered.set()
        assert go_on.wait(PATIENCE)

    h = house(attempts=1, losses=1)
    stopping = h.worker("stopping", Doubler(hold), parallel=1, prefetch=3)
    sent = [batch("r", 0, number) for number in range(4)]
    h.publish(*sent)
    assert entered.wait(PATIENCE)
    closer = threading.Thread(target=stopping.close)
    closer.start()
    h.worker("staying")
    until(lambda: len(h.restored()) == 3, "the batches handed back")
    go_on.set()
    closer.join(PATIENCE)
    until(lambda: h.restored() == {key(message): 1 for message in sent}, "the one that was under way")
    assert h.failed() == []


def test_a_worker_out_of_time_hands_back_what_it_began(house: MakeHouse) -> None:
    """After its grace a stopping worker leaves a batch at the next frame; it costs no attempt."""
    entered, go_on = threading.Event(), threading.Event()

    def hold(_: Picture) -> None:
        entered.set()
        assert go_on.wait(PATIENCE)

    h = house(attempts=1, losses=1)
    stopping = h.worker("stopping", Doubler(hold))
    h.publish(batch("r", 0, 0))
    assert entered.wait(PATIENCE)
    closer = threading.Thread(target=lambda: stopping.close(drain_seconds=0))
    closer.start()
    until(stopping._abandon.is_set, "the end of the grace")
    go_on.set()
    closer.join(PATIENCE)
    assert h.restored() == {}
    h.worker("staying")
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch handed back")


def test_workers_find_a_dispatcher_that_comes_back(house: MakeHouse, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A worker outlives its dispatcher: it connects to the next one, which gets again what was not finished."""
    where = f"unix:{tmp_path_factory.mktemp('s')}/d"
    h = house(where)
    gate = threading.Event()
    worker = h.worker("w", Doubler(lambda _: gate.wait(PATIENCE) and None), retry_seconds=0.1)
    h.publish(*[batch("r", 0, number) for number in range(5)])
    until(lambda: h.dispatcher._desk.leased, "a lease")
    h.dispatcher.close(drain_seconds=0)
    until(lambda: not worker.connected, "the worker to notice")
    gate.set()
    h.dispatcher = DispatcherService(h.bus, DispatcherSettings(address=where))
    h.dispatcher.start()
    until(lambda: len(h.restored()) == 5 and h.frames_held() == 0, "all batches from the second dispatcher")
    assert sum(h.restored().values()) <= 6, "only what was begun may be done twice"
