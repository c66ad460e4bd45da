"""`python -m tests.faults [--faults N] [--seed S]`: a table and one line; exit code 1 if a promise broke."""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.campaign import run_campaign
from tests.faults.report import broken_promises, markdown, slow_recoveries

_FINDINGS = Path(__file__).resolve().parents[2] / "fault-findings"


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Restores films while everything fails."
    )
    parser.add_argument("--faults", type=int, default=1000, help="how many; about 30 minutes for 1000 on 2 cores")
    parser.add_argument("--seed", type=int, help="the same seed gives the same faults and titles")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without a broker at the end; 0 for none")
    asked = parser.parse_args()
    # So that servers and mounts go with us, too, when we are told to go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    seed = secrets.randbelow(10**6) if asked.seed is None else asked.seed
    _say(f"seed {seed}")
    findings = _FINDINGS / time.strftime(f"%Y%m%d-%H%M%S-seed-{seed}")
    findings.mkdir(parents=True)
    folder = Path(tempfile.mkdtemp(prefix="reelwright-faults-"))
    try:
        result = run_campaign(seed, asked.faults, asked.outage, folder, findings, _say)
    finally:
        shutil.copytree(folder / "logs", findings / "logs", dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    text = markdown(result)
    (findings / "report.md").write_text(f"{text}\n")
    for ended in result.ended:
        _say(f"{ended.name} {ended.reason}\n{ended.last_words}\n")
    _say(text)
    return 1 if broken_promises(result) or slow_recoveries(result) else 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a campaign talks to whoever runs it


if __name__ == "__main__":
    sys.exit(main())
