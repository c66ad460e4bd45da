"""Measures `reelwright status` over a ledger with 100,000 runs, in a folder and on the S3 server.

python -m tests.bench.bench_status [RUNS]

98 of 100 runs are finished, one has failed and one is queued; one of 100 is express. The documents are written to a
folder, which is then moved below the S3 server, because writing them by requests would take an hour.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reelwright.ledger.records import Outcome
from reelwright.ledger.run_index import EndedRun, entry_name
from scripts.servers.s3 import S3Server
from tests.support.commands import COMMAND
from tests.support.ledgers import request_of

RUNS = 100_000
CALLS = (
    "status --limit 100",
    "status --state failed --limit 100",
    "status --class express --limit 100",
    "status --state failed --limit 100000",
)


def write_runs(root: Path, count: int) -> None:
    """Writes the documents and index entries of so many runs; their names spread over the whole alphabet."""
    finished = Outcome(state="finished", output="/films/film.mp4", frames=24)
    failed = Outcome(state="failed", reason="meant to fail", exit_code=1)
    for number in range(count):
        run = f"{(number * 2654435761) % 2**64:016x}{number % 65536:04x}"
        request = request_of(run=run, priority_class="express" if number % 100 == 50 else "standard")
        outcome = None if number % 100 == 99 else failed if number % 100 == 98 else finished
        write(root / run / "request.json", request.model_dump_json())
        entry = root / "index" / entry_name(run, 1, outcome.state if outcome else None, request.priority_class)
        write(entry, EndedRun(request=request, outcome=outcome).model_dump_json() if outcome else "")
        if outcome:
            write(root / run / "outcome.json", outcome.model_dump_json())
    write(root / "index" / "complete", "")


def write(path: Path, text: str) -> None:
    """Writes a file and its folders."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
    path.write_text(text)


def measure(kind: str, env: dict[str, str]) -> None:
    """Prints the seconds of each call, and its CPU seconds; the start of the command is included."""
    for call in CALLS:
        started, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [COMMAND, *call.split()], env={**os.environ, **env}, check=True, capture_output=True, text=True
        )
        seconds, lines = time.monotonic() - started, len(done.stdout.splitlines())
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        print(f"| {kind} | `{call}` | {lines:,} | {seconds:.1f} | {cpu:.1f} |", flush=True)


def main() -> None:
    """Prints the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    print("| store | call | runs shown | seconds | CPU seconds |\n|---|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="reelwright-bench-") as folder, S3Server(Path(folder) / "s3") as s3:
        ledger = Path(folder) / "ledger"
        write_runs(ledger, count)
        measure("folder", {"REELWRIGHT_STORE_LEDGER": str(ledger)})
        ledger.rename(s3.folder / "objects" / s3.bucket / "ledger")
        measure("S3", {**s3.env, "REELWRIGHT_STORE_LEDGER": f"s3://{s3.bucket}/ledger"})


if __name__ == "__main__":
    main()
