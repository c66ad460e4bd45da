"""Workers that die, hang, fail or stop: every batch is still restored, and a bad batch fails only its own title."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client import REGISTRY

from reelwright.bus.protocol import MessageTooLarge
from reelwright.bus.topics import DEAD_LETTER, RESTORED
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.media.picture import Picture
from reelwright.titles.errors import DefectiveWorker
from reelwright.wire.dispatch_pb2 import Receipt, StartRequest
from reelwright.wire.frames_pb2 import FrameBatch
from tests.support.dispatch_harness import TIMEOUT_SECONDS, DispatchHarness, FakeRestorer, batch, key, until

MakeHarness = Callable[..., DispatchHarness]


def test_a_dead_workers_batches_go_to_another(make_harness: MakeHarness, address: str) -> None:
    """When a stream with leases breaks, another worker restores its batches."""
    h = make_harness(address)
    dying = h.connect_raw_worker("dying")
    dying.send(credits=3)
    h.publish(*[batch("r", 0, number) for number in range(3)])
    leased = {dying.receive_lease().batch.batch for _ in range(3)}
    assert leased == {0, 1, 2}
    h.start_worker("living")
    dying.break_connection()
    until(lambda: len(h.restored()) == 3, "the batches from the dead worker")
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


def test_a_hung_workers_lease_expires(make_harness: MakeHarness) -> None:
    """A lease whose worker sends nothing expires, although the stream is open."""
    h = make_harness(lease_seconds=0.3, prefer_other_seconds=0)
    hung = h.connect_raw_worker("hung")
    hung.send(credits=1)
    h.publish(batch("r", 0, 0))
    assert hung.receive_lease().seconds == pytest.approx(0.3)
    h.start_worker("living")
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch from the hung worker")
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


def test_a_late_receipt_counts(make_harness: MakeHarness) -> None:
    """A receipt for an expired lease finishes the batch."""
    h = make_harness(lease_seconds=0.3)
    slow = h.connect_raw_worker("slow")
    slow.send(credits=1)
    h.publish(batch("r", 0, 0))
    late = slow.receive_lease()
    other = h.connect_raw_worker("other")
    other.send(credits=1)
    assert other.receive_lease().batch == late.batch
    slow.send(receipt=Receipt(lease=late.lease_id))
    until(lambda: h.held_frame_bytes() == 0, "the batch to be done")


def test_a_restored_batch_above_the_brokers_limit(make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restored batch that is too large for its topic fails the title once, with the setting, and is not retried."""
    h = make_harness(max_failures=3)
    publish, tries = h.bus.publish, []

    def limited(topic: str, *given: Any, **named: Any) -> None:
        if topic == RESTORED:
            tries.append(topic)
            raise MessageTooLarge(topic, 5_000_000)
        publish(topic, *given, **named)

    monkeypatch.setattr(h.bus, "publish", limited)
    for name in ("x", "y", "z"):
        h.start_worker(name)
    h.publish(batch("r", 0, 0))
    until(h.failed_titles, "the failure")
    ((run, reason, code),) = h.failed_titles()
    assert (run, code, len(tries)) == ("r", 2, 1)
    assert reason == (
        f"{RESTORED}: a message of 5000000 bytes is too large for it; "
        "run `reelwright topics apply`, or lower REELWRIGHT_BUS_INLINE_BYTES"
    )
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


def test_a_failure_goes_to_another_worker(make_harness: MakeHarness) -> None:
    """A batch that one worker cannot restore is restored by another; the title does not fail."""

    def refuse(_: Picture) -> None:
        raise RuntimeError("no memory on this device")

    h = make_harness(max_failures=2)
    h.start_worker("broken", FakeRestorer(refuse), parallel=1, prefetch=1)
    h.start_worker("sound", parallel=1, prefetch=1)
    until(lambda: h.dispatcher.counts().workers == 2, "both workers to connect")
    sent = [batch("r", 0, number) for number in range(12)]
    h.publish(*sent)
    until(lambda: len(h.restored()) == 12, "all batches")
    assert h.failed_titles() == []
    assert h.records(DEAD_LETTER) == []


