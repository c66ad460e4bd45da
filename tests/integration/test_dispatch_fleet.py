"""Several workers and dispatchers, some of them frozen, slow, absent or killed by a batch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reelwright.bus.topics import DEAD_LETTER, RESTORED
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.wire.frames_pb2 import RestoredBatch
from tests.support.child_process import KEEPALIVE, POISON, ChildProcess
from tests.support.dispatch_harness import (
    TIMEOUT_SECONDS,
    DispatchHarness,
    batch,
    until,
)

MakeHarness = Callable[..., DispatchHarness]


def test_a_batch_that_kills_its_workers_fails_only_its_title(make_harness: MakeHarness) -> None:
    """A batch that kills worker processes is given up after five of them; all other runs are restored."""
    h = make_harness(max_losses=3, prefer_other_seconds=0)
    bad = batch("bad", 1, 3)
    assert bad.first_frame == POISON
    good = [batch(run, 3, number) for number in range(12) for run in ("good", "bad", "fine")]
    fleet: list[ChildProcess] = []

    def workers_running() -> bool:
        while sum(not worker.ended for worker in fleet) < 3:
            fleet.append(ChildProcess("worker", h.address, f"w{len(fleet)}", "die_of_poison"))
        return bool(h.failed_titles()) and h.held_frame_bytes() == 0

    h.publish(*good[:6], bad, *good[6:])
    try:
        # Eight processes start one after another; on a busy machine the imports of each take long.
        until(workers_running, "the failure, and the end of all else", 3 * TIMEOUT_SECONDS)
        deaths = sum(worker.ended for worker in fleet)
    finally:
        printed = {line for worker in fleet for line in worker.kill()}
    ((run, reason, exit_code),) = h.failed_titles()
    assert (run, exit_code) == ("bad", 1)
    assert "frames 106-107" in reason
    assert len(h.records(DEAD_LETTER)) == 1
    assert deaths == 5
    # Batches of the failed title may have been dropped; all batches of the others were restored.
    assert printed >= {f"{run} 3 {number}" for number in range(12) for run in ("good", "fine")}


def test_a_frozen_workers_batches_go_to_another(make_harness: MakeHarness) -> None:
    """A frozen worker process is noticed by unanswered pings, long before its leases expire."""
    h = make_harness(keepalive_seconds=KEEPALIVE, lease_seconds=3600)
    with ChildProcess("worker", h.address, "frozen", "hang") as frozen:
        h.publish(*[batch("r", 0, number) for number in range(3)])
        until(lambda: h.dispatcher.counts().leases == 3, "its leases")
        frozen.freeze()
        h.start_worker("living")
        until(lambda: len(h.restored()) == 3, "the frozen worker's batches")


def test_a_frozen_dispatcher_is_noticed(make_harness: MakeHarness, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A worker notices a frozen dispatcher by unanswered pings, and reconnects when it runs again."""
    h = make_harness()
    address = f"unix:{tmp_path_factory.mktemp('s')}/d"
    with ChildProcess("dispatcher", address) as child:
        worker = h.start_worker("w", dispatcher=address, keepalive_seconds=KEEPALIVE, retry_seconds=0.2)
        until(lambda: worker.connected, "the stream")
        child.freeze()
        until(lambda: not worker.connected, "the worker to notice")
        child.resume()
        until(lambda: worker.connected, "the stream again")


def test_several_dispatchers_share_the_work(make_harness: MakeHarness, tmp_path: Path) -> None:
    """Workers connected to two of three dispatchers, the third being absent, restore the batches of both."""
    h = make_harness()
    second = DispatcherService(h.bus, DispatcherSettings(address="127.0.0.1:0"))
    used: set[int] = set()
    try:
        addresses = f"{h.address}, {second.start()},unix:{tmp_path}/absent"
        for name in "ab":
            h.start_worker(name, dispatcher=addresses, retry_seconds=0.1)
        sent = [batch("r", segment, number) for segment in range(16) for number in range(4)]
        publisher = threading.Thread(target=lambda: h.publish(*sent))
        publisher.start()

        def all_out() -> bool:
            used.update(n for n, each in enumerate((h.dispatcher, second)) if each.counts().batches)
            return len(h.restored()) == len(sent) and h.held_frame_bytes() == 0

        until(all_out, "all batches")
        publisher.join()
        assert used == {0, 1}
        assert {RestoredBatch.FromString(record.value).worker for record in h.records(RESTORED)} == {"a", "b"}
    finally:
        second.close(drain_seconds=0)


def test_a_batch_costs_its_share_of_the_pod(make_harness: MakeHarness) -> None:
    """A batch costs the price of the pod for its seconds, shared by the batches that are restored at the same time."""
    h = make_harness()
    h.start_worker("w", price_per_hour=7200.0, parallel=2)
    h.publish(batch("r", 0, 0))
    until(lambda: len(h.records(RESTORED)) == 1, "the batch is restored")
    (restored,) = (RestoredBatch.FromString(record.value) for record in h.records(RESTORED))
    assert restored.seconds > 0
    assert restored.cost == pytest.approx(restored.seconds)
