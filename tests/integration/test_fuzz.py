"""Mutated films cause no traceback, crash, hang or wrong film."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.support import fuzzing

# 300 mutations cover every film and every kind of mutation. CI tries more, and `make fuzz` any number.
COUNT = int(os.environ.get("REELWRIGHT_FUZZ", "2000" if os.environ.get("CI") else "300"))
SEED = int(os.environ.get("REELWRIGHT_FUZZ_SEED", "1"))
WORKERS = os.cpu_count() or 1
# One readable film of this many is restored, which takes fifty times as long as reading it.
RESTORE_EVERY = 20
# A hundred times what the slowest film needs on an idle core, so a film that takes longer hangs.
HANG_SECONDS = 120.0
MEMORY_BYTES = 6 << 30


@dataclass
class Tally:
    """Results of a worker.

    Attributes:
        outcomes: number of films by the outcome of `fuzzing.check_film`.
        findings: descriptions of the films that were handled wrongly.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)


@pytest.mark.timeout(0)
def test_a_mutated_film_gives_a_clear_error_or_a_complete_film(tmp_path: Path) -> None:
    """Every mutated film is refused in one line, or read with every frame in order."""
    films = tmp_path / "films"
    films.mkdir()
    fuzzing.make_films(films)
    print(f"REELWRIGHT_FUZZ={COUNT} REELWRIGHT_FUZZ_SEED={SEED}")  # noqa: T201 - how to repeat a failure
    with ThreadPoolExecutor(WORKERS) as pool:
        tallies = list(pool.map(lambda first: _check_share(films, tmp_path / f"worker-{first}", first), range(WORKERS)))
    findings = [finding for tally in tallies for finding in tally.findings]
    outcomes = sum((tally.outcomes for tally in tallies), Counter())
    print(dict(outcomes))  # noqa: T201 - shows how many mutations were readable
    assert not findings, "\n".join(findings)
    assert outcomes.total() == COUNT
    # If all mutations were refused, or all harmless, the test would prove nothing.
    assert {"refused", "undamaged", "damaged"} <= set(outcomes)


def _check_share(films: Path, folder: Path, first: int) -> Tally:
    """Checks every WORKERS-th mutation in a separate process, which is replaced after a crash or a hang."""
    folder.mkdir()
    tally, numbers = Tally(), list(range(first, COUNT, WORKERS))
    while numbers:
        our_end, worker_end = multiprocessing.Pipe()
        worker = multiprocessing.get_context("spawn").Process(target=_check, args=(films, folder, numbers, worker_end))
        worker.start()
        worker_end.close()
        done = _collect(our_end, numbers, tally)
        worker.kill() if done < len(numbers) else None
        worker.join()
        if done < len(numbers):
            description = fuzzing.mutate_film(films, SEED, numbers[done])[0]
            tally.findings.append(f"{numbers[done]}: {description}: crash or hang, exit code {worker.exitcode}")
        numbers = numbers[done + 1 :]
    return tally


def _collect(results: Connection, numbers: list[int], tally: Tally) -> int:
    """Receives results until the worker ends or sends nothing for too long; the number of results."""
    for done, _ in enumerate(numbers):
        try:
            if not results.poll(HANG_SECONDS):
                return done
            outcome, finding = results.recv()
        except EOFError:
            return done
        tally.outcomes[outcome] += 1
        tally.findings += [finding] if finding else []
    return len(numbers)


def _check(films: Path, folder: Path, numbers: list[int], results: Connection) -> None:
    # A file that claims terabytes must not make this machine allocate them.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    readable = random.Random(SEED).randrange(RESTORE_EVERY)
    for number in numbers:
        description, data = fuzzing.mutate_film(films, SEED, number)
        path = folder / f"mutated{Path(description.split()[0]).suffix}"
        path.write_bytes(data)
        try:
            outcome, finding = fuzzing.check_film(path, restore=readable % RESTORE_EVERY == 0), ""
        except BaseException:  # noqa: BLE001 - every exception is a finding
            outcome, finding = "finding", f"{number}: {description}\n{traceback.format_exc()}"
        readable += outcome not in {"refused", "unreadable"}
        results.send((outcome, finding))
