"""Finds the frame of each shot of a batch that departs most from its source."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright.media.picture import Picture
from reelwright.media.worst_frame import STRIP_REACH, WorstFrame, cropped, fullest_part
from reelwright.restoration.restore import RestoredFrame


def worst_frames(
    pictures: Sequence[Picture], before: int, shot_starts: Sequence[bool], restored: Sequence[RestoredFrame]
) -> dict[int, WorstFrame]:
    """The worst frame of each shot of a batch, by its index in the batch.

    Args:
        pictures: the source's, those of the halo frames before and after among them.
        before: number of halo frames before the batch's own.
        shot_starts: of each of its own frames, whether a shot starts there.
        restored: those frames, restored; none is returned of a shot in which a frame was not measured.
    """
    shots: list[list[int]] = []
    for index, starts in enumerate(shot_starts):
        if starts or not shots:
            shots.append([])
        shots[-1].append(index)
    measured = [found.fidelity.departure if found.fidelity else None for found in restored]
    worst = {}
    for shot in shots:
        departures = [found for index in shot if (found := measured[index]) is not None]
        if len(departures) == len(shot):
            # Of equal frames the first one counts, as in the manifest.
            index = shot[departures.index(max(departures))]
            worst[index] = shown_frame(pictures, before, shot_starts, index=index, restored=restored[index])
    return worst


def shown_frame(
    pictures: Sequence[Picture], before: int, shot_starts: Sequence[bool], *, index: int, restored: RestoredFrame
) -> WorstFrame:
    """A frame of a batch as the report shows it, with the frames of its shot around it.

    Args:
        pictures: as of `worst_frames`.
        before: the same.
        shot_starts: the same.
        index: of the frame in the batch.
        restored: the frame, restored.
    """
    place, starts = before + index, [*([False] * before), *shot_starts, *([False] * len(pictures))]
    first = place
    while first > max(0, place - STRIP_REACH) and not starts[first]:
        first -= 1
    last = place
    while last < min(len(pictures) - 1, place + STRIP_REACH) and not starts[last + 1]:
        last += 1
    picture = pictures[place]
    assert restored.departure is not None, "a frame that was measured has it"
    crop = fullest_part(restored.departure, picture.width, picture.height)
    crops = tuple(cropped(each, crop, 1) for each in pictures[first : last + 1])
    return WorstFrame(picture, crop, place - first, crops, restored.mask)
