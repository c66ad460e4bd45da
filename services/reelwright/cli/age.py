"""`reelwright age`: makes a clean film look old, so that anyone can see a before, an after and the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    source: Annotated[str, typer.Argument(metavar="IN", help="A clean film.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the aged film goes (.mp4).")],
    preset: Annotated[str, typer.Option(help="print-1940, print-1910 or tv-1970.")] = "print-1940",
    seed: Annotated[int, typer.Option(min=0, help="Which copy of the film: other dust, other grain.")] = 0,
    shrink: Annotated[int, typer.Option(min=1, max=4, help="Divides width and height.")] = 2,
) -> None:
    """Make a clean film look like an old print."""
    from reelwright.aging.film import age_film

    frames = age_film(source, output, preset, seed, shrink)
    typer.echo(f"aged    {output}  {frames} frames, {preset}")


command.__name__ = "age"
