"""Titles on their way into a cluster: resolved, written to the ledger, published."""

from __future__ import annotations

import threading
import time

from reelwright.bus.messages import publish_message
from reelwright.bus.protocol import Bus, BusClosed
from reelwright.bus.topics import TITLES, run_key
from reelwright.ledger.requests import from_wire
from reelwright.ledger.run_ledger import RunLedger
from reelwright.titles.errors import OutputError, UnavailableError
from reelwright.wire.titles_pb2 import TitleRequest

# A broker that takes nothing for so long is one that does not answer.
_PUBLISH_SECONDS = 30.0


def submit(request: TitleRequest, ledger: RunLedger, bus: Bus) -> bool:
    """Has a title restored; the same request again is the same run and does no harm.

    Args:
        request: what is asked for; `submitted` is set to now.
        ledger: the run's.
        bus: where it is asked for.

    Returns:
        Whether there was something to do: False when the film is finished and whole at its output.

    Raises:
        OutputError: the run is under way for another output, or the ledger cannot be written.
        UnavailableError: broker or store do not answer.
    """
    outcome, known = ledger.outcome(), ledger.request()
    # Asked of the store in any case: an output that leads nowhere is refused here, not after hours of work.
    film = ledger.whole_at(request.output)
    if film is not None and outcome is not None and outcome.state == "finished":
        return False
    if outcome is None and known is not None and known.output != request.output:
        raise OutputError(f"run {request.run} is under way for {known.output}", request.output, "cancel it first")
    request.submitted = time.time()
    ledger.put_request(from_wire(request))
    if outcome is not None:
        ledger.clear_outcome()
    # The bus itself waits for a broker for ever.
    deadline = threading.Timer(_PUBLISH_SECONDS, bus.close)
    deadline.start()
    try:
        publish_message(bus, TITLES, run_key(request.run), request)
    except BusClosed:
        raise UnavailableError("takes no messages", "the broker", "try again when it does") from None
    finally:
        deadline.cancel()
    return True