def test_a_lone_worker_gets_its_failures_again(make_harness: MakeHarness) -> None:
    """Without another worker, a batch goes back to the worker that failed it."""
    tries: list[int] = []

    def fail_once(_: Picture) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("once")

    h = make_harness(max_failures=2, prefer_other_seconds=3600)
    h.start_worker("only", FakeRestorer(fail_once))
    h.publish(batch("r", 0, 0))
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")
    assert len(tries) > 1
    assert h.failed_titles() == []


def test_poison_fails_its_title_and_no_other(make_harness: MakeHarness) -> None:
    """A batch that fails as often as it may becomes a dead letter and fails its title; other runs are restored."""

    def choke(picture: Picture) -> None:
        if int(picture.planes[0][0, 0]) == 106:
            raise ValueError("cannot\nrestore this")

    h = make_harness(max_failures=3)
    for name in "ab":
        h.start_worker(name, FakeRestorer(choke))
    good = [batch("good", 3, number) for number in range(8)]
    h.publish(batch("bad", 1, 3), *good)
    until(lambda: h.failed_titles() and len(h.restored()) == len(good), "the failure and the good run")
    ((run, reason, exit_code),) = h.failed_titles()
    assert (run, exit_code) == ("bad", 1)
    assert "frames 106-107" in reason
    assert "ValueError: cannot restore this" in reason
    (record,) = h.records(DEAD_LETTER)
    assert key(FrameBatch.FromString(record.value)) == ("bad", 1, 3)
    assert record.headers["reason"] == reason
    until(lambda: h.held_frame_bytes() == 0, "all records acknowledged")


def test_one_broken_worker_beside_three_sound_ones(make_harness: MakeHarness) -> None:
    """A worker that fails every batch of many runs fails no title, is asked to leave, and leaves with a clear line."""

    def break_down(_: Picture) -> None:
        raise RuntimeError("no memory on this device")

    h = make_harness(quarantine_runs=3, prefer_other_seconds=0)
    for name in ("x", "y", "z"):
        h.start_worker(name)
    until(lambda: h.dispatcher.counts().workers == 3, "the sound workers")
    broken = h.create_worker("broken", FakeRestorer(break_down), parallel=2)
    numbers = itertools.count()
    before = quarantined("failures")
    with ThreadPoolExecutor(1) as pool:
        leaving = pool.submit(broken.run, threading.Event())

        def publish_more() -> bool:
            # More at once than the sound workers take: one at a time, a quiet machine gives them all of it.
            h.publish(*(batch(f"r{next(numbers)}", 0, 0) for _ in range(16)))
            return leaving.done()

        until(publish_more, "the broken worker to leave")
        error = leaving.exception()
    assert isinstance(error, DefectiveWorker)
    assert (error.exit_code, str(error).splitlines()) == (1, [str(error)])
    assert "broken: it fails batches that other workers restore" in str(error)
    assert quarantined("failures") == before + 1
    until(lambda: len(h.restored()) == next(numbers) or h.held_frame_bytes() == 0, "all batches")
    assert h.failed_titles() == []


def test_a_broken_engine_fails_no_title(make_harness: MakeHarness) -> None:
    """A lone worker that fails the self-test after a failed batch leaves, and the failure does not count."""
    checks: list[int] = []

    def check() -> None:
        checks.append(1)
        if len(checks) > 1:
            raise DefectiveWorker("self-test failed", "fake-1", "replace it")

    def break_down(_: Picture) -> None:
        raise RuntimeError("device lost")

    h = make_harness(max_failures=1)
    h.publish(batch("r", 0, 0), batch("r", 0, 1))
    lone = h.create_worker("lone", FakeRestorer(break_down, check=check))
    before = quarantined("self_test")
    with pytest.raises(DefectiveWorker, match="self-test failed"):
        lone.run(threading.Event())
    until(lambda: quarantined("self_test") == before + 1, "the quarantine")
    h.start_worker("sound")
    until(lambda: len(h.restored()) == 2, "both batches")
    assert h.failed_titles() == []


def test_a_worker_that_fails_the_self_test_takes_no_work(make_harness: MakeHarness) -> None:
    """A worker whose engine fails the self-test at its start ends before it connects."""

    def check() -> None:
        raise DefectiveWorker("self-test failed", "fake-1", "replace it")

    h = make_harness()
    h.publish(batch("r", 0, 0))
    with pytest.raises(DefectiveWorker, match="fake-1: self-test failed; replace it"):
        h.create_worker("broken", FakeRestorer(check=check)).run(threading.Event())
    assert h.dispatcher.counts().workers == 0
    assert h.restored() == {}


