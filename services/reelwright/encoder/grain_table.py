"""Leaves the grain of an encoded segment to the player (recipe: `grain.mode: table`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reelwright.ledger.records import TitleRecord
from reelwright.media.av1_film_grain import write_film_grain
from reelwright.media.bars import black_level
from reelwright.media.film_grain_fit import GrainyFrame, film_grain_of
from reelwright.titles.identity import grain_seed


def write_grain_table(path: Path, title: TitleRecord, frames: Sequence[GrainyFrame], first_frame: int) -> None:
    """Writes into a segment by which parameters players make its grain.

    Args:
        path: the segment, as `SegmentEncoder` wrote it; it is replaced.
        title: the ledger's record of the title.
        frames: of the segment, in order of display.
        first_frame: number of the first of them in the title.

    Raises:
        InternalError: see `write_film_grain`.
        OutputError: the file cannot be written.
    """
    recipe = title.request.recipe
    grains = film_grain_of(
        frames,
        recipe.scale,
        seed=grain_seed(title.request.fingerprint),
        first_frame=first_frame,
        black=black_level(title.source.video, recipe),
    )
    write_film_grain(path, grains)
