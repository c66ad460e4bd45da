"""How the attempts of a run follow each other: a submission begins the next one after the last one has ended."""

from __future__ import annotations

from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import LedgerError, RecipeError
from reelwright.titles.request import RunRequest

log = get_logger(__name__)


def readable_request(ledger: RunLedger) -> RunRequest | None:
    """The request of an attempt; None when it has none. An attempt whose request cannot be read fails."""
    try:
        return ledger.request()
    except (LedgerError, RecipeError) as error:
        log.warning("request unusable", run=ledger.run, attempt=ledger.attempt, reason=str(error))
        ledger.put_outcome(Outcome(state="failed", reason=str(error), exit_code=1, error=type(error).__name__))
        return None


def place_request(latest: RunLedger, known: RunRequest | None, request: RunRequest) -> RunLedger | None:
    """Writes a request to a run's present attempt, or begins the next attempt when that one has ended.

    Args:
        latest: ledger of the run's last attempt.
        known: the request that this attempt has; None when it has none.
        request: what is asked for now; its number is set here. Its output is that of `known` while the attempt goes on.

    Returns:
        The ledger of the attempt that has the request; None when another process submitted or ended the run meanwhile,
        so that the caller must look again.
    """
    if latest.outcome() is None:
        numbered = request.model_copy(update={"attempt": latest.attempt})
        if known is None:
            return latest if latest.create_request(numbered) else None
        latest.put_request(numbered)
        # An attempt that ended meanwhile does nothing for a request.
        return latest if latest.outcome() is None else None
    following = latest.at(latest.attempt + 1)
    # Before the request, which makes the attempt begin.
    following.adopt(latest)
    numbered = request.model_copy(update={"attempt": following.attempt})
    return following if following.create_request(numbered) else None
