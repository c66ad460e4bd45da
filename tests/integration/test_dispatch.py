"""Dispatcher and workers over real gRPC: whatever happens to a worker, every batch comes out restored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from reelwright.bus.local import LocalBus
from reelwright.bus.messages import publish_message
from reelwright.bus.protocol import BusFull
from reelwright.bus.topics import DEAD_LETTER, EVENTS, FRAMES, RESTORED, run_key, segment_key
from reelwright.dispatcher.entry import create as create_dispatcher
from reelwright.dispatcher.loop import Dispatcher
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.inference.entry import create as create_worker
from reelwright.media.picture import Picture
from reelwright.media.transport import decode_payload
from reelwright.store.claims import Claims
from reelwright.titles.errors import ModelError, UnavailableError
from reelwright.wire.dispatch_pb2 import Failure, HandBack, Pull, Ready, Receipt, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchStub
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch
from reelwright.wire.titles_pb2 import Event, TitleCancelled
from tests.house import FRAMES_PER_BATCH, PATIENCE, Doubler, House, RawWorker, batch, key, until

MakeHouse = Callable[..., House]


@pytest.fixture(params=["tcp", "unix"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A place to listen: loopback or a socket file."""
    if request.param == "tcp":
        return "127.0.0.1:0"
    folder: Path = tmp_path_factory.mktemp("s")
    return f"unix:{folder}/d"


@pytest.fixture
def house() -> Iterator[MakeHouse]:
    """Builds houses; afterwards none of their threads may be left."""
    before = set(threading.enumerate())
    built: list[House] = []

    def build(address: str = "127.0.0.1:0", **settings: object) -> House:
        built.append(House(address, **settings))
        return built[-1]

    yield build
    for each in built:
        each.close()
    until(lambda: not [t for t in threading.enumerate() if t not in before and not t.daemon], "threads to end")


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
    raw.say(pull=Pull(credits=2))
    first, second = raw.lease(), raw.lease()
    both = h.frames_held()
    raw.say(receipt=Receipt(lease=second.lease))
    raw.say(pull=Pull(credits=1))
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
    raw.say(pull=Pull(credits=2))
    h.publish(*[batch("r", 0, number) for number in range(5)])
    leases = [raw.lease(), raw.lease()]
    raw.say(receipt=Receipt(lease=leases[0].lease))
    raw.say(pull=Pull(credits=1))
    assert raw.lease().batch.batch == 2
    assert raw.silent


def test_a_dead_workers_batches_go_to_another(house: MakeHouse, address: str) -> None:
    """A stream that breaks in the middle of its leases puts them back, and another worker restores them."""
    h = house(address)
    dying = h.raw("dying")
    dying.say(pull=Pull(credits=3))
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
    hung.say(pull=Pull(credits=1))
    h.publish(batch("r", 0, 0))
    assert hung.lease().seconds == pytest.approx(0.3)
    h.worker("living")
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch from the hung worker")
    until(lambda: h.frames_held() == 0, "all frames done on the bus")


def test_a_late_receipt_counts(house: MakeHouse) -> None:
    """A receipt for a lease that has expired finishes the batch, which is leased to no one else any more."""
    h = house(lease_seconds=0.3)
    slow = h.raw("slow")
    slow.say(pull=Pull(credits=1))
    h.publish(batch("r", 0, 0))
    late = slow.lease()
    other = h.raw("other")
    other.say(pull=Pull(credits=1))
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
        raw.say(pull=Pull(credits=1))
        lease = raw.lease()
        assert lease.alone == (number >= 2)
        if lease.alone:
            raw.say(ready=Ready(lease=lease.lease))
            assert raw.begin() == lease.lease
        raw.die()
    until(h.failed, "the title to fail")
    assert "worker w3: was lost" in h.failed()[0][1]


