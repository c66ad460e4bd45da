"""The frames in which two films of one source differ most, of the shots in which they do."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.ledger.shown_frame import ShownFrame
from reelwright.ledger.shown_frame_coding import code_shown_frame
from reelwright.media.jpeg import PREVIEW_WIDTH, jpeg
from reelwright.media.picture import Picture, eight_bits
from reelwright.media.source_info import ColourInfo
from reelwright.media.worst_frame import STRIP_REACH, Crop, cropped, fullest_part

MARKED_LEVELS = 4
"""By so many levels of 255 or more the films differ where the report marks it."""
_BRIGHTER, _DARKER = 1, 2
_BLOCK = 16


class FramePair(NamedTuple):
    """A frame of two films.

    Attributes:
        frame: its index.
        one: its picture in the first film, without bars.
        other: the same in the second film.
    """

    frame: int
    one: Picture
    other: Picture


@dataclass(slots=True)
class _Differing:
    """The frame of a shot in which the films differ most so far, and what is shown of it and those around it."""

    pair: FramePair
    difference: float
    levels: NDArray[np.int16]
    crop: Crop
    frames: list[int] = field(default_factory=list)
    ones: list[Picture] = field(default_factory=list)
    others: list[Picture] = field(default_factory=list)


class ComparedFrames:
    """Keeps of each shot the frame in which two films differ most: the root mean square of their luma's difference.

    Luma is made as small as the source's, so that films of any scale can be compared. Two pairs of frames are held
    beside one candidate, and of the shots that differ most so far what is shown of them.

    Args:
        colour: of the films.
        width: of the source without its bars.
        height: the same.
        most: number of shots that are kept.
    """

    def __init__(self, colour: ColourInfo, width: int, height: int, most: int) -> None:
        self._colour, self._width, self._height, self._most = colour, width, height, most
        self._recent: deque[FramePair] = deque(maxlen=STRIP_REACH)
        self._best: _Differing | None = None
        self._shots: list[tuple[float, int, int, ShownFrame]] = []

    def add(self, pair: FramePair) -> None:
        """Adds the shot's next frame."""
        if self._best is not None and pair.frame <= self._best.pair.frame + STRIP_REACH:
            self._add_to_strip(self._best, pair)
        levels = cv2.subtract(self._luma(pair.other), self._luma(pair.one), dtype=cv2.CV_16S)
        difference = float((cv2.norm(levels, cv2.NORM_L2SQR) / levels.size) ** 0.5)
        if difference > (0.0 if self._best is None else self._best.difference):
            squares = cv2.multiply(levels, levels, dtype=cv2.CV_32F)
            blocks = (max(1, self._width // _BLOCK), max(1, self._height // _BLOCK))
            found = np.asarray(cv2.resize(squares, blocks, interpolation=cv2.INTER_AREA), np.float32)
            crop = fullest_part(found, self._width, self._height)
            self._best = _Differing(pair, difference, np.asarray(levels, np.int16), crop)
            for each in (*self._recent, pair):
                self._add_to_strip(self._best, each)
        self._recent.append(pair)

    def end(self, shot: int) -> None:
        """Ends a shot, whose index this is."""
        best = self._best
        if best is not None:
            known = (-best.difference, shot)
            self._shots = sorted([*self._shots, (*known, best.pair.frame, self._shown(best))])[: self._most]
        self._best = None
        self._recent.clear()

    def shots(self) -> dict[int, tuple[int, ShownFrame]]:
        """By the index of a shot, those first that differ most: the frame, and what is shown; A is before, B after."""
        return {shot: (frame, shown) for _, shot, frame, shown in self._shots}

    def _luma(self, picture: Picture) -> cv2.typing.MatLike:
        codes = eight_bits(picture.planes[0], picture.format.depth)
        return cv2.resize(codes, (self._width, self._height), interpolation=cv2.INTER_AREA)

    def _add_to_strip(self, best: _Differing, pair: FramePair) -> None:
        best.frames.append(pair.frame)
        for crops, picture in ((best.ones, pair.one), (best.others, pair.other)):
            crops.append(cropped(picture, best.crop, picture.width // self._width))

    def _shown(self, best: _Differing) -> ShownFrame:
        mask = np.zeros(best.levels.shape, np.uint8)
        mask[best.levels >= MARKED_LEVELS] = _BRIGHTER
        mask[best.levels <= -MARKED_LEVELS] = _DARKER
        return code_shown_frame(
            self._colour,
            best.frames,
            before=best.pair.one,
            after=jpeg(best.pair.other, self._colour, PREVIEW_WIDTH),
            mask=mask,
            strips=(best.ones, best.others),
        )
