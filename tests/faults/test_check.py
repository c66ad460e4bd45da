"""The check of a film finds every change of its frames, times, sound and bytes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelwright.media.picture import Picture
from tests.faults.check import FilmContent, check_film, read_film
from tests.support.clipmaker import Film, write_film
from tests.support.scenes import scene

Shots = list[tuple[Fraction, Picture]]
FRAMES = 48
RATE = Fraction(25)
TICK = Fraction(1, 1000)


def make_film(folder: Path, name: str, shots: Shots, audio: str = "aac") -> FilmContent:
    """Writes and reads a film coded without prediction, so that a changed frame changes no other frame."""
    path = folder / f"{name}.mkv"
    exact = {"fflags": "+bitexact"}  # or Matroska's muxer writes random identifiers
    write_film(path, Film(shots, rate=RATE, time_base=TICK, codec="ffv1", audio=audio, container_options=exact))
    return read_film(path)


def unchanged() -> Shots:
    """The frames of the unchanged film."""
    return [(index / RATE, scene(index)) for index in range(FRAMES)]


def dropped(shots: Shots) -> Shots:
    return shots[:20] + shots[21:]


def dropped_at_the_end(shots: Shots) -> Shots:
    return shots[:-1]


def doubled(shots: Shots) -> Shots:
    return [*shots[:21], (shots[20][0] + 20 * TICK, shots[20][1]), *shots[21:]]


def repeated_over_the_next(shots: Shots) -> Shots:
    return [*shots[:20], (shots[20][0], shots[19][1]), *shots[21:]]


def shifted(shots: Shots) -> Shots:
    return [*shots[:20], (shots[20][0] + 7 * TICK, shots[20][1]), *shots[21:]]


def shifted_from_there_on(shots: Shots) -> Shots:
    return shots[:20] + [(time + 40 * TICK, picture) for time, picture in shots[20:]]


def swapped(shots: Shots) -> Shots:
    return [*shots[:20], (shots[20][0], shots[21][1]), (shots[21][0], shots[20][1]), *shots[22:]]


def altered(shots: Shots) -> Shots:
    time, picture = shots[20]
    luma = picture.planes[0].copy()
    luma[60, 80] += np.uint8(1)
    changed = Picture(picture.pix_fmt, picture.width, picture.height, (luma, *picture.planes[1:]))
    return [*shots[:20], (time, changed), *shots[21:]]


def test_a_film_equal_to_the_reference_passes(tmp_path: Path) -> None:
    """A second copy of the reference film passes, and its frames are counted."""
    film, reference = make_film(tmp_path, "film", unchanged()), make_film(tmp_path, "reference", unchanged())
    result = check_film(film, reference, reference)
    assert (result.frames, result.lost, result.doubled, result.problems) == (FRAMES, 0, 0, [])
    assert result.identical


@pytest.mark.parametrize(
    ("change", "lost", "surplus"),
    [
        (dropped, 1, 0),
        (dropped_at_the_end, 1, 0),
        (doubled, 0, 1),
        (repeated_over_the_next, 1, 1),
        (altered, 1, 0),
        (shifted, 0, 0),
        (shifted_from_there_on, 0, 0),
        (swapped, 0, 0),
    ],
)
def test_a_changed_film_is_detected(tmp_path: Path, change: Callable[[Shots], Shots], lost: int, surplus: int) -> None:
    """A dropped, doubled, altered, shifted or swapped frame is a problem; lost and doubled frames are counted."""
    reference = make_film(tmp_path, "reference", unchanged())
    result = check_film(make_film(tmp_path, "film", change(unchanged())), reference, reference)
    assert not result.identical
    assert (result.lost, result.doubled) == (lost, surplus), result.problems


def test_missing_sound_is_detected(tmp_path: Path) -> None:
    """A film with correct frames and no sound fails the check."""
    reference = make_film(tmp_path, "reference", unchanged())
    result = check_film(make_film(tmp_path, "film", unchanged(), audio=""), reference, reference)
    assert any("sound" in problem for problem in result.problems), result.problems
    assert (result.lost, result.doubled) == (0, 0)


def test_a_frame_missing_from_film_and_reference_is_detected(tmp_path: Path) -> None:
    """A frame of the source that neither film has is lost, although the two films are equal."""
    source, both = make_film(tmp_path, "source", unchanged()), make_film(tmp_path, "both", dropped(unchanged()))
    result = check_film(both, both, source)
    assert (result.lost, result.identical) == (1, False)


def test_one_changed_byte_in_the_file_is_detected(tmp_path: Path) -> None:
    """A film with equal frames and sound fails when the file's bytes differ."""
    reference = make_film(tmp_path, "reference", unchanged())
    path = tmp_path / "reference.mkv"
    path.write_bytes(path.read_bytes() + b"\0")
    result = check_film(read_film(path), reference, reference)
    assert result.problems == ["the file's bytes differ from the reference film's"]