def test_an_unreadable_batch_fails_its_title(house: MakeHouse) -> None:
    """Bytes that are no FrameBatch fail the title that their key names, and hold nothing up."""
    h = house()
    h.worker("w")
    h.bus.publish(FRAMES["standard"], segment_key("broken", 0), b"\xff\xff\xff")
    h.publish(batch("r", 0, 0))
    until(lambda: h.failed() and h.restored(), "the failure and the good batch")
    assert h.failed()[0][0] == "broken"
    until(lambda: h.frames_held() == 0, "all frames done on the bus")


def test_an_outsize_batch_fails_its_title(house: MakeHouse) -> None:
    """A batch that no gRPC message may carry fails with a clear reason instead of breaking streams."""
    h = house(max_message_bytes=1 << 20)
    h.worker("w")
    h.publish(batch("r", 0, 0, size=1024))
    until(h.failed, "the title to fail")
    assert "max_message_bytes" in h.failed()[0][1]


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


def test_another_model_is_never_leased(house: MakeHouse) -> None:
    """A worker gets no batch of a model it does not serve; the batch waits for one that does."""
    h = house()
    wrong = h.raw("wrong", models=("cd" * 32,))
    wrong.say(pull=Pull(credits=5))
    h.publish(batch("r", 0, 0), batch("r2", 0, 0, model="cd" * 32))
    assert wrong.lease().batch.run == "r2"
    h.worker("right")
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")
    assert wrong.silent


def test_classes_go_in_order(house: MakeHouse) -> None:
    """Express goes before standard before bulk, whatever came first."""
    h = house()
    for name in ("bulk", "standard", "express"):
        h.publish(batch(name, 0, 0), priority=name)
    until(lambda: len(h.dispatcher._desk._ready) == 3, "all three to be taken in")
    raw = h.raw("w")
    raw.say(pull=Pull(credits=3))
    assert [raw.lease().batch.run for _ in range(3)] == ["express", "standard", "bulk"]


def test_a_cancelled_run_is_dropped(house: MakeHouse) -> None:
    """A cancelled title's waiting batches are dropped, its leases revoked, its records done; other runs go on."""
    h = house()
    raw = h.raw("w")
    raw.say(pull=Pull(credits=1))
    h.publish(batch("gone", 0, 0), batch("gone", 0, 1))
    assert raw.lease().batch.run == "gone"
    h.publish(batch("stays", 0, 0))
    until(lambda: len(h.dispatcher._desk._batches) == 3, "all to be taken in")
    h.bus.publish(EVENTS, run_key("gone"), Event(run="gone", title_cancelled=TitleCancelled()).SerializeToString())
    assert raw.revoked() == "gone"
    raw.say(pull=Pull(credits=1))
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
    h.dispatcher = Dispatcher(h.bus, DispatcherSettings(address=where))
    h.dispatcher.start()
    until(lambda: len(h.restored()) == 5 and h.frames_held() == 0, "all batches from the second dispatcher")
    assert sum(h.restored().values()) <= 6, "only what was begun may be done twice"


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


def test_a_stream_without_hello_is_refused(house: MakeHouse) -> None:
    """A stream that does not begin with a named Hello ends with INVALID_ARGUMENT."""
    h = house()
    with grpc.insecure_channel(h.address) as channel:
        call = DispatchStub(channel).Work(iter([WorkerMessage(pull=Pull(credits=1))]))
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_second_stream_of_a_worker_replaces_the_first(house: MakeHouse) -> None:
    """When a worker connects again before its old stream was noticed dead, the old one's leases go back at once."""
    h = house(prefer_other_seconds=3600)
    old = h.raw("same")
    old.say(pull=Pull(credits=1))
    h.publish(batch("r", 0, 0))
    first = old.lease()
    new = h.raw("same")
    new.say(pull=Pull(credits=1))
    again = new.lease()
    assert (again.batch, again.lease != first.lease) == (first.batch, True)
    new.say(receipt=Receipt(lease=again.lease))
    until(lambda: h.frames_held() == 0, "the batch to be done")


