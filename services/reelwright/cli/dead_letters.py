"""`reelwright deadletter`: lists the messages that no service could process, and submits their runs again."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from reelwright.cli.options import JsonOption
from reelwright.cli.output import print_notice, print_result

app = typer.Typer(name="deadletter", help="List dead letters, and submit their runs again.", no_args_is_help=True)


@app.command("list")
def list_command(as_json: JsonOption = False) -> None:
    """List the dead letters that the broker still holds, oldest first, with the present state of their runs."""
    from reelwright.client.connection import open_ledger
    from reelwright.client.dead_letters import list_dead_letters

    letters = list_dead_letters(open_ledger())
    if as_json:
        print_result(json.dumps([letter.model_dump() for letter in letters], indent=2))
        return
    for letter in letters:
        segment = f"segment {letter.segment}" if letter.segment is not None else ""
        frames = f"frames {letter.frames[0]}-{letter.frames[1]}" if letter.frames else ""
        parts = (letter.time, letter.run, letter.state, letter.topic, segment, frames, letter.reason)
        print_result("  ".join(part for part in parts if part))


@app.command()
def retry(runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs that `list` shows.")]) -> None:
    """Submit runs again with their former request."""
    from reelwright.client.connection import connected, open_ledger
    from reelwright.client.submission import find_requests, submit

    ledger = open_ledger()
    requests = find_requests(runs, ledger)
    with connected() as bus:
        for request in requests:
            begun = submit(request, ledger(request.run), bus)
            print_notice(f"{request.run}  {'submitted' if begun else 'finished'}")
