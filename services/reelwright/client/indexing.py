"""Makes the index of a ledger whose runs an earlier version submitted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from reelwright.ledger.run_index import RunIndex
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.runs import Runs
from reelwright.titles.errors import LedgerError, RecipeError

_READERS = 16


def index_runs(root: str) -> int:
    """Enters every submitted run of a ledger in its index, corrects the entries that are there, and marks it complete.

    Runs may be submitted, and may end, meanwhile.

    Args:
        root: of the ledger.

    Returns:
        Number of runs.

    Raises:
        OutputError: the ledger cannot be read or changed.
        UnavailableError: the store does not answer.
    """
    index = RunIndex(root)
    with ThreadPoolExecutor(_READERS) as pool:
        count = sum(pool.map(partial(_enter, index, root), Runs(root).names()))
    index.mark_complete()
    return count


def _enter(index: RunIndex, root: str, run: str) -> bool:
    ledger = RunLedger(root, run).latest()
    try:
        request = ledger.request()
    except (LedgerError, RecipeError):
        # Its class is not known, and a listing shows why.
        index.add_unfinished(run, ledger.attempt, "standard")
        return True
    if request is None:
        return False
    outcome = ledger.outcome()
    if outcome is None:
        index.add_unfinished(run, ledger.attempt, request.priority_class)
    else:
        index.add_ended(request, outcome)
    return True
