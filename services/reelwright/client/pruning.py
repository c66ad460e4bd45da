"""Removes the runs that ended long ago, and what a failed or cancelled run left for its workers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.runs import Runs
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import OutputError

log = get_logger(__name__)

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
        OutputError: the ledger cannot be read, or a run cannot be read or changed; all others are done before.
        UnavailableError: the store does not answer.
    """
    oldest = time.time() - keep_days * _SECONDS_OF_DAY
    with ThreadPoolExecutor(_READERS) as pool:
        runs = Runs(root)
        results = list(pool.map(partial(_try_prune, runs, oldest), runs.names()))
    for refusal in results:
        if isinstance(refusal, OutputError):
            raise refusal
    removed = [result is True for result in results]
    return Pruned(sum(removed), len(removed) - sum(removed))


def _try_prune(runs: Runs, oldest: float, run: str) -> bool | OutputError:
    """Whether a run was removed; or why it cannot be read or changed, which must not keep the others."""
    try:
        return _prune(runs, oldest, run)
    except OutputError as error:
        log.warning("run not pruned", run=run, reason=str(error))
        return error


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
