"""Cancels a run: writes the outcome to the ledger and publishes it to the services."""

from __future__ import annotations

from reelwright.bus.events import publish_event
from reelwright.bus.protocol import Bus
from reelwright.client.publishing import publishing
from reelwright.client.status import known_ledger
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import OpenLedger
from reelwright.titles.errors import Interrupted
from reelwright.wire.titles_pb2 import Event, TitleCancelled


def cancel(
    run: str, ledger: OpenLedger, bus: Bus, reason: str = "cancelled by `reelwright cancel`"
) -> tuple[Outcome, bool]:
    """Ends the present attempt of a run, if it has not ended. Committed segments stay in the ledger.

    Args:
        run: its name.
        ledger: opens the ledger of an attempt.
        bus: where the outcome is published.
        reason: shown by `status`.

    Returns:
        The run's outcome, and whether this call made it: False when the run had ended before.

    Raises:
        UserError: there is no such run.
        UnavailableError: the store or the broker does not answer.
    """
    found = known_ledger(run, ledger)
    cancelled = Outcome(state="cancelled", reason=reason, exit_code=Interrupted.exit_code)
    if not found.put_outcome(cancelled):
        return found.outcome() or cancelled, False
    # The ledger alone decides; the event only makes the services stop sooner.
    with publishing(bus):
        publish_event(bus, Event(run=run, attempt=found.attempt, title_cancelled=TitleCancelled()))
    return cancelled, True
