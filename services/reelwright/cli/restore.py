"""`reelwright restore`: one film, on this machine, with no broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelwright.cli.options import EngineOption, OverwriteOption, ProfileOption, RecipeOption, ScaleOption, SetOption
from reelwright.cli.output import print_notice, print_status
from reelwright.titles.errors import Interrupted


def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The film.")],
    output: Annotated[str | None, typer.Option("-o", "--output", help="Where the restored film goes.")] = None,
    recipe: RecipeOption = "faithful",
    scale: ScaleOption = None,
    profile: ProfileOption = None,
    assign: SetOption = None,
    engine: EngineOption = "auto",
    overwrite: OverwriteOption = False,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of the network; default: all cores.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Serve Prometheus metrics on this port.")] = None,
) -> None:
    """Restore one film. After an interruption the same command goes on where it stopped."""
    from reelwright.cli.progress import ProgressDisplay
    from reelwright.ledger.damage_notes import damage_notes
    from reelwright.local.job import make_job
    from reelwright.local.run import run_job
    from reelwright.telemetry.tracing import start_tracing
    from reelwright.titles.overrides import resolve_recipe

    start_tracing("restore")
    job = make_job(
        source, output, recipe=resolve_recipe(recipe, assign, scale, profile), engine=engine, threads=threads
    )
    try:
        with ProgressDisplay(Path(source).name) as display:
            manifest = run_job(
                job, metrics_port, overwrite=overwrite, on_progress=display.update, on_wait=_print_waiting
            )
    except KeyboardInterrupt:
        raise Interrupted("stopped; the same command goes on from the last committed segment") from None
    lost = manifest.frames_in - manifest.frames_out
    print_notice(f"film    {job.output}  {manifest.width}x{manifest.height}, {manifest.frames_out} frames, {lost} lost")
    print_notice(f"report  {job.report}")
    for stream in manifest.streams:
        said = [stream.reason] if stream.reason else []
        said += [f"not kept: {', '.join(stream.not_kept)}"] if stream.not_kept else []
        if said:
            print_notice(f"note    {stream.kind} stream {stream.index}: {stream.outcome}, {'; '.join(said)}")
    # What was found in the source may be said again of the film.
    for note in dict.fromkeys((*manifest.source.notes, *damage_notes(manifest), *manifest.notes)):
        print_notice(f"note    {note}")


def _print_waiting() -> None:
    print_status("another process restores this film; waiting for it")
