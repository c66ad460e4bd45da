"""`reelwright probe`: what is in a file and what would be done to it."""

from __future__ import annotations

from typing import Annotated

import typer

from reelwright.cli.options import JsonOption, RecipeOption, SetOption
from reelwright.cli.output import print_result


def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The film.")],
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
        print_result(info.model_dump_json(indent=2))
        return
    video = info.video
    width, height = output_size(video, resolved)
    print_result(f"{source}: {info.container}, {info.duration:.1f} s, {info.size} bytes")
    print_result(f"  picture   {video.codec} {video.width}x{video.height} {video.source_pix_fmt}, {video.field_order}")
    rate = f"{video.average_rate.numerator}/{video.average_rate.denominator}"
    print_result(f"  timing    {rate} frames/s on average, about {video.frames_estimate} frames")
    print_result(f"  fields    {video.field_order}: {video.field_evidence}")
    if video.bars.any:
        bars = video.bars
        print_result(f"  bars      left {bars.left}, top {bars.top}, right {bars.right}, bottom {bars.bottom}")
    for stream in info.streams:
        print_result(f"  {stream.kind:<9} {stream.codec} {stream.details} {stream.language}".rstrip())
    if info.chapters:
        print_result(f"  chapters  {len(info.chapters)}")
    for note in info.notes:
        print_result(f"  note      {note}")
    print_result(
        f"would become {width}x{height}, {resolved.profile}, by {resolved.model}, grain kept {resolved.grain.keep:g} "
        f"({resolved.grain.mode}), "
        f"bars: {resolved.bars}, deinterlace: {resolved.deinterlace}, damage: {resolved.on_damage}"
    )
