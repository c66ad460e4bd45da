"""`reelwright submit`: asks a cluster for a film."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from reelwright.cli.probe import RECIPE_HELP, SET_HELP

_DEADLINE_HELP = "When the film is wanted: a moment (2030-05-01T18:00) or a duration (2h, 1d12h)."


def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The film: a path or an s3:// URL.")],
    output: Annotated[str, typer.Option("-o", "--output", help="Where the restored film goes: the same.")],
    recipe: Annotated[str, typer.Option(help=RECIPE_HELP)] = "faithful",
    scale: Annotated[int | None, typer.Option(help="Enlargement: 2, 3 or 4.")] = None,
    profile: Annotated[str | None, typer.Option(help="web, master, hevc10, av1 or prores.")] = None,
    assign: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=SET_HELP)] = None,
    priority: Annotated[
        Literal["express", "standard", "bulk"], typer.Option("--class", help="Its share where titles compete.")
    ] = "standard",
    deadline: Annotated[str | None, typer.Option(metavar="WHEN", help=_DEADLINE_HELP)] = None,
    engine: Annotated[Literal["auto", "openvino", "torch"], typer.Option(help="What the workers run.")] = "auto",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended, as `status --wait` does.")] = False,
) -> None:
    """Submit a film to a cluster. The same request is the same run: submitted twice, it is restored once."""
    from reelwright.cli.overrides import resolve_recipe
    from reelwright.client.connection import connected, open_ledger
    from reelwright.client.request import parse_deadline, resolve_title
    from reelwright.client.status import wait_for
    from reelwright.client.submission import submit

    request = resolve_title(source, output, resolve_recipe(recipe, assign, scale, profile), engine)
    request.priority_class = priority
    request.deadline = parse_deadline(deadline) if deadline else 0.0
    ledger = open_ledger()
    with connected() as bus:
        begun = submit(request, ledger(request.run), bus)
    typer.echo(f"{request.run}  {'submitted' if begun else 'finished'}")
    if wait and begun:
        raise typer.Exit(wait_for([request.run], ledger))


command.__name__ = "submit"
