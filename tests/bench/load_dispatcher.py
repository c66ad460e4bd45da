"""The dispatcher under load, as a process: `python -m tests.bench.load_dispatcher LOAD` prints its figures.

Fed by the bus in the same process, or by Kafka when the load names a broker. One line of JSON when it serves, one at
the end.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict

from reelwright.bus.kafka.bus import KafkaBus
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.protocol import Bus, BusClosed, Consumer, Record
from reelwright.bus.settings import BusSettings
from reelwright.bus.topics import FRAMES, segment_key
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings
from tests.bench.load import DispatcherFigures, Load, frame_batch

_LOOK_SECONDS = 0.05
_MOST_BATCHES, _MOST_BYTES = 1024, 256 << 20


class _Watched:
    """A consumer that notes when each record was done, seconds after it was published."""

    def __init__(self, consumer: Consumer, latencies: list[float]) -> None:
        self._consumer, self._latencies = consumer, latencies

    def acknowledge(self, record: Record) -> None:
        self._latencies.append(time.time() - float(record.headers["at"]))
        self._consumer.acknowledge(record)

    def __getattr__(self, name: str) -> object:
        return getattr(self._consumer, name)


class _WatchedBus:
    """A bus whose consumers of frames are watched."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.latencies: list[float] = []

    def consumer(self, topics: Sequence[str], group: str) -> object:
        consumer = self._bus.consumer(topics, group)
        return _Watched(consumer, self.latencies) if FRAMES["standard"] in topics else consumer

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)


def publish(bus: Bus, batch: tuple[str, int, bytes]) -> None:
    """Publishes a batch as a decoder does, with the time in a header."""
    run, segment, value = batch
    bus.publish(FRAMES["standard"], segment_key(run, segment), value, {"format": "1", "at": str(time.time())})


class _Feeder:
    """Publishes batches of several titles in turn on a thread, as fast as they are taken or at a pace."""

    def __init__(self, bus: Bus, load: Load) -> None:
        self._bus, self._load = bus, load
        self.cpu = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        load, make = self._load, frame_batch(self._load)
        began = time.monotonic()
        for number in itertools.count():
            if load.pace:
                self._stop.wait(began + number / load.pace - time.monotonic())
            if self._stop.is_set() or number == load.batches > 0:
                return
            try:
                publish(self._bus, make(number))
            except BusClosed:
                return
            self.cpu = time.thread_time()


def _measure(load: Load, bus: _WatchedBus, feeder: _Feeder | None) -> DispatcherFigures:
    """Waits for the steady state, then counts for the load's seconds, or to the last of its batches."""
    while len(bus.latencies) < (1 if load.batches else 4 * load.workers):
        time.sleep(_LOOK_SECONDS)
    fed = feeder.cpu if feeder else 0.0
    began, cpu, done = time.monotonic(), time.process_time(), len(bus.latencies)
    while time.monotonic() < began + load.seconds if not load.batches else len(bus.latencies) < load.batches:
        time.sleep(_LOOK_SECONDS)
    wall, spent, count = time.monotonic() - began, time.process_time() - cpu, len(bus.latencies) - done
    latencies = sorted(bus.latencies[done : done + count])
    return DispatcherFigures(
        batches=count,
        wall=wall,
        cpu=spent - ((feeder.cpu if feeder else 0.0) - fed),
        memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        latencies=[latencies[int(share * (len(latencies) - 1))] for share in (0.5, 0.95, 0.99)],
    )


def main(load: Load) -> None:
    """Serves until everything is measured."""
    # Enough that work never lacks; no more, since the feeder takes the interpreter from the dispatcher as it fills.
    inner: Bus = LocalBus(max_bytes=min(_MOST_BYTES, _MOST_BATCHES * load.batch_bytes))
    if load.broker:
        inner = KafkaBus.connect(BusSettings(bootstrap_servers=load.broker))
    bus = _WatchedBus(inner)
    dispatcher = DispatcherService(bus, DispatcherSettings(drain_seconds=0))  # type: ignore[arg-type]
    print(json.dumps({"address": dispatcher.start()}), flush=True)
    sys.stdin.readline()  # the workers are there
    feeder = None if load.broker else _Feeder(inner, load)
    if feeder:
        feeder.start()
    figures = _measure(load, bus, feeder)
    if feeder:
        feeder.stop()
    print(json.dumps(asdict(figures)), flush=True)
    sys.stdin.readline()  # the workers have stopped
    inner.close()
    dispatcher.close(drain_seconds=0)


if __name__ == "__main__":
    main(Load(**json.loads(sys.argv[1])))
