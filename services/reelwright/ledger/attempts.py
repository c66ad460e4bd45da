"""How the attempts of a run follow each other: a submission begins the next one after the last one has ended."""

from __future__ import annotations

from reelwright.bus.events import title_failure
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import LedgerError, RecipeError
from reelwright.titles.request import RunRequest
from reelwright.wire.titles_pb2 import Event, TitleFailed

log = get_logger(__name__)


def readable_request(ledger: RunLedger) -> RunRequest | None:
    """The request of an attempt; None when it has none. An attempt whose request has no usable content fails."""
    try:
        return ledger.request()
    except (LedgerError, RecipeError) as error:
        fail_attempt(ledger, "submission", error)
        return None


def fail_attempt(ledger: RunLedger, service: str, error: Exception) -> Event | None:
    """Ends an attempt whose request cannot be used.

    Args:
        ledger: of the attempt.
        service: what found it, for the reason of an error that is not a OneLineError.
        error: why the request cannot be used.

    Returns:
        The event that announces the failure; None when the attempt has another outcome.
    """
    event = title_failure(ledger.run, ledger.attempt, service, error)
    log.error("request unusable", run=ledger.run, attempt=ledger.attempt, reason=event.title_failed.reason)
    return event if ledger.put_outcome(failed_outcome(event.title_failed)) else None


def failed_outcome(failure: TitleFailed) -> Outcome:
    """The ledger's outcome of a title that failed."""
    return Outcome(state="failed", reason=failure.reason, exit_code=failure.exit_code, error=failure.error)


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
