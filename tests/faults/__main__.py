"""`python -m tests.faults [--faults N] [--seed S]`: runs a campaign and prints its report; exit code 1 if it fails."""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.campaign import CONCURRENT_TITLES, MAX_CONCURRENT_FAULTS, run_campaign
from tests.faults.report import markdown, slow_recoveries, violations

_FINDINGS = Path(__file__).resolve().parents[2] / "fault-findings"


def main() -> int:
    """Runs a campaign; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Restores titles on a cluster while faults are injected."
    )
    parser.add_argument("--faults", type=int, default=1000, help="number of faults; 1000 take 30 minutes on 2 cores")
    parser.add_argument("--seed", type=int, help="the same seed gives the same faults and titles")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds of broker outage at the end; 0 for none")
    parser.add_argument(
        "--hostile", action="store_true", help="the hostile campaign: forged messages, foreign clients, bad workers"
    )
    parser.add_argument("--kinds", nargs="+", default=(), metavar="NAME", help="only kinds whose names begin like this")
    parser.add_argument(
        "--at-once", type=int, default=MAX_CONCURRENT_FAULTS, metavar="N", help="most faults at the same time"
    )
    parser.add_argument(
        "--titles", type=int, default=CONCURRENT_TITLES, metavar="N", help="titles in work at the same time"
    )
    options = parser.parse_args()
    # Exit by exception on SIGTERM, so that the context managers stop the servers and remove the mounts.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    _print(f"seed {seed}")
    findings = _FINDINGS / time.strftime(f"%Y%m%d-%H%M%S-seed-{seed}")
    findings.mkdir(parents=True)
    folder = Path(tempfile.mkdtemp(prefix="reelwright-faults-"))
    try:
        result = run_campaign(
            seed=seed,
            count=options.faults,
            outage_seconds=options.outage,
            folder=folder,
            findings=findings,
            report_progress=_print,
            hostile=options.hostile,
            kind_names=options.kinds,
            concurrent_faults=options.at_once,
            concurrent_titles=options.titles,
        )
    finally:
        shutil.copytree(folder / "logs", findings / "logs", dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    text = markdown(result)
    (findings / "report.md").write_text(f"{text}\n")
    for exited in result.unexpected_exits:
        _print(f"{exited.name} {exited.reason}\n{exited.last_log_lines}\n")
    _print(text)
    return 1 if violations(result) or slow_recoveries(result) else 0


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main())
