"""`reelwright restore`: one film, on this machine, with no broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from reelwright.cli.probe import RECIPE_HELP, SET_HELP
from reelwright.titles.errors import Interrupted


def command(
    source: Annotated[str, typer.Argument(metavar="IN", help="The film.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where the restored film goes.")] = None,
    recipe: Annotated[str, typer.Option(help=RECIPE_HELP)] = "faithful",
    scale: Annotated[int | None, typer.Option(help="Enlargement: 2, 3 or 4.")] = None,
    profile: Annotated[str | None, typer.Option(help="web, master, hevc10, av1 or prores.")] = None,
    assign: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=SET_HELP)] = None,
    engine: Annotated[Literal["auto", "openvino", "torch"], typer.Option(help="What runs the network.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of the network; all cores if unset.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Serve Prometheus metrics on this port.")] = None,
) -> None:
    """Restore one film. Run again after an interruption, it goes on where it stopped."""
    from reelwright.cli.overrides import resolve_recipe
    from reelwright.local.job import make_job
    from reelwright.local.run import run_job

    job = make_job(source, output, resolve_recipe(recipe, assign, scale, profile), engine, threads)
    try:
        manifest = run_job(job, metrics_port)
    except KeyboardInterrupt:
        raise Interrupted("stopped; the same command goes on from the last committed segment") from None
    lost = manifest.frames_in - manifest.frames_out
    typer.echo(f"film    {job.output}  {manifest.width}x{manifest.height}, {manifest.frames_out} frames, {lost} lost")
    typer.echo(f"report  {job.report}")
    for stream in manifest.streams:
        if stream.reason:
            typer.echo(f"note    {stream.kind} stream {stream.index}: {stream.outcome}, {stream.reason}")


command.__name__ = "restore"
