"""Mutated films cause no traceback, crash, hang or wrong film."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.support import fuzzing
from tests.support.fuzz_workers import Tally, check_share

# 300 mutations cover every film and every kind of mutation. CI tries more, and `make fuzz` any number.
COUNT = int(os.environ.get("REELWRIGHT_FUZZ", "2000" if os.environ.get("CI") else "300"))
SEED = int(os.environ.get("REELWRIGHT_FUZZ_SEED", "1"))
# The number of the first one: where a long run is taken up again.
FIRST = int(os.environ.get("REELWRIGHT_FUZZ_FIRST", "0"))
WORKERS = int(os.environ.get("REELWRIGHT_FUZZ_WORKERS", str(os.cpu_count() or 1)))
# One readable film of this many is restored, which takes fifty times as long as reading it. With RESTORE_ALL every film
# is, and a film that cannot be read must be refused by `restore` as well.
RESTORE_EVERY = 20
RESTORE_ALL = bool(os.environ.get("REELWRIGHT_FUZZ_RESTORE"))
# A hundred times what the slowest film needs on an idle core, so a film that takes longer hangs.
HANG_SECONDS = 120.0


@pytest.mark.timeout(0)
def test_a_mutated_film_gives_a_clear_error_or_a_complete_film(tmp_path: Path) -> None:
    """Every mutated film is refused in one line, or read with every frame in order."""
    films = tmp_path / "films"
    films.mkdir()
    fuzzing.make_films(films)
    print(f"REELWRIGHT_FUZZ={COUNT} REELWRIGHT_FUZZ_SEED={SEED} REELWRIGHT_FUZZ_FIRST={FIRST}")  # noqa: T201 - to repeat
    with ThreadPoolExecutor(WORKERS) as pool:
        tallies = list(pool.map(partial(_check_share, films, tmp_path), range(WORKERS)))
    findings = [finding for tally in tallies for finding in tally.findings]
    outcomes = sum((tally.outcomes for tally in tallies), Counter())
    print(dict(outcomes))  # noqa: T201 - shows how many mutations were readable
    assert not findings, "\n".join(findings)
    assert outcomes.total() == COUNT - FIRST
    # If all mutations were refused, or all harmless, the test would prove nothing.
    if COUNT - FIRST >= 300:
        assert {"refused", "undamaged", "damaged"} <= set(outcomes)


def _check_share(films: Path, tmp_path: Path, first: int) -> Tally:
    """Checks every WORKERS-th mutation."""
    folder = tmp_path / f"worker-{first}"
    folder.mkdir()
    return check_share(
        _FilmCheck(films, folder),
        range(FIRST + first, COUNT, WORKERS),
        folder,
        describe=lambda number: fuzzing.mutate_film(films, SEED, number)[0],
        hang_seconds=HANG_SECONDS,
    )


class _FilmCheck:
    def __init__(self, films: Path, folder: Path) -> None:
        self._films, self._folder = films, folder
        self._readable = random.Random(SEED).randrange(RESTORE_EVERY)

    def __call__(self, number: int) -> str:
        description, data = fuzzing.mutate_film(self._films, SEED, number)
        path = self._folder / f"mutated{Path(description.split()[0]).suffix}"
        path.write_bytes(data)
        restore = RESTORE_ALL or self._readable % RESTORE_EVERY == 0
        # Every film of the list is restored into MP4 and into Matroska in turn.
        profile = ("web", "master")[number // len(fuzzing.FILMS) % 2]
        try:
            outcome = fuzzing.check_film(path, restore=restore, profile=profile)
        except BaseException as error:
            error.add_note(description)
            raise
        self._readable += outcome not in {"refused", "unreadable"}
        return outcome


def test_a_worker_that_does_not_exit_after_its_last_film_is_reported_with_its_stacks(tmp_path: Path) -> None:
    """A worker that a thread keeps from exiting is ended, and the finding shows where that thread stands."""
    tally = check_share(_leave_a_thread, [1], tmp_path, hang_seconds=5.0)
    assert tally.outcomes == Counter({"undamaged": 1})
    (finding,) = tally.findings
    assert finding.startswith("after the last case: crash or hang, exit code 1")
    assert "in _wait_for_ever" in finding


def test_a_worker_that_hangs_or_dies_is_replaced_and_the_rest_is_checked(tmp_path: Path) -> None:
    """A hang and a crash are a finding each, with the stacks, and the cases behind them are checked."""
    tally = check_share(_misbehave, [1, 2, 3, 4], tmp_path, hang_seconds=5.0)
    assert tally.outcomes == Counter({"undamaged": 2})
    hang, death = tally.findings
    assert hang.startswith("2: 2: crash or hang, exit code 1")
    assert "in _wait_for_ever" in hang
    assert death.startswith(f"3: 3: crash or hang, exit code {-signal.SIGKILL}")


def _leave_a_thread(_: int) -> str:
    threading.Thread(target=_wait_for_ever).start()
    return "undamaged"


def _misbehave(number: int) -> str:
    if number == 2:
        _wait_for_ever()
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return "undamaged"


def _wait_for_ever() -> None:
    threading.Event().wait()
