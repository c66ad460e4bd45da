"""`reelwright probe`: what is in a file and what would be done to it."""

from __future__ import annotations

from typing import Annotated

import typer

from reelwright.cli.options import JsonOption, RecipeOption, SetOption


def command(
    source: Annotated[str, typer.Argument(metavar="IN", help="The film.")],
    recipe: RecipeOption = "faithful",
    assign: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is in a film and what a recipe would do to it."""
    from reelwright.media.bars import output_size
    from reelwright.media.probe import probe
    from reelwright.titles.overrides import resolve_recipe

    resolved = resolve_recipe(recipe, assign)
    info = probe(source)
    if as_json:
        typer.echo(info.model_dump_json(indent=2))
        return
    video = info.video
    width, height = output_size(video, resolved)
    typer.echo(f"{source}: {info.container}, {info.duration:.1f} s, {info.size} bytes")
    typer.echo(f"  picture   {video.codec} {video.width}x{video.height} {video.source_pix_fmt}, {video.field_order}")
    typer.echo(f"  timing    {video.average_rate} frames/s on average, about {video.frames_estimate} frames")
    typer.echo(f"  fields    {video.field_order}: {video.field_evidence}")
    if video.bars.any:
        bars = video.bars
        typer.echo(f"  bars      left {bars.left}, top {bars.top}, right {bars.right}, bottom {bars.bottom}")
    for stream in info.streams:
        typer.echo(f"  {stream.kind:<9} {stream.codec} {stream.details} {stream.language}".rstrip())
    if info.chapters:
        typer.echo(f"  chapters  {len(info.chapters)}")
    for note in info.notes:
        typer.echo(f"  note      {note}")
    typer.echo(
        f"would become {width}x{height}, {resolved.profile}, by {resolved.model}, grain kept {resolved.grain.keep:g}, "
        f"bars: {resolved.bars}, deinterlace: {resolved.deinterlace}, damage: {resolved.on_damage}"
    )
