"""Measures what Kafka, S3 and separate processes cost, and which resources grow with a film's length.

python -m tests.bench.bench_cluster cost     one process compared with a cluster on the same cores
python -m tests.bench.bench_cluster flat [MINUTES]    memory of each role, bytes in Kafka and in the store: one minute
                                                      compared with so many, two hours by default
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.bench.bench_pipeline import CORES, REELWRIGHT, write_looped
from tests.support.clipmaker import Film, write_film
from tests.support.clips import F
from tests.support.cluster import Cluster
from tests.support.films import whole_film
from tests.support.scenes import scene

# More than the largest restored batch of the bench's film, so that every payload is inline.
_INLINE_BYTES = 16 << 20
_MINUTE = 1440  # frames, at 24 a second
_POLL_SECONDS = 0.2
# A long film has tens of thousands of files in the ledger.
_STORE_POLL_SECONDS = 10.0


@contextmanager
def cluster_on_servers(**env: str) -> Iterator[Cluster]:
    """A cluster with one process of each role, on a broker and a store of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="reelwright-bench-") as folder,
        KafkaServer() as kafka,
        S3Server() as s3,
        Cluster(kafka, s3, Path(folder), env) as cluster,
    ):
        cluster.start_all()
        yield cluster


def restore_in_cluster(cluster: Cluster, source: str, name: str, sample: Callable[[], None] | None = None) -> float:
    """Restores a film; wall seconds from the start of `reelwright submit` to the outcome.

    Args:
        cluster: with all roles.
        source: location of the film to restore.
        name: of the film.
        sample: called several times a second meanwhile.
    """
    started = time.monotonic()
    run = cluster.submit(source, cluster.film(name))
    # One client for all requests, because creating it takes longer than a request.
    fs, outcome = cluster.fs, f"{cluster.ledger}/{run}/outcome.json"
    while not fs.exists(outcome):
        if sample is not None:
            sample()
        time.sleep(_POLL_SECONDS)
    assert cluster.status(run)["state"] == "finished"
    return time.monotonic() - started


def _restore_in_one_process(film: Path, folder: Path) -> float:
    started = time.monotonic()
    subprocess.run([REELWRIGHT, "restore", film, "-o", folder / "out.mp4"], check=True, capture_output=True)
    return time.monotonic() - started


