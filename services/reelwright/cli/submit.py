"""`reelwright submit`: sends a title to a cluster."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from reelwright.cli.options import OverwriteOption, ProfileOption, RecipeOption, ScaleOption, SetOption
from reelwright.cli.output import print_notice
from reelwright.cli.status import wait_for_runs

_ENGINE_HELP = "Words of the engine's name that the run needs, e.g. torch; any engine of the cluster if not given."
_DEADLINE_HELP = "When the film is needed: a time (2030-05-01T18:00) or a duration (2h, 1d12h)."


def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The film: a path or an s3:// URL.")],
    output: Annotated[str, typer.Option("-o", "--output", help="Where the restored film goes: a path or URL.")],
    recipe: RecipeOption = "faithful",
    scale: ScaleOption = None,
    profile: ProfileOption = None,
    assign: SetOption = None,
    priority: Annotated[
        Literal["express", "standard", "bulk"],
        typer.Option("--class", help="Priority class: its share of the workers when titles compete."),
    ] = "standard",
    deadline: Annotated[str | None, typer.Option(metavar="WHEN", help=_DEADLINE_HELP)] = None,
    engine: Annotated[str, typer.Option(metavar="WORDS", help=_ENGINE_HELP)] = "",
    overwrite: OverwriteOption = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run has ended, as `status --wait`.")] = False,
) -> None:
    """Submit a film to a cluster. The same request is the same run: submitted twice, it is restored once."""
    from reelwright.client.connection import connected, open_ledger
    from reelwright.client.request import parse_deadline, resolve_title
    from reelwright.client.submission import submit
    from reelwright.telemetry.tracing import start_tracing
    from reelwright.titles.overrides import resolve_recipe

    start_tracing("submit")
    title = resolve_title(source, output, resolve_recipe(recipe, assign, scale, profile), engine)
    due = parse_deadline(deadline) if deadline else 0.0
    request = title.request.model_copy(update={"priority_class": priority, "deadline": due, "overwrite": overwrite})
    ledger = open_ledger()
    with connected() as bus:
        begun = submit(request, ledger(request.run), bus, title.probe)
    print_notice(f"{request.run}  {'submitted' if begun else 'finished'}")
    if wait and begun:
        raise typer.Exit(wait_for_runs([request.run], ledger))
