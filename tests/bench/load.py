"""Runs one load: starts a dispatcher process and processes of simulated workers, and collects their figures.

A simulated worker uses the real protocol over real gRPC and sleeps instead of restoring. The time of a batch is its
number of frames divided by the worker's speed. Like the product's worker it holds three leases: one batch in work and
two waiting.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import IO, Any

import numpy as np

from reelwright.wire.frames_pb2 import FrameBatch, FrameInfo, Payload, Work

MODEL = "ab" * 32
CREDITS = 3
"""Leases of a worker: one in work and two waiting, the default of `InferenceSettings`."""
SEGMENT_BATCHES = 30
"""Batches of a segment: 120 frames, or five seconds of film."""


@dataclass(frozen=True)
class Load:
    """The work for a dispatcher.

    Attributes:
        workers: number of simulated workers.
        frame_bytes: coded bytes of a frame; 172,800 is 480x360 gray, raw.
        frames: frames of a batch.
        fps: frames per second of a worker.
        titles: number of runs whose batches alternate.
        seconds: duration of the measurement, from when every worker has work.
        batches: number of batches to measure instead of a duration; 0 for a duration.
        pace: batches published per second; 0 for as fast as the dispatcher reads them.
        processes: number of processes that the workers are divided among.
        broker: address of Kafka; empty for the bus inside the dispatcher's process.
    """

    workers: int
    frame_bytes: int = 480 * 360
    frames: int = 4
    fps: float = 100.0
    titles: int = 4
    seconds: float = 10.0
    batches: int = 0
    pace: float = 0.0
    processes: int = 1
    broker: str = ""

    @property
    def batch_bytes(self) -> int:
        """Coded bytes of a batch."""
        return self.frames * self.frame_bytes


@dataclass(frozen=True)
class DispatcherFigures:
    """The figures of the dispatcher's process.

    Attributes:
        batches: number of batches restored during the measurement.
        wall: its duration in seconds.
        cpu: CPU seconds of the process during it, without those for publishing to its bus.
        memory_mib: largest resident memory in MiB.
        latencies: seconds from publishing a batch to its acknowledgement: median, 95th and 99th percentile.
    """

    batches: int
    wall: float
    cpu: float
    memory_mib: float
    latencies: list[float]


@dataclass(frozen=True)
class Figures:
    """The figures of one load.

    Attributes:
        load: the load.
        dispatcher: figures of the dispatcher.
        worker_cpu: CPU seconds of all simulated workers.
    """

    load: Load
    dispatcher: DispatcherFigures
    worker_cpu: float

    @property
    def fps(self) -> float:
        """Frames restored per second."""
        return self.dispatcher.batches * self.load.frames / self.dispatcher.wall

    @property
    def efficiency(self) -> float:
        """Frames per second divided by the sum of the workers' speeds."""
        return self.fps / (self.load.workers * self.load.fps)

    @property
    def cpu_ms_per_batch(self) -> float:
        """CPU milliseconds of the dispatcher for a batch."""
        return 1000 * self.dispatcher.cpu / self.dispatcher.batches

    @property
    def cores(self) -> float:
        """Number of cores that the dispatcher kept busy."""
        return self.dispatcher.cpu / self.dispatcher.wall

    @property
    def megabytes_per_second(self) -> float:
        """Coded frames through the dispatcher, in 10^6 bytes per second."""
        return self.fps * self.load.frame_bytes / 1e6


def frame_batch(load: Load) -> Callable[[int], tuple[str, int, bytes]]:
    """A function that makes batch n of a load: its run, its segment and the bytes of its message.

    Every batch has the same random payload.
    """
    content = np.random.default_rng(0).bytes(load.batch_bytes)
    payload = Payload(
        pix_fmt="gray", width=480, height=360, frames=load.frames, codec="raw", digest=hashlib.sha256(content).digest()
    )
    payload.inline = content
    work = Work(scale=2, model="bench", model_sha256=MODEL, pix_fmt="gray")
    infos = [FrameInfo(pts=i, duration=1) for i in range(load.frames)]
    # Serialized once, because serializing each whole message would take more CPU than the dispatcher itself.
    rest = FrameBatch(frames=infos, work=work, payload=payload).SerializeToString()

    def make(number: int) -> tuple[str, int, bytes]:
        title, index = number % load.titles, number // load.titles
        run, segment = f"{title:032x}", index // SEGMENT_BATCHES
        head = FrameBatch(run=run, segment=segment, batch=index % SEGMENT_BATCHES, first_frame=index * load.frames)
        return run, segment, head.SerializeToString() + rest

    return make


def run(load: Load) -> Figures:
    """Runs one load."""
    with ExitStack() as stack:
        dispatcher = stack.enter_context(_process("tests.bench.load_dispatcher", asdict(load)))
        address = _read_line(dispatcher)["address"]
        shares = [len(range(n, load.workers, load.processes)) for n in range(load.processes)]
        workers = [
            stack.enter_context(
                _process("tests.bench.load_workers", {"address": address, **asdict(replace(load, workers=share))})
            )
            for share in shares
            if share
        ]
        for each in workers:
            _read_line(each)
        _continue(dispatcher)
        figures = DispatcherFigures(**_read_line(dispatcher))
        cpu = 0.0
        for each in workers:
            _continue(each)
            cpu += _read_line(each)["cpu"]
        _continue(dispatcher)
        return Figures(load, figures, cpu)


@contextmanager
def _process(module: str, settings: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
            process.wait(30)
        finally:
            process.kill()


def _read_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    line = _pipe(process.stdout).readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with {process.wait()}")
    return dict(json.loads(line))


def _continue(process: subprocess.Popen[str]) -> None:
    stdin = _pipe(process.stdin)
    stdin.write("\n")
    stdin.flush()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
