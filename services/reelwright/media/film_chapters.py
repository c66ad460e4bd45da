"""The film's chapters: those of the source that begin before the film ends."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from av.container import OutputContainer

from reelwright.media.profiles import ProfileSpec
from reelwright.media.source_info import Chapter, SourceInfo

if TYPE_CHECKING:
    # PyAV has this type in its stubs only.
    from av.container.core import Chapter as ContainerChapter

_UNIT = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class FilmChapters:
    """The chapters that a film has.

    Attributes:
        chapters: with the source's times.
        left_out: number of the source's chapters that begin after the film's end.
        shift: seconds from the source's time to the film's.
    """

    chapters: tuple[Chapter, ...]
    left_out: int
    shift: Fraction

    @staticmethod
    def of(source: SourceInfo, shift: Fraction) -> FilmChapters:
        """The source's chapters that begin before the film ends. A later one would make a player show a longer film.

        All of them, if the source has no known duration.
        """
        length = Fraction(source.duration)
        end = source.video.start_pts * source.video.time_base + shift + length if length else Fraction(0)
        kept = tuple(chapter for chapter in source.chapters if not end or Fraction(chapter.start) + shift < end)
        return FilmChapters(kept, len(source.chapters) - len(kept), shift)

    def write(self, film: OutputContainer) -> None:
        """Sets the chapters of a film whose header is not written yet."""
        chapters: list[ContainerChapter] = [
            {
                "id": number,
                "start": round((chapter.start + self.shift) / _UNIT),
                "end": round((chapter.end + self.shift) / _UNIT),
                "time_base": _UNIT,
                "metadata": {"title": chapter.title} if chapter.title else {},
            }
            for number, chapter in enumerate(self.chapters, 1)
        ]
        film.set_chapters(chapters)

    def notes(self, spec: ProfileSpec) -> list[str]:
        """Sentences for the person: which chapters differ from the source's, in a film of this profile."""
        notes = []
        if self.left_out:
            notes.append(f"{self.left_out} chapters begin after the film's end and are left out")
        ordered = sorted(self.chapters, key=lambda chapter: Fraction(chapter.start))
        overlap = any(Fraction(one.end) > Fraction(following.start) for one, following in pairwise(ordered))
        if overlap and spec.container != "matroska":
            notes.append(f"chapters overlap; in {spec.suffix[1:]} files each ends where the next begins")
        return notes
