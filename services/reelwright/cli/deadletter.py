"""`reelwright deadletter`: what no service could use, and how to try again."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(name="deadletter", help="Look into dead letters, and try their runs again.", no_args_is_help=True)


@app.command("list")
def list_letters(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """List the dead letters that the broker still holds, oldest first, and how their runs stand now."""
    from reelwright.bus.kafka.reader import read_topic
    from reelwright.bus.settings import BusSettings
    from reelwright.bus.topics import DEAD_LETTER
    from reelwright.client.connection import open_ledger
    from reelwright.client.dead_letters import print_dead_letters, read_dead_letters
    from reelwright.settings import read_settings

    records = read_topic(read_settings(BusSettings), DEAD_LETTER)
    print_dead_letters(read_dead_letters(records, open_ledger()), as_json=as_json)


@app.command()
def retry(runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="What `list` names.")]) -> None:
    """Submit runs again as they were submitted before."""
    from reelwright.client.connection import connected, open_ledger
    from reelwright.client.status import known_ledger
    from reelwright.client.submission import submit
    from reelwright.ledger.requests import to_wire

    ledger = open_ledger()
    # All of them are looked up first: a name that is mistyped must not leave half of the work done.
    found = {run: known_ledger(run, ledger) for run in runs}
    with connected() as bus:
        for run, of_run in found.items():
            request = of_run.request()
            assert request is not None
            begun = submit(to_wire(request), of_run, bus)
            typer.echo(f"{run}  {'submitted' if begun else 'finished'}")
