"""The checker finds what is wrong with a film, by the film alone."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelwright.media.picture import Picture
from tests.faults.check import Seen, judge, look
from tests.support.clipmaker import Film, write
from tests.support.scenes import scene

Shots = list[tuple[Fraction, Picture]]
FRAMES = 48
RATE = Fraction(25)
TICK = Fraction(1, 1000)


def filmed(folder: Path, name: str, shots: Shots, audio: str = "aac") -> Seen:
    """A film in which each frame stands for itself, so that only what was doctored differs."""
    path = folder / f"{name}.mkv"
    exact = {"fflags": "+bitexact"}  # or Matroska's muxer writes random identifiers
    write(path, Film(shots, rate=RATE, time_base=TICK, codec="ffv1", audio=audio, container_options=exact))
    return look(path)


def whole() -> Shots:
    """The film as it should be."""
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


def test_a_film_as_it_should_be_has_nothing_wrong(tmp_path: Path) -> None:
    """The undisturbed film itself, made twice, passes with every frame counted."""
    film, undisturbed = filmed(tmp_path, "film", whole()), filmed(tmp_path, "undisturbed", whole())
    verdict = judge(film, undisturbed, undisturbed)
    assert (verdict.frames, verdict.lost, verdict.doubled, verdict.faults) == (FRAMES, 0, 0, [])
    assert verdict.identical


@pytest.mark.parametrize(
    ("doctor", "lost", "twice"),
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
def test_a_doctored_film_is_caught(tmp_path: Path, doctor: Callable[[Shots], Shots], lost: int, twice: int) -> None:
    """A dropped, doubled, altered, shifted or swapped frame is told, and frames lost and doubled are counted."""
    undisturbed = filmed(tmp_path, "undisturbed", whole())
    verdict = judge(filmed(tmp_path, "film", doctor(whole())), undisturbed, undisturbed)
    assert not verdict.identical
    assert (verdict.lost, verdict.doubled) == (lost, twice), verdict.faults


def test_missing_sound_is_caught(tmp_path: Path) -> None:
    """A film whose every frame is right but whose sound is gone does not pass."""
    undisturbed = filmed(tmp_path, "undisturbed", whole())
    verdict = judge(filmed(tmp_path, "film", whole(), audio=""), undisturbed, undisturbed)
    assert any("sound" in fault for fault in verdict.faults), verdict.faults
    assert (verdict.lost, verdict.doubled) == (0, 0)


def test_a_loss_that_the_undisturbed_film_shares_is_caught(tmp_path: Path) -> None:
    """A frame of the source that no restoration has is a frame lost, though both films are the same."""
    source, both = filmed(tmp_path, "source", whole()), filmed(tmp_path, "both", dropped(whole()))
    verdict = judge(both, both, source)
    assert (verdict.lost, verdict.identical) == (1, False)


def test_one_changed_byte_in_the_file_is_caught(tmp_path: Path) -> None:
    """A film that plays the same but is not the same file does not pass."""
    undisturbed = filmed(tmp_path, "undisturbed", whole())
    path = tmp_path / "undisturbed.mkv"
    path.write_bytes(path.read_bytes() + b"\0")
    verdict = judge(look(path), undisturbed, undisturbed)
    assert verdict.faults == ["the file's bytes differ from the undisturbed film's"]