def test_words_about_unknown_leases_are_ignored(house: MakeHouse) -> None:
    """Receipts, failures and hand-backs of leases that never were change nothing."""
    h = house(attempts=1)
    raw = h.raw("w")
    raw.say(receipt=Receipt(lease="nonsense"))
    raw.say(failure=Failure(lease="nonsense", reason="x"))
    raw.say(hand_back=HandBack(lease="nonsense"))
    raw.say(pull=Pull(credits=1))
    h.publish(batch("r", 0, 0))
    assert raw.lease().batch.run == "r"
    assert h.failed() == []


def test_draining_finishes_what_is_leased(house: MakeHouse) -> None:
    """A dispatcher that drains leases nothing new and takes the receipts of what is out; the rest stays on the bus."""
    h = house()
    raw = h.raw("w")
    raw.say(pull=Pull(credits=1))
    h.publish(batch("r", 0, 0), batch("r", 1, 0))
    lease = raw.lease()
    closer = threading.Thread(target=lambda: h.dispatcher.close(drain_seconds=PATIENCE))
    closer.start()
    until(lambda: h.dispatcher._desk._draining, "the drain")
    raw.say(pull=Pull(credits=1))
    raw.say(receipt=Receipt(lease=lease.lease))
    closer.join(PATIENCE)
    assert not closer.is_alive()
    assert raw.silent
    left = h.bus.consumer([FRAMES["standard"]], "dispatcher")
    (record,) = left.poll(PATIENCE)
    assert FrameBatch.FromString(record.value).segment == 1 - lease.batch.segment


def test_an_address_in_use_is_the_users_to_mend(house: MakeHouse) -> None:
    """A dispatcher that cannot listen says so in one line."""
    h = house()
    second = Dispatcher(h.bus, DispatcherSettings(address=h.address))
    with pytest.raises(UnavailableError, match="cannot listen"):
        second.start()


def test_a_dispatcher_by_itself_serves_until_told(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process of its own a dispatcher serves on its environment's address until it is told to stop."""
    socket = tmp_path_factory.mktemp("s") / "d"
    monkeypatch.setenv("REELWRIGHT_DISPATCHER_ADDRESS", f"unix:{socket}")
    bus, stop = LocalBus(), threading.Event()
    dispatcher = create_dispatcher(bus)
    assert not dispatcher.ready
    serving = threading.Thread(target=dispatcher.run, args=(stop,))
    serving.start()
    message = batch("r", 0, 0)
    publish_message(bus, FRAMES["standard"], segment_key("r", 0), message)
    until(lambda: dispatcher.ready, "the dispatcher to be ready")
    raw = RawWorker(f"unix:{socket}", "w")
    raw.say(pull=Pull(credits=1))
    lease = raw.lease()
    assert lease.batch == message
    raw.say(receipt=Receipt(lease=lease.lease))
    until(lambda: bus.held_bytes(FRAMES["standard"]) == 0, "the batch to be done")
    raw.hang_up()
    stop.set()
    serving.join(PATIENCE)
    assert not serving.is_alive()
    assert not dispatcher.ready


class MuteBus(LocalBus):
    """A bus on which nothing can be said."""

    def publish(self, *_: object, **__: object) -> None:
        raise BusFull("mute")


def test_a_dispatcher_that_cannot_go_on_says_so() -> None:
    """When the bus fails under a dispatcher, `run` ends with what happened instead of serving on, deaf."""
    bus, stop = MuteBus(), threading.Event()
    super(MuteBus, bus).publish(FRAMES["standard"], segment_key("r", 0), b"\xff")
    with pytest.raises(BusFull):
        Dispatcher(bus, DispatcherSettings()).run(stop)
    assert stop.is_set()


def test_a_worker_without_its_model_is_the_users_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose model does not exist ends with a ModelError before it asks for work."""
    monkeypatch.setenv("REELWRIGHT_INFERENCE_MODEL", "no-such-model")
    with pytest.raises(ModelError, match="no-such-model"):
        create_worker(LocalBus(), Claims(None, 1 << 30))
