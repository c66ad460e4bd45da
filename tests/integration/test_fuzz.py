"""Mutated films: neither a traceback, a crash, a hang nor a wrong film, whatever is done to the bytes."""

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

# Enough in a checkout to meet every film and kind of damage; CI goes further and `make fuzz` as far as one likes.
COUNT = int(os.environ.get("REELWRIGHT_FUZZ", "2000" if os.environ.get("CI") else "300"))
SEED = int(os.environ.get("REELWRIGHT_FUZZ_SEED", "1"))
WORKERS = os.cpu_count() or 1
# Every so many readable films go through the whole pipeline, which costs fifty times as much.
RESTORE_EVERY = 20
# A hundred times what the slowest takes on an idle core: beyond this it hangs.
HANG_SECONDS = 120.0
MEMORY_BYTES = 6 << 30


@dataclass
class Tally:
    """Outcomes by name, and what was found."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)


@pytest.mark.timeout(0)
def test_a_mutated_film_gives_a_clear_error_or_a_whole_film(tmp_path: Path) -> None:
    """Every mutation is refused in one line, or read with every frame in its place."""
    films = tmp_path / "films"
    films.mkdir()
    fuzzing.make_films(films)
    print(f"REELWRIGHT_FUZZ={COUNT} REELWRIGHT_FUZZ_SEED={SEED}")  # noqa: T201 - how to repeat a failure
    with ThreadPoolExecutor(WORKERS) as pool:
        tallies = list(pool.map(lambda lane: _lane(films, tmp_path / f"lane-{lane}", lane), range(WORKERS)))
    findings = [finding for tally in tallies for finding in tally.findings]
    outcomes = sum((tally.outcomes for tally in tallies), Counter())
    print(dict(outcomes))  # noqa: T201 - how much of it was worth trying
    assert not findings, "\n".join(findings)
    assert outcomes.total() == COUNT
    # Mutations that are all refused, or all harmless, would prove nothing.
    assert {"refused", "whole", "damaged"} <= set(outcomes)


def _lane(films: Path, folder: Path, lane: int) -> Tally:
    """Examines every WORKERS-th mutation in a process of its own, and in a new one after a crash or a hang."""
    folder.mkdir()
    tally, numbers = Tally(), list(range(lane, COUNT, WORKERS))
    while numbers:
        ours, theirs = multiprocessing.Pipe()
        worker = multiprocessing.get_context("spawn").Process(target=_examine, args=(films, folder, numbers, theirs))
        worker.start()
        theirs.close()
        done = _collect(ours, numbers, tally)
        worker.kill() if done < len(numbers) else None
        worker.join()
        if done < len(numbers):
            description = fuzzing.mutated(films, SEED, numbers[done])[0]
            tally.findings.append(f"{numbers[done]}: {description}: crash or hang, exit code {worker.exitcode}")
        numbers = numbers[done + 1 :]
    return tally


def _collect(results: Connection, numbers: list[int], tally: Tally) -> int:
    """Takes results until the worker ends or says nothing for too long; how many it finished."""
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


def _examine(films: Path, folder: Path, numbers: list[int], results: Connection) -> None:
    # A header that asks for terabytes must not get them from this machine.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    readable = random.Random(SEED).randrange(RESTORE_EVERY)
    for number in numbers:
        description, data = fuzzing.mutated(films, SEED, number)
        path = folder / f"mutated{Path(description.split()[0]).suffix}"
        path.write_bytes(data)
        try:
            outcome, finding = fuzzing.examine(path, whole=readable % RESTORE_EVERY == 0), ""
        except BaseException:  # noqa: BLE001 - whatever it is, it is a finding
            outcome, finding = "finding", f"{number}: {description}\n{traceback.format_exc()}"
        readable += outcome not in {"refused", "unreadable"}
        results.send((outcome, finding))
