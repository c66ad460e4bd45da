"""Measures what processes cost that have nothing to do: the CPU time of each role of an idle cluster.

python -m tests.bench.bench_idle [SECONDS]

The figure is CPU time and not wall time, so other programs on the machine change it little.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.support.cluster import Cluster
from tests.support.role_processes import Process

SECONDS = 180.0
# Until groups are formed and modules are imported.
SETTLE_SECONDS = 30.0


def cpu_seconds(process: Process) -> float:
    """CPU time of a process so far, of all its threads."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Prints the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    print("| role | % of a core |\n|---|---:|")
    with (
        tempfile.TemporaryDirectory(prefix="reelwright-bench-") as folder,
        KafkaServer(Path(folder) / "kafka") as kafka,
        S3Server(Path(folder) / "s3") as s3,
        Cluster(kafka, s3, Path(folder) / "logs") as cluster,
    ):
        processes = cluster.start_all()
        time.sleep(SETTLE_SECONDS)
        started, used = time.monotonic(), [cpu_seconds(process) for process in processes]
        time.sleep(seconds)
        elapsed = time.monotonic() - started
        for process, before in zip(processes, used, strict=True):
            print(f"| {process.role} | {100 * (cpu_seconds(process) - before) / elapsed:.1f} |", flush=True)


if __name__ == "__main__":
    main()
