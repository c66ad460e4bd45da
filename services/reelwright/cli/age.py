"""`reelwright age`: makes a clean film look old, so that a restoration can be compared with the original."""

from __future__ import annotations

from typing import Annotated

import typer

from reelwright.cli.interrupts import check_interrupted, interruptible
from reelwright.cli.output import print_notice


def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A clean film.")],
    output: Annotated[str, typer.Option("-o", "--output", help="Where the aged film goes (.mp4).")],
    preset: Annotated[str, typer.Option(help="print-1940, print-1910 or tv-1970.")] = "print-1940",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random damage.")] = 0,
    shrink: Annotated[int, typer.Option(min=1, max=4, help="Divides width and height.")] = 2,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file at the output.")] = False,
) -> None:
    """Make a clean film look like an old print."""
    from reelwright.aging.film import age_film
    from reelwright.store.location import local_path

    path = local_path(output, "copy the aged film to the store afterwards")
    with interruptible("stopped; no film was written"):
        frames = age_film(
            source, path, preset, seed=seed, shrink=shrink, overwrite=overwrite, on_frame=check_interrupted
        )
    print_notice(f"aged    {output}  {frames} frames, {preset}")