def quarantined(cause: str) -> float:
    """How many workers the dispatchers of this process have put in quarantine so far."""
    return REGISTRY.get_sample_value("reelwright_workers_quarantined_total", {"cause": cause}) or 0.0


def test_a_batch_that_kills_workers_is_given_up(make_harness: MakeHarness) -> None:
    """A batch lost twice is leased exclusively, and given up when its workers' streams still break."""
    h = make_harness(max_losses=2)
    h.publish(batch("r", 0, 0))
    for number in range(4):
        raw = h.connect_raw_worker(f"w{number}")
        raw.send(credits=1)
        lease = raw.receive_lease()
        assert lease.exclusive == (number >= 2)
        if lease.exclusive:
            raw.send(start_request=StartRequest(lease=lease.lease_id))
            assert raw.receive_start() == lease.lease_id
        raw.break_connection()
    until(h.failed_titles, "the title to fail")
    assert "worker w3: connection lost" in h.failed_titles()[0][1]


def test_a_stopping_worker_releases_what_it_has_not_started(make_harness: MakeHarness) -> None:
    """A stopping worker finishes the batches it has started and releases the others; no failure is counted."""
    entered, go_on = threading.Event(), threading.Event()

    def hold(_: Picture) -> None:
        entered.set()
        assert go_on.wait(TIMEOUT_SECONDS)

    h = make_harness(max_failures=1, max_losses=1)
    stopping = h.start_worker("stopping", FakeRestorer(hold), parallel=1, prefetch=3)
    sent = [batch("r", 0, number) for number in range(4)]
    h.publish(*sent)
    assert entered.wait(TIMEOUT_SECONDS)
    closer = threading.Thread(target=stopping.close)
    closer.start()
    h.start_worker("staying")
    until(lambda: len(h.restored()) == 3, "the released batches")
    go_on.set()
    closer.join(TIMEOUT_SECONDS)
    until(lambda: h.restored() == {key(message): 1 for message in sent}, "the one that was under way")
    assert h.failed_titles() == []


def test_a_worker_out_of_drain_time_releases_what_it_started(
    make_harness: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """When its drain time is over, a worker releases a started batch at the next frame; no failure is counted."""
    entered, go_on = threading.Event(), threading.Event()

    def hold(_: Picture) -> None:
        entered.set()
        assert go_on.wait(TIMEOUT_SECONDS)

    h = make_harness(max_failures=1, max_losses=1)
    stopping = h.start_worker("stopping", FakeRestorer(hold))
    h.publish(batch("r", 0, 0))
    assert entered.wait(TIMEOUT_SECONDS)
    closer = threading.Thread(target=lambda: stopping.close(drain_seconds=0.01))
    closer.start()
    until(lambda: "drain time exceeded" in caplog.text, "the end of the drain time")
    go_on.set()
    closer.join(TIMEOUT_SECONDS)
    assert h.restored() == {}
    h.start_worker("staying")
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the released batch")


def test_workers_reconnect_to_a_restarted_dispatcher(
    make_harness: MakeHarness, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A worker connects to the next dispatcher, which reads again the batches that were not finished."""
    where = f"unix:{tmp_path_factory.mktemp('s')}/d"
    h = make_harness(where)
    gate = threading.Event()
    worker = h.start_worker("w", FakeRestorer(lambda _: gate.wait(TIMEOUT_SECONDS)), retry_seconds=0.1)
    h.publish(*[batch("r", 0, number) for number in range(5)])
    until(lambda: h.dispatcher.counts().leases, "a lease")
    h.dispatcher.close(drain_seconds=0)
    until(lambda: not worker.connected, "the worker to notice")
    gate.set()
    h.dispatcher = DispatcherService(h.bus, DispatcherSettings(address=where))
    h.dispatcher.start()
    until(lambda: len(h.restored()) == 5 and h.held_frame_bytes() == 0, "all batches from the second dispatcher")
    assert sum(h.restored().values()) <= 6, "only the started batch may be restored twice"
