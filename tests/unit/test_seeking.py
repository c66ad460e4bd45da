"""A reading that begins at a shot finds in the segments behind it what a reading from the start finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.decoder.look_ahead import look_ahead
from reelwright.decoder.segmenter import BatchFrames, batches
from reelwright.decoder.tone_curves import with_tone
from reelwright.media.duplicates import with_duplicates
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.picture import Picture
from reelwright.media.shots import with_shots
from reelwright.titles.recipe import Recipe, Tone
from tests.support.scenes import SHOT_FRAMES, scene

STEADY = Recipe(deflicker="on", stabilise="on", tone=Tone(glare=0.5, shadows=0.5))
# Of a size at which the look-ahead reaches 8 frames only, so that there are borders of its reach in short shots.
FRAME_BYTES = 16 << 20


@st.composite
def films(draw: st.DrawFn) -> list[Picture]:
    """Shots of any length with grain, some frames of which repeat the one before or are lit by a flash."""
    pictures: list[Picture] = []
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    for number, length in enumerate(draw(st.lists(st.integers(1, 60), min_size=2, max_size=6))):
        flashes = draw(st.sets(st.integers(0, length - 1), max_size=6))
        repeats = draw(st.sets(st.integers(1, length), max_size=6))
        for index in range(length):
            if index in repeats:
                pictures.append(pictures[-1])
                continue
            still = scene(number * SHOT_FRAMES + index % SHOT_FRAMES, "gray", 64, 48).planes[0]
            grainy = still + rng.normal(0, 3, still.shape) + (90 if index in flashes else 0)
            pictures.append(Picture("gray", 64, 48, (np.clip(np.rint(grainy), 0, 255).astype(np.uint8),)))
    return pictures


def planned(
    pictures: Sequence[Picture], first: int = 0, segment: int = 0, in_segment: int = 0
) -> Iterator[BatchFrames]:
    """The batches of a film of which the frames from `first` on are read."""
    shots = with_shots((index, picture) for index, picture in enumerate(pictures[first:], first))
    frames = (
        DecodedFrame(index, FrameRecord(pts=index, duration=1, shot_start=starts), pictures[index])
        for index, starts in shots
    )
    steadied = look_ahead(with_duplicates(frames), STEADY, FRAME_BYTES, full_range=False)
    toned = with_tone(steadied, STEADY, FRAME_BYTES, full_range=False)
    return batches(toned, 48, 12, 2, segment=segment, in_segment=in_segment)


@settings(max_examples=25, deadline=None)
@given(films())
def test_a_reading_may_begin_at_any_shot(pictures: list[Picture]) -> None:
    """Batches, halo frames, shots, repeats, corrections, tone and crops are the same as in a reading from the start."""
    whole = list(planned(pictures))
    firsts = {batch.segment: batch.frames[0].index for batch in reversed(whole)}
    for batch in whole:
        for frame in batch.frames:
            if frame.record.shot_start and frame.index:
                found = planned(pictures, frame.index, batch.segment, frame.index - firsts[batch.segment])
                begun = next((number for number in sorted(firsts) if firsts[number] >= frame.index), len(firsts))
                assert [each for each in found if each.segment >= begun] == [
                    each for each in whole if each.segment >= begun
                ]
