"""Measures where the CPU time of a cluster goes, beside that of one process: `python -m tests.bench.bench_profile`.

Both restore the same film. The operating system counts the CPU time of each process and of each of its threads. For a
thread that runs Python, py-spy says which part of the code it was in (20 samples a second);
that divides the thread's CPU time. All other threads are those of FFmpeg, x264, OpenVINO and gRPC.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.bench.bench_cluster import cluster_on_servers, restore_in_cluster
from tests.bench.bench_pipeline import CORES, REELWRIGHT, write_looped
from tests.support.films import whole_film
from tests.support.role_processes import until

# A part of the code, and what a path has that belongs to it. The frame nearest to the leaf decides.
_PARTS = {
    "Kafka client": ("/kafka/", "/crc32c/"),
    "gRPC in Python": ("/grpc/", "/google/protobuf/"),
    "store client": ("/s3fs/", "/aiobotocore/", "/botocore/", "/fsspec/", "/aiohttp/"),
    "start: imports": ("importlib",),
    "payloads: code and decode": ("/media/transport", "/zstandard/"),
    "restore": ("/reelwright/restoration/", "/openvino/"),
    "decode, encode, probe, assemble": ("/reelwright/media/", "/av/"),
    "metrics and health": ("/prometheus_client/", "/http/server", "/socketserver"),
    "report": ("/reelwright/report/",),
    "roles: the rest": ("/reelwright/",),
}
_NATIVE = {
    "inference": "restore",
    "dispatcher": "gRPC in C",
    "decoder": "decode, encode, probe, assemble",
    "encoder": "decode, encode, probe, assemble",
}
_OTHER = "Python: the rest"
_TURNS = 4
# Each sample stops the process for a moment.
_RATE = "20"

Seconds = dict[str, float]


def main() -> None:
    """Measures both and prints a table: CPU seconds of each part, and by how much the cluster's are more."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = folder / "film.mp4"
        write_looped(whole_film("chaplin"), film, _TURNS)
        alone, alone_wall = _one_process(film, folder)
        parts, roles, wall = _cluster(film, folder)
    total = sum(alone.values())
    print(
        f"{CORES} cores. Wall seconds: one process {alone_wall:.1f}, cluster {wall:.1f}, {wall / alone_wall:.2f} of it"
    )
    print(f"CPU seconds: one process {total:.1f}, cluster {sum(parts.values()):.1f}")
    print(f"{'part':<34} {'one':>8} {'cluster':>8} {'more, % of one process':>24}")
    for part in sorted(set(alone) | set(parts), key=lambda part: alone.get(part, 0) - parts.get(part, 0)):
        one, many = alone.get(part, 0.0), parts.get(part, 0.0)
        print(f"{part:<34} {one:>8.1f} {many:>8.1f} {(many - one) / total:>+24.1%}")
    print("of the cluster: " + ", ".join(f"{role} {seconds:.1f}" for role, seconds in roles.items()))


def _one_process(film: Path, folder: Path) -> tuple[Seconds, float]:
    """CPU seconds of the parts of `reelwright restore`, and its wall seconds."""
    started = time.monotonic()
    with psutil.Popen([REELWRIGHT, "restore", film, "-o", folder / "alone.mp4"], stdout=subprocess.DEVNULL) as process:
        sampled = _Sampled(process.pid, folder / "alone", "restore")

        def ended() -> bool:
            sampled.update()
            # What has ended is a zombie until it is waited for, and still has its CPU time.
            return bool(process.status() == psutil.STATUS_ZOMBIE)

        until(ended, "the film is restored", timeout=1800, poll=0.2)
        wall = time.monotonic() - started
        parts = sampled.parts()
    assert process.returncode == 0
    return parts, wall


def _cluster(film: Path, folder: Path) -> tuple[Seconds, Seconds, float]:
    """CPU seconds of the parts of a cluster and of its processes, and the film's wall seconds."""
    threads = {"REELWRIGHT_INFERENCE_THREADS": str(CORES), "REELWRIGHT_INFERENCE_PARALLEL": str(CORES)}
    with cluster_on_servers(**threads) as cluster:
        # Loads what is loaded at first use.
        restore_in_cluster(cluster, cluster.upload(whole_film("chaplin")), "first.mp4")
        source = cluster.upload(film)
        servers = {"broker": psutil.Process(cluster.kafka.pid), "store": psutil.Process(cluster.s3.pid)}
        before = {name: _cpu(server) for name, server in servers.items()}
        roles = {each.role: _Sampled(each.pid, folder / each.role, _NATIVE[each.role]) for each in cluster.processes}

        def update() -> None:
            for each in roles.values():
                each.update()

        wall = restore_in_cluster(cluster, source, "film.mp4", update)
        by_role = {role: each.parts() for role, each in roles.items()}
        served = {name: _cpu(server) - before[name] for name, server in servers.items()}
    parts: dict[str, float] = defaultdict(float, served)
    for found in by_role.values():
        for part, seconds in found.items():
            parts[part] += seconds
    return parts, served | {role: sum(found.values()) for role, found in by_role.items()}, wall


class _Sampled:
    """A process whose threads are sampled from now on.

    Args:
        pid: of the process.
        stacks: file for what py-spy writes.
        native: the part that the threads without Python belong to.
    """

    def __init__(self, pid: int, stacks: Path, native: str) -> None:
        self._process, self._stacks, self._native = psutil.Process(pid), stacks, native
        self._before, self._threads_before = _cpu(self._process), _thread_cpu(self._process)
        self._threads: dict[int, float] = {}
        command = [
            str(REELWRIGHT.with_name("py-spy")),
            "record",
            "--pid",
            str(pid),
            "--threads",
            "--full-filenames",
            "--rate",
            _RATE,
        ]
        self._sampler = subprocess.Popen(
            [*command, "--format", "raw", "--output", str(stacks)], stderr=subprocess.DEVNULL
        )

    def update(self) -> None:
        """Keeps the CPU time of each thread, because what has ended is not there any more."""
        for number, seconds in _thread_cpu(self._process).items():
            self._threads[number] = seconds - self._threads_before.get(number, 0.0)

    def parts(self) -> Seconds:
        """CPU seconds of the parts since the start."""
        used = _cpu(self._process) - self._before
        # It writes what it has when it is interrupted, and may have ended with the process.
        self._sampler.send_signal(signal.SIGINT)
        self._sampler.wait()
        return _by_part(self._stacks.read_text(), used, self._threads, self._native)


def _by_part(stacks: str, total: float, threads: Mapping[int, float], native: str) -> Seconds:
    """CPU seconds of the parts of a process.

    Args:
        stacks: of py-spy: a line for each, with its thread first and the number of samples last.
        total: CPU seconds of the process.
        threads: CPU seconds of each thread.
        native: the part that all other threads belong to.
    """
    samples: dict[int, Counter[str]] = defaultdict(Counter)
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        samples[int(thread.partition("(")[2].partition(")")[0].rpartition(" ")[2])][_part(frames)] += int(count)
    found: dict[str, float] = defaultdict(float)
    for number, parts in samples.items():
        for part, share in parts.items():
            found[part] += threads.get(number, 0.0) * share / parts.total()
    found[native] += total - sum(found.values())
    return found


def _part(frames: list[str]) -> str:
    for frame in reversed(frames):
        for part, paths in _PARTS.items():
            if any(path in frame for path in paths):
                return part
    return _OTHER


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _thread_cpu(process: psutil.Process) -> Mapping[int, float]:
    return {each.id: each.user_time + each.system_time for each in process.threads()}


if __name__ == "__main__":
    main()
