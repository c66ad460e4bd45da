"""Two films of one source, compared shot by shot by what their manifests say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reelwright.ledger.manifest import Manifest
from reelwright.ledger.shot_fidelity import ShotFidelity
from reelwright.titles.errors import InputError


@dataclass(frozen=True, slots=True)
class ComparedShot:
    """A shot in both films.

    Attributes:
        number: of the shot, from 1.
        first_frame: index of its first frame.
        frames: how many frames it has.
        one: what was measured in the first film.
        other: what was measured in the second film.
    """

    number: int
    first_frame: int
    frames: int
    one: ShotFidelity
    other: ShotFidelity

    @property
    def further(self) -> float:
        """By how many levels the second film's worst frame departs further from the source than the first one's."""
        return round(self.other.worst - self.one.worst, 3)


def compare(one: Manifest, other: Manifest) -> list[ComparedShot]:
    """The shots of two films.

    Raises:
        InputError: they are of different sources, were cut into different shots, or one was not measured.
    """
    if one.source_fingerprint != other.source_fingerprint:
        raise InputError("made from another source", other.film, f"give a film of the source of {one.film}")
    cuts = ([(shot.first_frame, shot.frames) for shot in film.shots] for film in (one, other))
    if next(cuts) != next(cuts):
        raise InputError(f"cut into other shots than {one.film}", other.film, "restore both with one version")
    return list(_shots(one, other))


def _shots(one: Manifest, other: Manifest) -> Iterator[ComparedShot]:
    for number, (shot, twin) in enumerate(zip(one.shots, other.shots, strict=True), 1):
        for film, found in ((one, shot.fidelity), (other, twin.fidelity)):
            if found is None:
                raise InputError(f"shot {number} was not measured", film.film, "restore the film with this version")
        assert shot.fidelity is not None, "checked above"
        assert twin.fidelity is not None, "checked above"
        yield ComparedShot(number, shot.first_frame, shot.frames, shot.fidelity, twin.fidelity)
