"""Many workers and several dispatchers, some of them frozen, slow, gone or killed by what they restore."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reelwright.bus.topics import DEAD_LETTER, RESTORED
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.media.picture import Picture
from reelwright.wire.frames_pb2 import RestoredBatch
from tests.support.child_process import KEEPALIVE, POISON, ChildProcess
from tests.support.dispatch_harness import FRAMES_PER_BATCH, PATIENCE, DispatchHarness, Doubler, batch, until

MakeHouse = Callable[..., DispatchHarness]


def test_a_batch_that_kills_its_workers_takes_nothing_along(house: MakeHouse) -> None:
    """A batch at which worker processes die fails its title by its frames after five of them; all others come out."""
    h = house(losses=3, prefer_other_seconds=0)
    bad = batch("bad", 1, 3)
    assert bad.first_frame == POISON
    good = [batch(run, 3, number) for number in range(12) for run in ("good", "bad", "fine")]
    fleet: list[ChildProcess] = []

    def staffed() -> bool:
        while sum(not worker.dead for worker in fleet) < 3:
            fleet.append(ChildProcess("worker", h.address, f"w{len(fleet)}", "mortal"))
        return bool(h.failed()) and h.frames_held() == 0

    h.publish(*good[:6], bad, *good[6:])
    try:
        # Eight processes are started one after another, each of which imports for a while on a busy machine.
        until(staffed, "the failure, and the end of all else", 3 * PATIENCE)
        deaths = sum(worker.dead for worker in fleet)
    finally:
        printed = {line for worker in fleet for line in worker.end()}
    ((run, reason, exit_code),) = h.failed()
    assert (run, exit_code) == ("bad", 1)
    assert "frames 106-107" in reason
    assert len(h.records(DEAD_LETTER)) == 1
    assert deaths == 5
    # Of the failed title some may have been dropped; whatever was published of others was restored.
    assert printed >= {f"{run} 3 {number}" for number in range(12) for run in ("good", "fine")}


def test_a_frozen_workers_batches_go_to_another(house: MakeHouse) -> None:
    """A worker process that is stopped without a word is noticed by its silence, long before its leases end."""
    h = house(keepalive_seconds=KEEPALIVE, lease_seconds=3600)
    with ChildProcess("worker", h.address, "frozen", "idle") as frozen:
        h.publish(*[batch("r", 0, number) for number in range(3)])
        until(lambda: h.dispatcher._desk.leased == 3, "its leases")
        frozen.freeze()
        h.worker("living")
        until(lambda: len(h.restored()) == 3, "the frozen worker's batches")


def test_a_frozen_dispatcher_is_noticed(house: MakeHouse, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A worker notices that a dispatcher is stopped without a word, and finds it again when it goes on."""
    h = house()
    place = f"unix:{tmp_path_factory.mktemp('s')}/d"
    with ChildProcess("dispatcher", place) as apart:
        worker = h.worker("w", dispatcher=place, keepalive_seconds=KEEPALIVE, retry_seconds=0.2)
        until(lambda: worker.connected, "the stream")
        apart.freeze()
        until(lambda: not worker.connected, "the worker to notice")
        apart.thaw()
        until(lambda: worker.connected, "the stream again")


def test_workers_of_several_speeds_are_all_kept_busy(house: MakeHouse) -> None:
    """Of workers of 1, 2 and 4 times a speed each one works for nine tenths of its own time while work lasts."""
    h = house(hold_batches=256)
    spans: dict[str, list[tuple[float, float]]] = {}

    def paced(name: str, seconds: float) -> Doubler:
        spans[name] = []

        def work(_: Picture) -> None:
            began = time.monotonic()
            time.sleep(seconds)
            spans[name].append((began, time.monotonic()))

        return Doubler(work)

    h.publish(*[batch(f"r{number % 4}", number // 4, 0) for number in range(96)])
    for name, seconds in (("slow", 0.12), ("middling", 0.06), ("fast", 0.03)):
        h.worker(name, paced(name, seconds))
    until(lambda: h.frames_held() == 0, "all batches")
    first = max(each[0][0] for each in spans.values())
    last = min(each[-1][1] for each in spans.values())
    for name, each in spans.items():
        busy = sum(max(0.0, min(end, last) - max(begin, first)) for begin, end in each)
        assert busy / (last - first) >= 0.9, name
    counts = {name: len(each) for name, each in spans.items()}
    assert sum(counts.values()) == 96 * FRAMES_PER_BATCH
    assert counts["slow"] < counts["middling"] < counts["fast"]


def test_several_dispatchers_share_the_work(house: MakeHouse, tmp_path: Path) -> None:
    """Workers with streams to two dispatchers, and to one that is away, restore what either of them takes in."""
    h = house()
    second = DispatcherService(h.bus, DispatcherSettings(address="127.0.0.1:0"))
    handed: set[int] = set()
    try:
        everyone = f"{h.address}, {second.start()},unix:{tmp_path}/nobody"
        for name in "ab":
            h.worker(name, dispatcher=everyone, retry_seconds=0.1)
        sent = [batch("r", segment, number) for segment in range(16) for number in range(4)]
        publisher = threading.Thread(target=lambda: h.publish(*sent))
        publisher.start()

        def all_out() -> bool:
            handed.update(n for n, each in enumerate((h.dispatcher, second)) if each._desk._batches)
            return len(h.restored()) == len(sent) and h.frames_held() == 0

        until(all_out, "all batches")
        publisher.join()
        assert handed == {0, 1}
        assert {RestoredBatch.FromString(record.value).worker for record in h.records(RESTORED)} == {"a", "b"}
    finally:
        second.close(drain_seconds=0)
