"""Binds a run to one engine: that of its first restored frame. Batches of another engine are refused."""

from __future__ import annotations

from reelwright.bus.events import publish_event
from reelwright.bus.protocol import Bus
from reelwright.ledger.run_ledger import RunLedger
from reelwright.titles.errors import InternalError
from reelwright.titles.identity import engine_matches
from reelwright.titles.request import RunRequest
from reelwright.wire.titles_pb2 import EngineBound, Event


class ForeignEngine(InternalError):
    """A batch was restored with another engine than its run has; its segment must be restored again.

    Args:
        found: identity of the batch's engine.
        wanted: of the run's engine, or the words that the request asks for.
    """

    temporary = True

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"restored with engine {found or 'unknown'}; the run has {wanted}")


def check_engine(found: str, bound: str) -> None:
    """Refuses a batch of another engine than that which its run is bound to.

    Raises:
        ForeignEngine: they are not the same.
    """
    if not engine_matches(found, bound):
        raise ForeignEngine(found, bound)


def bind_engine(bus: Bus, ledger: RunLedger, request: RunRequest, engine: str) -> str:
    """The engine of a run, after one of its frames was restored. The first such engine is announced by an event.

    Args:
        bus: where the event is published.
        ledger: of the run.
        request: of the run.
        engine: that restored the frame.

    Raises:
        ForeignEngine: another engine restored this frame.
    """
    model = f"@{request.model_sha256[:12]}"
    known = ledger.engine()
    if not known and engine_matches(engine, request.engine) and engine.endswith(model):
        known = ledger.bind_engine(engine)
        announce_engine(bus, ledger.run, ledger.attempt, known)
    if not known:
        raise ForeignEngine(engine, f"{request.engine} {model}")
    check_engine(engine, known)
    return known


def announce_engine(bus: Bus, run: str, attempt: int, engine: str) -> None:
    """Publishes which engine a run is bound to."""
    publish_event(bus, Event(run=run, attempt=attempt, engine_bound=EngineBound(engine=engine)))
