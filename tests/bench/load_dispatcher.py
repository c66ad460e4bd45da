"""The dispatcher's process of a load: `python -m tests.bench.load_dispatcher LOAD`.

It reads batches from a bus in the same process, or from Kafka if the load has a broker. It prints one line of JSON when
it is ready, and another with its figures at the end.
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

_POLL_SECONDS = 0.05
_MAX_BATCHES, _MAX_BYTES = 1024, 256 << 20


class _TimedConsumer:
    """A consumer that measures the seconds from publishing to acknowledging each record."""

    def __init__(self, consumer: Consumer, latencies: list[float]) -> None:
        self._consumer, self._latencies = consumer, latencies

    def acknowledge(self, record: Record) -> None:
        self._latencies.append(time.time() - float(record.headers["at"]))
        self._consumer.acknowledge(record)

    def __getattr__(self, name: str) -> object:
        return getattr(self._consumer, name)


class _TimedBus:
    """A bus whose consumers of frames are timed."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.latencies: list[float] = []

    def consumer(self, topics: Sequence[str], group: str) -> object:
        consumer = self._bus.consumer(topics, group)
        return _TimedConsumer(consumer, self.latencies) if FRAMES["standard"] in topics else consumer

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)


def publish(bus: Bus, batch: tuple[str, int, bytes]) -> None:
    """Publishes a batch as a decoder does, with the current time in a header."""
    run, segment, value = batch
    bus.publish(FRAMES["standard"], segment_key(run, segment), value, headers={"format": "1", "at": str(time.time())})


class _Feeder:
    """Publishes batches on its own thread, as fast as they are read or at the load's pace."""

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


def _measure(load: Load, bus: _TimedBus, feeder: _Feeder | None) -> DispatcherFigures:
    """Waits until every worker has work, then measures for the load's duration or until its last batch."""
    while len(bus.latencies) < (1 if load.batches else 4 * load.workers):
        time.sleep(_POLL_SECONDS)
    feeder_cpu = feeder.cpu if feeder else 0.0
    began, cpu, done = time.monotonic(), time.process_time(), len(bus.latencies)
    while time.monotonic() < began + load.seconds if not load.batches else len(bus.latencies) < load.batches:
        time.sleep(_POLL_SECONDS)
    wall, spent, count = time.monotonic() - began, time.process_time() - cpu, len(bus.latencies) - done
    latencies = sorted(bus.latencies[done : done + count])
    return DispatcherFigures(
        batches=count,
        wall=wall,
        cpu=spent - ((feeder.cpu if feeder else 0.0) - feeder_cpu),
        memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        latencies=[latencies[int(share * (len(latencies) - 1))] for share in (0.5, 0.95, 0.99)],
    )


def main(load: Load) -> None:
    """Runs the dispatcher until the measurement has ended."""
    # Enough that workers always have work. Not more, because filling the bus competes with the dispatcher for the GIL.
    inner: Bus = LocalBus(max_bytes=min(_MAX_BYTES, _MAX_BATCHES * load.batch_bytes))
    if load.broker:
        inner = KafkaBus.connect(BusSettings(bootstrap_servers=load.broker))
    bus = _TimedBus(inner)
    dispatcher = DispatcherService(bus, DispatcherSettings(drain_seconds=0))  # type: ignore[arg-type]
    print(json.dumps({"address": dispatcher.start()}), flush=True)
    sys.stdin.readline()  # waits until the workers are connected
    feeder = None if load.broker else _Feeder(inner, load)
    if feeder:
        feeder.start()
    figures = _measure(load, bus, feeder)
    if feeder:
        feeder.stop()
    print(json.dumps(asdict(figures)), flush=True)
    sys.stdin.readline()  # waits until the workers have stopped
    inner.close()
    dispatcher.close(drain_seconds=0)


if __name__ == "__main__":
    main(Load(**json.loads(sys.argv[1])))
