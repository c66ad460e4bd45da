"""The films that the pictures are made of: real ones, and copies that are damaged in a known way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from reelwright.aging.film import age_film
from reelwright.media.picture import Picture
from tests.gallery.restored_frames import half_size, source_frames, write_clip
from tests.support.films import SHARED_CLIPS, whole_film
from tests.support.veiled_scenes import Codes

# Chaplin as he was filmed and digitised; it has no damage that is known.
CHAPLIN, SINTEL, BIKES = "chaplin", "sintel_with_14_chapters", "bikes"


@dataclass(frozen=True, slots=True)
class Clip:
    """A film and what it was before it was damaged and made smaller by two.

    Attributes:
        path: of the film.
        truth: its frames.
    """

    path: Path
    truth: list[Picture]


class Films:
    """Makes the films when they are first used.

    Args:
        folder: where they are written.

    Raises:
        FileNotFoundError: one of the shared clips is not there; all pictures were chosen for them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in (CHAPLIN, SINTEL, BIKES):
            if not (SHARED_CLIPS / f"{name}.mp4").exists():
                raise FileNotFoundError(SHARED_CLIPS / f"{name}.mp4")

    @cached_property
    def chaplin(self) -> list[Picture]:
        """The whole of `chaplin.mp4` without its borders."""
        return source_frames(whole_film(CHAPLIN))

    def aged(self, preset: str) -> Clip:
        """`chaplin.mp4` at half its size, as `reelwright age` makes it old."""
        path = self._folder / f"{preset}.mp4"
        if not path.exists():
            whole = write_clip(self._folder / "chaplin.mkv", self.chaplin)
            age_film(str(whole), path, preset, seed=0, shrink=2)
        return Clip(path, self.chaplin)

    def real(self, name: str, first: int, count: int) -> Clip:
        """Frames of a film as they are; the truth is not known."""
        path = self._folder / f"{name}-{first}.mkv"
        frames = source_frames(whole_film(name), first, count)
        return Clip(write_clip(path, frames), [])

    def damaged(self, name: str, first: int, count: int, damage: Callable[[Codes], Codes] | None = None) -> Clip:
        """Frames of a film whose luma was damaged, at half their size.

        Args:
            name: of the film.
            first: number of the first frame.
            count: number of frames.
            damage: changes luma (n, H, W) uint8; None leaves it.
        """
        truth = source_frames(whole_film(name), first, count)
        frames = truth
        if damage:
            codes = damage(np.stack([np.asarray(each.planes[0], np.uint8) for each in truth]))
            frames = [replace(each, planes=(luma, *each.planes[1:])) for each, luma in zip(truth, codes, strict=True)]
        path = self._folder / f"{name}-{first}-{len(list(self._folder.iterdir()))}.mkv"
        return Clip(write_clip(path, [half_size(each) for each in frames]), truth)