def cost(times: int = 4, rounds: int = 1) -> None:
    """Restores the same film in one process and in a cluster; prints the best time of each and their ratio.

    Args:
        times: how often the source film is repeated.
        rounds: measurements of each kind.
    """
    threads = {"REELWRIGHT_INFERENCE_THREADS": str(CORES), "REELWRIGHT_INFERENCE_PARALLEL": str(CORES)}
    kinds = {"inline": {"REELWRIGHT_BUS_INLINE_BYTES": str(_INLINE_BYTES)}, "by claim check": {}}
    one_process: list[float] = []
    in_cluster: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        write_looped(whole_film("chaplin"), film, times)
        for kind, env in kinds.items():
            with cluster_on_servers(**threads, **env) as cluster:
                source = cluster.upload(film)
                restore_in_cluster(
                    cluster, cluster.upload(whole_film("chaplin")), "first.mp4"
                )  # loads what is loaded at first use
                before = _cpu_seconds(cluster)
                for turn in range(rounds):
                    in_cluster[kind].append(restore_in_cluster(cluster, source, f"{turn}.mp4"))
                    print(f"cluster, payloads {kind}: {in_cluster[kind][-1]:.1f} s", flush=True)
                used = {name: (value - before[name]) / rounds for name, value in _cpu_seconds(cluster).items()}
                print("CPU seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in used.items()), flush=True)
            for turn in range(rounds):
                output_folder = Path(folder) / f"{kind}-{turn}"
                output_folder.mkdir()
                one_process.append(_restore_in_one_process(film, output_folder))
                print(f"one process: {one_process[-1]:.1f} s", flush=True)
    best = min(one_process)
    print(f"one process: {best:.1f} s ({_list(one_process)}), {CORES} cores")
    for kind, seconds in in_cluster.items():
        ratio = min(seconds) / best
        print(f"cluster, payloads {kind}: {min(seconds):.1f} s ({_list(seconds)}), {ratio:.3f} of one process")


def _list(seconds: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in seconds)


def _cpu_seconds(cluster: Cluster) -> dict[str, float]:
    """CPU seconds that each process has used so far, user and system."""
    pids: dict[str, int | None] = {process.role: process.pid for process in cluster.processes}
    pids |= {"broker": cluster.kafka.pid, "store": cluster.s3.pid}
    used = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
    return {name: each.user + each.system for name, each in used.items()}


@dataclass
class Peaks:
    """The largest values that were sampled.

    Attributes:
        memory: resident bytes by role.
        kafka: bytes of the broker's logs on disk.
        payloads: bytes of payloads in the store that are too large for a message.
        ledger: bytes of the ledger in the store, which has the encoded segments until the film is assembled.
    """

    memory: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    kafka: int = 0
    payloads: int = 0
    ledger: int = 0
    _store_due: float = 0.0

    def update(self, cluster: Cluster) -> None:
        """Takes one sample."""
        for process in cluster.processes:
            self.memory[process.role] = max(self.memory[process.role], process.memory_bytes())
        logs = Path(cluster.kafka.folder).rglob("reelwright.*/*.log")
        self.kafka = max(self.kafka, _disk_bytes(logs))
        if time.monotonic() >= self._store_due:
            ledger = Path(cluster.s3.folder) / "objects" / cluster.ledger.removeprefix("s3://")
            self.payloads = max(self.payloads, _disk_bytes(ledger.glob("*/payloads/*/*")))
            self.ledger = max(self.ledger, _disk_bytes(ledger.rglob("*")))
            self._store_due = time.monotonic() + _STORE_POLL_SECONDS


def _disk_bytes(paths: Iterable[Path]) -> int:
    """Bytes that files take on disk; a file may be removed meanwhile."""
    total = 0
    for path in paths:
        with suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512 if path.is_file() else 0
    return total


def flat(longest: int = 120) -> None:
    """Restores films of one and of `longest` minutes, each in a new cluster; prints the peaks and their ratios."""
    minutes = (1, longest)
    found: dict[int, Peaks] = {}
    with tempfile.TemporaryDirectory() as folder:
        minute = Path(folder) / "minute.mp4"
        write_film(minute, Film([(F(i, 24), scene(i, "yuv420p", 64, 48)) for i in range(_MINUTE)], rate=F(24)))
        for length in minutes:
            film = Path(folder) / f"{length}.mp4"
            write_looped(minute, film, length)
            found[length] = peaks = Peaks()
            with cluster_on_servers() as cluster:
                seconds = restore_in_cluster(cluster, cluster.upload(film), "film.mp4", partial(peaks.update, cluster))
            print(f"{length} min, {length * _MINUTE} frames of 64x48: {length * _MINUTE / seconds:.0f} fps", flush=True)
    short, long = (found[length] for length in minutes)
    print(f"peak              {minutes[0]:>7} min {minutes[1]:>7} min   ratio")
    for role in short.memory:
        _line(f"memory {role}", short.memory[role], long.memory[role])
    _line("bytes in Kafka", short.kafka, long.kafka)
    _line("payloads in store", short.payloads, long.payloads)
    _line("ledger in store", short.ledger, long.ledger)


def _line(name: str, short: int, long: int) -> None:
    print(f"{name:<17} {short / 2**20:>7.0f} MiB {long / 2**20:>7.0f} MiB {long / max(1, short):>7.2f}")


if __name__ == "__main__":
    if sys.argv[1] == "cost":
        cost()
    else:
        flat(*map(int, sys.argv[2:]))
