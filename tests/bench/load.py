"""One run of the load bench: a dispatcher process, simulated workers in others, and what they measured.

A simulated worker speaks the real protocol over real gRPC and sleeps instead of restoring: each batch takes it its
frames over the worker's speed, one batch at a time with two more waiting, as the product's worker holds them.
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
ROOM = 3
"""Leases a worker wants to have: one in work and two waiting, as `InferenceSettings` has it by default."""
SEGMENT_BATCHES = 30
"""Batches of a segment: 120 frames, five seconds of film."""


@dataclass(frozen=True)
class Load:
    """What is asked of a dispatcher.

    Attributes:
        workers: simulated workers.
        frame_bytes: coded bytes of a frame; 172,800 is 480x360 gray, raw.
        frames: frames of a batch.
        fps: speed of a worker.
        titles: runs whose batches come in turn.
        seconds: how long to measure, once every worker has work.
        batches: measure these from the first to the last instead; 0 measures `seconds`.
        pace: batches published a second; 0 publishes as fast as they are taken.
        processes: processes that share the workers.
        broker: Kafka's address; empty for the bus inside the dispatcher's process.
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
    """What the dispatcher's process saw.

    Attributes:
        batches: restored in the time measured.
        wall: that time, seconds.
        cpu: CPU seconds of the process in it, less what feeding the bus took.
        memory_mib: its largest resident memory.
        latencies: seconds from publish to the record being done: median, 95th and 99th percentile.
    """

    batches: int
    wall: float
    cpu: float
    memory_mib: float
    latencies: list[float]


@dataclass(frozen=True)
class Figures:
    """What a run found, of `load`."""

    load: Load
    dispatcher: DispatcherFigures
    worker_cpu: float

    @property
    def fps(self) -> float:
        """Frames restored a second."""
        return self.dispatcher.batches * self.load.frames / self.dispatcher.wall

    @property
    def efficiency(self) -> float:
        """Speed over the sum of the workers'."""
        return self.fps / (self.load.workers * self.load.fps)

    @property
    def cpu_ms_per_batch(self) -> float:
        """CPU milliseconds of the dispatcher for a batch."""
        return 1000 * self.dispatcher.cpu / self.dispatcher.batches

    @property
    def cores(self) -> float:
        """Cores the dispatcher kept busy."""
        return self.dispatcher.cpu / self.dispatcher.wall

    @property
    def megabytes_per_second(self) -> float:
        """Coded frames through the dispatcher, 10^6 bytes a second."""
        return self.fps * self.load.frame_bytes / 1e6


def frame_batch(load: Load) -> Callable[[int], tuple[str, int, bytes]]:
    """Makes the n-th batch of a load: run, segment, and the message's bytes; the payload is the same noise in each."""
    content = np.random.default_rng(0).bytes(load.batch_bytes)
    payload = Payload(
        pix_fmt="gray", width=480, height=360, frames=load.frames, codec="raw", digest=hashlib.sha256(content).digest()
    )
    payload.inline = content
    work = Work(scale=2, model="bench", model_sha256=MODEL, pix_fmt="gray")
    infos = [FrameInfo(pts=i, duration=1) for i in range(load.frames)]
    # Serialized once: making each message whole would take the bench more CPU than what it measures.
    rest = FrameBatch(frames=infos, work=work, payload=payload).SerializeToString()

    def make(number: int) -> tuple[str, int, bytes]:
        title, index = number % load.titles, number // load.titles
        run, segment = f"{title:032x}", index // SEGMENT_BATCHES
        head = FrameBatch(run=run, segment=segment, batch=index % SEGMENT_BATCHES, first_frame=index * load.frames)
        return run, segment, head.SerializeToString() + rest

    return make


def run(load: Load) -> Figures:
    """Runs a load once."""
    with ExitStack() as stack:
        dispatcher = stack.enter_context(_process("tests.bench.load_dispatcher", asdict(load)))
        address = _line(dispatcher)["address"]
        shares = [len(range(n, load.workers, load.processes)) for n in range(load.processes)]
        workers = [
            stack.enter_context(
                _process("tests.bench.load_workers", {"address": address, **asdict(replace(load, workers=share))})
            )
            for share in shares
            if share
        ]
        for each in workers:
            _line(each)
        _go(dispatcher)
        figures = DispatcherFigures(**_line(dispatcher))
        cpu = 0.0
        for each in workers:
            _go(each)
            cpu += _line(each)["cpu"]
        _go(dispatcher)
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


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    line = _pipe(process.stdout).readline()
    if not line:
        raise RuntimeError(f"{process.args} ended with {process.wait()}")
    return dict(json.loads(line))


def _go(process: subprocess.Popen[str]) -> None:
    stdin = _pipe(process.stdin)
    stdin.write("\n")
    stdin.flush()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
