"""Frames that repeat the one before them are found, and what follows from them is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelwright.bus.conversion import frame_from_wire, frame_to_wire
from reelwright.ledger.duplicates import duplicates_sentence, repeat_distance
from reelwright.ledger.records import SegmentPlan
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.duplicates import with_duplicates
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.titles.recipe import Recipe
from tests.support.aged_scenes import Codes, decoded, shot
from tests.support.clipmaker import Film, write_film
from tests.support.films import REAL, whole_film
from tests.support.scenes import scene

MOVING = shot(30, pan=[2.0 * index for index in range(30)]).frames
RUN = "0" * 32


def repeats(frames: Sequence[DecodedFrame]) -> list[int]:
    return [frame.index for frame in with_duplicates(frames) if frame.record.duplicate]


def slowed(frames: Codes, every: int) -> Codes:
    """Frames of which each `every`-th is shown twice."""
    return np.stack([frame for index, frame in enumerate(frames) for _ in range(1 + (index % every == every - 1))])


@pytest.mark.parametrize("crf", [18, 23, 28])
def test_known_repeats_are_found_through_a_codec(crf: int, tmp_path: Path) -> None:
    """Each repeated frame of film that H.264 compressed is found, and no other one."""
    frames = slowed(MOVING, 3)
    pictures = [Picture("gray", each.shape[1], each.shape[0], (each,)) for each in frames]
    film = tmp_path / "slowed.mkv"
    shots = [(Fraction(index, 24), picture) for index, picture in enumerate(pictures)]
    write_film(film, Film(shots, pix_fmt="yuv420p", options={"preset": "medium", "crf": str(crf), "bf": "2"}))
    assert repeats(list(FrameReader(probe(str(film)), Recipe()))) == list(range(3, 40, 4))


def test_film_without_repeats_has_none() -> None:
    """A moving shot, a still one, a grainy still one and a fade have no repeats."""
    for frames in (
        MOVING,
        shot(20).frames,
        shot(20, grain=3).frames,
        shot(30, light=np.linspace(0.2, 1, 30)).frames,
    ):
        assert repeats(decoded(frames)) == []


def test_a_small_thing_that_moves_is_no_repeat() -> None:
    """A frame in which only a small thing moved is not taken for a repeat, whatever moves in the frames around it."""
    frames = slowed(MOVING, 3)
    frames[7, 80:92, 100:112] = 255 - frames[7, 80:92, 100:112]
    assert repeats(decoded(frames)) == [index for index in range(3, 40, 4) if index != 7]


def test_repeats_in_colour_have_equal_chroma() -> None:
    """A frame with the luma of the one before and other chroma is no repeat."""
    pictures = [scene(number, "yuv420p", 64, 48) for number in range(12)]
    frames = [
        DecodedFrame(index, FrameRecord(pts=index, duration=1, shot_start=index == 0), picture)
        for index, picture in enumerate([*pictures[:6], pictures[5], *pictures[6:]])
    ]
    assert repeats(frames) == [6]
    first, blue, red = pictures[5].planes
    other = Picture("yuv420p", 64, 48, (first, np.asarray(blue // 2, np.uint8), red))
    frames[6] = DecodedFrame(6, frames[6].record, other)
    assert repeats(frames) == []


def test_changes_of_several_repeats_do_not_add_up() -> None:
    """A frame is compared with the one that is repeated, so film that drifts is no long row of repeats."""
    drifting = [np.clip(MOVING[4].astype(int) + step, 0, 255).astype(np.uint8) for step in range(6)]
    frames = np.stack([*MOVING[:4], *drifting, *MOVING[5:10]])
    assert repeats(decoded(frames)) == [5, 7, 9]


def test_a_repeat_belongs_to_its_shot() -> None:
    """The first frame of a shot repeats nothing, and the next shot's frames do not matter to the one before."""
    frames = slowed(MOVING, 3)
    found = repeats(decoded(frames, cuts=(0, 11, 20)))
    assert found == [index for index in range(3, 40, 4) if index != 11]
    alone = repeats(decoded(frames[:20], cuts=(0, 11)))
    assert alone == [index for index in found if index < 20]


def test_few_frames_are_held_back() -> None:
    """Three frames at most wait for those after them."""
    given: list[int] = []

    def source() -> Iterator[DecodedFrame]:
        for frame in decoded(MOVING):
            given.append(frame.index)
            yield frame

    for frame in with_duplicates(source()):
        assert len(given) <= frame.index + 4


def test_a_pattern_says_how_a_film_was_made() -> None:
    """Evenly spaced repeats give the rate at which the film was made; others give their number."""
    assert repeat_distance(range(3, 43, 4)) == 4
    assert repeat_distance([1, 2, 20, 33, 35, 60, 61, 90, 140, 145]) is None
    assert repeat_distance([3, 7, 11]) is None
    every = duplicates_sentence(range(3, 43, 4), 44, Fraction(24))
    assert every == (
        "10 of 44 frames repeat the one before, every 4th: the film was made at about 18.0 frames per second."
    )
    mixed = [index for start in range(0, 60, 7) for index in (start + 2, start + 6)]
    assert "about every 4th: the film was made at about 17.9" in duplicates_sentence(mixed, 63, Fraction(25))
    assert duplicates_sentence([5], 44, Fraction(24)) == "1 of 44 frames repeat the one before, without a pattern."


def test_repeats_of_real_films() -> None:
    """A film of the 1910s has been given more frames per second than it was made with; a film of today has not."""
    known = {"chaplin": "about every 3rd: the film was made at about 17.0", "bikes": ""}
    for name in REAL:
        film = whole_film(name)
        if film.stem not in known:
            continue
        info = probe(str(film))
        found = repeats(list(FrameReader(info, Recipe())))
        expected = known[film.stem]
        assert bool(found) == bool(expected)
        assert not found or expected in duplicates_sentence(found, 241, info.video.average_rate)


def test_the_mark_travels_with_the_frame() -> None:
    """A frame's mark is the same after the wire, and a message without it has none."""
    marked = FrameRecord(pts=1, duration=1, duplicate=True)
    assert frame_from_wire(frame_to_wire(marked)) == marked
    message = frame_to_wire(marked)
    message.ClearField("duplicate")
    assert not frame_from_wire(message).duplicate


def test_a_plan_of_an_earlier_version_is_continued(tmp_path: Path) -> None:
    """A run whose plan has no marks, because an earlier version wrote it, goes on."""
    ledger = RunLedger(str(tmp_path), RUN)
    frames = (FrameRecord(pts=0, duration=1, shot_start=True), FrameRecord(pts=1, duration=1))
    plan = SegmentPlan(segment=0, first_frame=0, frames=frames, source_digest="0" * 64)
    ledger.put_plan(plan)
    marked = (frames[0], frames[1].model_copy(update={"duplicate": True}))
    ledger.put_plan(plan.model_copy(update={"frames": marked}))
    assert ledger.plan(0) == plan
