"""`reelwright cancel`: stops a run; a film that is finished stays."""

from __future__ import annotations

from typing import Annotated

import typer


def command(run: Annotated[str, typer.Argument(metavar="RUN", help="What `submit` printed.")]) -> None:
    """Cancel a run. Work on it stops within seconds; a finished film is left alone."""
    from reelwright.bus.events import publish_event
    from reelwright.client.connection import connected, open_ledger
    from reelwright.client.status import known_ledger
    from reelwright.ledger.records import Outcome
    from reelwright.titles.errors import Interrupted
    from reelwright.wire.titles_pb2 import Event, TitleCancelled

    ledger = known_ledger(run, open_ledger())
    with connected() as bus:
        # The outcome counts; the event only makes those who work on it hear of it sooner.
        reason = "cancelled by `reelwright cancel`"
        wanted = Outcome(state="cancelled", reason=reason, exit_code=Interrupted.exit_code)
        if ledger.put_outcome(wanted):
            publish_event(bus, Event(run=run, title_cancelled=TitleCancelled()))
    outcome = ledger.outcome() or wanted
    left = "" if outcome == wanted else "  it had ended before and is left as it is"
    typer.echo(f"{run}  {outcome.state}{left}")


command.__name__ = "cancel"
