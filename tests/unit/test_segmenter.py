"""Segments and batches are a pure function of the frames."""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reelwright.decoder.segmenter import (
    FIRST_SEGMENT_MAX_FRAMES,
    SEGMENT_MAX_BYTES,
    SEGMENT_MIN_FRAMES,
    BatchFrames,
    batches,
    lengths,
)
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.picture import Picture

PICTURE = Picture("gray", 2, 2, (np.zeros((2, 2), np.uint8),))
CUTS = st.lists(st.booleans(), min_size=1, max_size=300)


def film(cuts: list[bool]) -> list[DecodedFrame]:
    records = [FrameRecord(pts=i * 10, duration=10, shot_start=i == 0 or cut) for i, cut in enumerate(cuts)]
    return [DecodedFrame(i, record, PICTURE) for i, record in enumerate(records)]


def segments(cuts: list[bool], longest: int = 48, batch: int = 4) -> list[list[BatchFrames]]:
    return [list(group) for _, group in groupby(batches(film(cuts), longest, batch), key=lambda b: b.segment)]


@given(CUTS, st.integers(2, 60), st.integers(1, 6))
def test_every_frame_is_in_exactly_one_batch_in_order(cuts: list[bool], longest: int, batch: int) -> None:
    """Joined again, the batches are the film."""
    joined = [frame.index for part in batches(film(cuts), longest, batch) for frame in part.frames]
    assert joined == list(range(len(cuts)))


@given(CUTS, st.integers(2, 60), st.integers(1, 6))
def test_only_the_last_batch_of_a_segment_says_so(cuts: list[bool], longest: int, batch: int) -> None:
    """A reader knows a segment's end from its batches alone."""
    for number, segment in enumerate(segments(cuts, longest, batch)):
        assert [part.last for part in segment] == [False] * (len(segment) - 1) + [True]
        assert [part.number for part in segment] == list(range(len(segment)))
        assert {part.segment for part in segment} == {number}


@given(CUTS)
def test_a_segment_ends_at_a_cut_or_at_its_greatest_length(cuts: list[bool]) -> None:
    """No segment ends in the middle of a shot unless it is as long as it may be."""
    found = segments(cuts)
    for number, (segment, following) in enumerate(pairwise(found)):
        frames = sum(len(part.frames) for part in segment)
        longest = FIRST_SEGMENT_MAX_FRAMES if number == 0 else 48
        at_cut = following[0].frames[0].record.shot_start and frames >= SEGMENT_MIN_FRAMES
        assert frames == longest or (at_cut and frames < longest)


@given(CUTS, st.integers(2, 60), st.integers(1, 6), st.integers(0, 2))
def test_halo_frames_are_the_neighbours_of_a_batch_within_its_shots(
    cuts: list[bool], longest: int, batch: int, halo: int
) -> None:
    """Before and after a batch lie the frames next to it, as many as asked, and never those of another shot."""
    shots = np.cumsum([i == 0 or cut for i, cut in enumerate(cuts)])
    for part in batches(film(cuts), longest, batch, halo):
        first, last = part.frames[0].index, part.frames[-1].index
        before = [i for i in range(max(0, first - halo), first) if shots[i] == shots[first]]
        after = [i for i in range(last + 1, min(len(cuts), last + 1 + halo)) if shots[i] == shots[last]]
        assert [frame.index for frame in part.before] == before
        assert [frame.index for frame in part.after] == after


@given(CUTS, st.integers(2, 60), st.integers(1, 6))
def test_halo_frames_move_no_batch(cuts: list[bool], longest: int, batch: int) -> None:
    """With and without halo frames the same frames are in the same batches and segments."""
    plain, with_halo = (
        [(part.segment, part.number, part.frames, part.last) for part in batches(film(cuts), longest, batch, halo)]
        for halo in (0, 2)
    )
    assert plain == with_halo


@given(CUTS)
def test_every_shot_has_a_preview(cuts: list[bool]) -> None:
    """The report can show each shot."""
    shots = 0
    shown = set()
    for part in batches(film(cuts), 48, 4):
        for frame in part.frames:
            shots += frame.record.shot_start
            if frame.record.preview:
                shown.add(shots)
    assert shown == set(range(1, shots + 1))


def test_large_frames_make_short_segments() -> None:
    """The bytes of a segment are bounded, whatever the size of a frame."""
    out = 3840 * 2160 * 3
    segment, batch = lengths(out // 4, out)
    assert segment * (out // 4 + out) <= SEGMENT_MAX_BYTES
    assert batch == 4
    assert lengths(480 * 360 * 3 // 2, 960 * 720 * 3 // 2) == (48, 12)
