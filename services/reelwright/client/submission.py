"""Submits titles to a cluster: writes the request to the ledger, then publishes it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from reelwright.bus.conversion import request_to_wire
from reelwright.bus.messages import publish_message
from reelwright.bus.protocol import Bus
from reelwright.bus.topics import TITLES, run_key
from reelwright.client.publishing import PUBLISH_SECONDS, publishing
from reelwright.client.status import known_ledger
from reelwright.ledger.attempts import place_request, readable_request
from reelwright.ledger.output_claims import claim_output
from reelwright.ledger.records import SourceProbe
from reelwright.ledger.run_index import RunIndex
from reelwright.ledger.run_ledger import OpenLedger, RunLedger
from reelwright.telemetry.tracing import span
from reelwright.titles.errors import OutputError
from reelwright.titles.request import RunRequest


def submit(
    request: RunRequest,
    ledger: RunLedger,
    bus: Bus,
    probe: SourceProbe | None = None,
    *,
    publish_seconds: float = PUBLISH_SECONDS,
) -> bool:
    """Submits a title. The same request submitted again is the same run, and the same attempt until that has ended.

    Args:
        request: the title; `submitted` is set to the present time, and `attempt` to that of the run.
        ledger: a ledger of the run.
        bus: where the request is published.
        probe: what the source holds, for the decoder; None lets the decoder probe it.
        publish_seconds: time after which a broker that takes nothing counts as one that does not answer.

    Returns:
        True when the run was submitted, False when its film is finished and whole at its output.

    Raises:
        InputError: the source must not be read (see `RunLedger.check_locations`).
        OutputError: the output must not be written, another run is under way for it, the run is under way for another
            output, the output holds a file that was not made from the same source, or the ledger cannot be written.
        UnavailableError: the broker or the store does not answer.
    """
    ledger.check_locations(request)
    request = request.model_copy(update={"submitted": time.time()})
    placed = None
    while placed is None:
        latest = ledger.latest()
        known, outcome = readable_request(latest), latest.outcome()
        # Read in any case: an output that cannot be reached is refused here, not after hours of work.
        film = latest.film.delivered_manifest(request.output)
        if film is not None and outcome is not None and outcome.state == "finished":
            return False
        if outcome is None and known is not None and known.output != request.output:
            raise OutputError(f"run {request.run} is under way for {known.output}", request.output, "cancel it first")
        # A run that is under way was checked when it was submitted, and may be delivering its film at this moment.
        if not request.overwrite and (outcome is not None or known is None):
            latest.film.check_replaceable(request.output, request.fingerprint)
        # Before the request exists: of two submissions at the same time, one is refused here and leaves nothing.
        numbered = request.model_copy(update={"attempt": latest.attempt + (outcome is not None)})
        claim_output(latest.at(numbered.attempt), request.output)
        index = RunIndex(latest.root, latest.retry)
        index.begin(numbered)
        # Before the request: with it, a decoder may begin.
        if probe is not None:
            latest.at(numbered.attempt).put_probe(probe)
        placed = place_request(latest, known, request)
    index.forget(request.run, placed.attempt - 1)
    submitted = request.model_copy(update={"attempt": placed.attempt})
    with publishing(bus, publish_seconds), span("submit title", run=request.run):
        publish_message(bus, TITLES, run_key(request.run), request_to_wire(submitted))
    return True


def next_attempt(request: RunRequest, ledger: RunLedger) -> int:
    """The attempt that a submission of this request now would join or begin. Writes nothing.

    Args:
        request: the title.
        ledger: a ledger of the run.

    Returns:
        The present attempt while it is under way, or when its film is whole at the request's output; else the next.

    Raises:
        UnavailableError: the store does not answer.
    """
    latest = ledger.latest()
    outcome = latest.outcome()
    if outcome is None or (outcome.state == "finished" and latest.film.delivered_manifest(request.output) is not None):
        return latest.attempt
    return latest.attempt + 1


def find_requests(runs: Sequence[str], ledger: OpenLedger) -> list[RunRequest]:
    """The requests with which runs were submitted last.

    Raises:
        UserError: there is no such run.
        UnavailableError: the store does not answer.
    """
    requests = [known_ledger(run, ledger).request() for run in runs]
    return [request for request in requests if request is not None]
