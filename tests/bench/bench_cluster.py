"""What Kafka, S3 and separate processes cost, and what stays flat however long a film is.

python -m tests.bench.bench_cluster cost     one process against a cluster on the same cores
python -m tests.bench.bench_cluster flat     memory of every role and bytes in Kafka, one minute against two hours
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.bench.bench_pipeline import CORES, REELWRIGHT, looped
from tests.support.clipmaker import Film, write_film
from tests.support.clips import F
from tests.support.cluster import Cluster
from tests.support.films import whole_film
from tests.support.scenes import scene

# Above the largest restored batch of the bench's film, so that every payload travels in its message.
_INLINE_BYTES = 16 << 20
_MINUTE = 1440  # frames, at 24 a second
_LOOK_SECONDS = 0.2


@contextmanager
def _cluster(**env: str) -> Iterator[Cluster]:
    with (
        tempfile.TemporaryDirectory(prefix="reelwright-bench-") as folder,
        KafkaServer() as kafka,
        S3Server() as s3,
        Cluster(kafka, s3, Path(folder), **env) as cluster,
    ):
        cluster.start_all()
        yield cluster


def _in_cluster(cluster: Cluster, source: str, name: str, watch: Peaks | None = None) -> float:
    """Wall seconds from the submission, command and all, until the film is there."""
    started = time.monotonic()
    run = cluster.submit(source, cluster.film(name))
    # One client for all looks: making one takes more time than a look does.
    fs, outcome = cluster.fs, f"{cluster.ledger}/{run}/outcome.json"
    while not fs.exists(outcome):
        if watch is not None:
            watch.look(cluster)
        time.sleep(_LOOK_SECONDS)
    assert cluster.status(run)["state"] == "finished"
    return time.monotonic() - started


def _in_one_process(film: Path, folder: Path) -> float:
    started = time.monotonic()
    subprocess.run([REELWRIGHT, "restore", film, "-o", folder / "out.mp4"], check=True, capture_output=True)
    return time.monotonic() - started


def cost(times: int = 4, rounds: int = 1) -> None:
    """Restores the same film in one process and in a cluster, in turns; prints the best of each and their ratio."""
    both = {"REELWRIGHT_INFERENCE_THREADS": str(CORES), "REELWRIGHT_INFERENCE_PARALLEL": str(CORES)}
    kinds = {"inline": {"REELWRIGHT_BUS_INLINE_BYTES": str(_INLINE_BYTES)}, "by claim check": {}}
    alone: list[float] = []
    together: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        looped(whole_film("chaplin"), film, times)
        for kind, env in kinds.items():
            with _cluster(**both, **env) as cluster:
                source = cluster.upload(film)
                _in_cluster(cluster, cluster.upload(whole_film("chaplin")), "first.mp4")  # what is loaded at first use
                before = _cpu_seconds(cluster)
                for turn in range(rounds):
                    together[kind].append(_in_cluster(cluster, source, f"{turn}.mp4"))
                    print(f"cluster, payloads {kind}: {together[kind][-1]:.1f} s", flush=True)
                used = {name: (value - before[name]) / rounds for name, value in _cpu_seconds(cluster).items()}
                print("CPU seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in used.items()), flush=True)
            for turn in range(rounds):
                place = Path(folder) / f"{kind}-{turn}"
                place.mkdir()
                alone.append(_in_one_process(film, place))
                print(f"one process: {alone[-1]:.1f} s", flush=True)
    print(f"one process: {min(alone):.1f} s ({', '.join(f'{seconds:.1f}' for seconds in alone)}), {CORES} cores")
    for kind, seconds in together.items():
        each = ", ".join(f"{value:.1f}" for value in seconds)
        print(
            f"cluster, payloads {kind}: {min(seconds):.1f} s ({each}), {min(seconds) / min(alone):.3f} of one process"
        )


def _cpu_seconds(cluster: Cluster) -> dict[str, float]:
    """What each process has used so far, user and system."""
    pids = {process.role: process.pid for process in cluster.processes}
    pids |= {"broker": cluster.kafka.pid, "store": cluster.s3.pid}
    used = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
    return {name: each.user + each.system for name, each in used.items()}


@dataclass
class Peaks:
    """The most of everything that was seen.

    Attributes:
        memory: resident bytes by role.
        kafka: bytes of the broker's logs on disk.
    """

    memory: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    kafka: int = 0

    def look(self, cluster: Cluster) -> None:
        """Looks once."""
        for process in cluster.processes:
            self.memory[process.role] = max(self.memory[process.role], process.memory_bytes())
        logs = Path(cluster.kafka.folder).rglob("reelwright.*/*.log")
        self.kafka = max(self.kafka, sum(log.stat().st_blocks * 512 for log in logs if log.exists()))


def flat(minutes: tuple[int, ...] = (1, 120)) -> None:
    """Restores generated films of these lengths, each in a new cluster; prints the peaks and their ratios."""
    found: dict[int, Peaks] = {}
    with tempfile.TemporaryDirectory() as folder:
        minute = Path(folder) / "minute.mp4"
        write_film(minute, Film([(F(i, 24), scene(i, "yuv420p", 64, 48)) for i in range(_MINUTE)], rate=F(24)))
        for length in minutes:
            film = Path(folder) / f"{length}.mp4"
            looped(minute, film, length)
            found[length] = peaks = Peaks()
            with _cluster() as cluster:
                seconds = _in_cluster(cluster, cluster.upload(film), "film.mp4", peaks)
            print(f"{length} min, {length * _MINUTE} frames of 64x48: {length * _MINUTE / seconds:.0f} fps", flush=True)
    short, long = (found[length] for length in minutes)
    print(f"peak              {minutes[0]:>7} min {minutes[1]:>7} min   ratio")
    for role in short.memory:
        _line(f"memory {role}", short.memory[role], long.memory[role])
    _line("bytes in Kafka", short.kafka, long.kafka)


def _line(name: str, short: int, long: int) -> None:
    print(f"{name:<17} {short / 2**20:>7.0f} MiB {long / 2**20:>7.0f} MiB {long / max(1, short):>7.2f}")


if __name__ == "__main__":
    {"cost": cost, "flat": flat}[sys.argv[1]]()
