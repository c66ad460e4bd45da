"""Removes the runs that ended long ago, and what a failed or cancelled run left for its workers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.runs import Runs

_READERS = 16
_SECONDS_OF_DAY = 86_400.0


class Pruned(NamedTuple):
    """What a call removed.

    Attributes:
        runs: number of runs that were removed.
        kept: number of runs that stay.
    """

    runs: int
    kept: int


def prune_runs(root: str, keep_days: float) -> Pruned:
    """Removes each run that ended more than `keep_days` ago, and the payloads of runs that failed or were cancelled.

    Finished films and their manifests are at their outputs and stay, as do runs that have not ended. A call
    that is interrupted is completed by the next one.

    Args:
        root: of the ledger.
        keep_days: days, by the clock of the store.

    Raises:
        OutputError: the ledger cannot be read or changed.
        UnavailableError: the store does not answer.
    """
    oldest = time.time() - keep_days * _SECONDS_OF_DAY
    with ThreadPoolExecutor(_READERS) as pool:
        runs = Runs(root)
        removed = list(pool.map(partial(_prune, runs, oldest), runs.names()))
    return Pruned(sum(removed), len(removed) - sum(removed))


def _prune(runs: Runs, oldest: float, run: str) -> bool:
    ledger = RunLedger(runs.root, run).latest()
    outcome, ended_at = ledger.outcome(), runs.ended_at(run, ledger.attempt)
    if outcome is None or ended_at is None:
        return False
    if ended_at < oldest:
        ledger.remove()
        return True
    if outcome.state != "finished":
        ledger.remove_payloads()
    return False
