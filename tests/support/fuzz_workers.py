"""Checks numbered cases in worker processes, and shows the stacks of a worker that crashes or hangs."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import resource
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

# A file that claims terabytes must not make this machine allocate them.
MEMORY_BYTES = 6 << 30
# A worker that starts on a busy machine imports the product for minutes.
_START_SECONDS = 300.0
# Stacks of all threads fit; FFmpeg's messages about thousands of damaged films do not.
_SHOWN_CHARACTERS = 20_000


@dataclass
class Tally:
    """Results of a worker.

    Attributes:
        outcomes: number of cases by what `check` returned.
        findings: descriptions of the cases that were handled wrongly, and of crashes and hangs.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)


def check_share(
    check: Callable[[int], str],
    numbers: Sequence[int],
    folder: Path,
    *,
    describe: Callable[[int], str] = str,
    hang_seconds: float,
) -> Tally:
    """Checks cases in one worker process at a time, which is replaced after a crash or a hang.

    Args:
        check: called in the worker with each number; returns an outcome. What it raises is a finding.
        numbers: of the cases.
        folder: gets the worker's standard error.
        describe: describes a case in the finding of a crash or hang.
        hang_seconds: a worker ends itself, and shows the stacks of its threads, when it needs longer than this for a
            case, or to exit after the last one.
    """
    tally, errors = Tally(), folder / "stderr"
    while numbers:
        our_end, worker_end = multiprocessing.Pipe(duplex=False)
        arguments = (check, numbers, worker_end, errors, hang_seconds)
        worker = multiprocessing.get_context("spawn").Process(target=_work, args=arguments)
        worker.start()
        worker_end.close()
        # The worker's own limit comes first; this one is for a worker that has no Python yet, or no longer.
        limit = hang_seconds + _START_SECONDS
        done = _collect(our_end, numbers, tally, limit)
        threads = _join(worker, limit)
        if done < len(numbers) or worker.exitcode != 0:
            case = f"{numbers[done]}: {describe(numbers[done])}" if done < len(numbers) else "after the last case"
            shown = errors.read_text(errors="replace")[-_SHOWN_CHARACTERS:] if errors.exists() else ""
            tally.findings.append(f"{case}: crash or hang, exit code {worker.exitcode}\n{threads}{shown}")
        numbers = numbers[done + 1 :]
    return tally


def _collect(results: Connection, numbers: Sequence[int], tally: Tally, timeout: float) -> int:
    """Receives results until the worker ends or sends nothing for too long; the number of results."""
    for done, _ in enumerate(numbers):
        try:
            if not results.poll(timeout):
                return done
            outcome, finding = results.recv()
        except (EOFError, OSError):
            # The worker is gone; OSError is raised where it died while it sent a result.
            return done
        tally.outcomes[outcome] += 1
        tally.findings += [finding] if finding else []
    return len(numbers)


def _join(worker: BaseProcess, timeout: float) -> str:
    """Waits for a worker's end, and kills it after `timeout` seconds; then what each of its threads waited for."""
    worker.join(timeout)
    if worker.is_alive():
        tasks = sorted(Path(f"/proc/{worker.pid}/task").glob("*"))
        waits = [f"{(task / 'comm').read_text().strip()}: {(task / 'wchan').read_text()}\n" for task in tasks]
        worker.kill()
        worker.join()
        return f"killed after {timeout:.0f} s; threads and the kernel functions they waited in:\n{''.join(waits)}"
    return ""


def _work(
    check: Callable[[int], str], numbers: Sequence[int], results: Connection, errors: Path, hang_seconds: float
) -> None:
    with errors.open("w") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for number in numbers:
        faulthandler.dump_traceback_later(hang_seconds, exit=True)
        try:
            outcome, finding = check(number), ""
        except BaseException:  # noqa: BLE001 - every exception is a finding
            outcome, finding = "finding", f"{number}\n{traceback.format_exc()}"
        results.send((outcome, finding))
    # Stays armed while the process exits: a thread that never ends keeps it from that.
    faulthandler.dump_traceback_later(hang_seconds, exit=True)
