"""Detects interlaced pictures and their field order by which fields fit together best.

A frame holds two fields: its even rows (top) and its odd rows (bottom). In interlaced video the fields were taken one
after the other, so the later field of a frame is as near in time to the next frame's earlier field as to its own
frame's. In progressive video both fields of a frame were taken at once, and the two ways to pair a field with one of
the next frame are equally far apart in time. Detail that looks like combs (credits, engravings, blinds) makes all
pairings look bad alike, and so is no evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Plane

FieldOrder = Literal["progressive", "tff", "bff", "telecine"]

# Columns that are looked at: enough to see motion anywhere, a sixth of the work of a whole HD picture.
_COLUMNS = 320
# Fewer judged pairs of frames than this are no evidence.
_MIN_JUDGED = 8
# A pairing this much worse than a frame's own is motion; less is noise (grain gives 1 to 2 %).
_MOVED = 1.03
# A pairing's comb over the frame's own is about 1 at the same distance in time and grows with the distance. In
# interlaced video the nearer pairing is as far apart as a frame's own fields and the other one three times as far, so
# near lies closer to 1 than to far. In progressive video both are one frame apart and near is as large as far: 1.4 to
# 2.1 in moving pictures, less than 0.9 where detail looks like combs.
_PROGRESSIVE_NEAR = 1.08
_LOOKS_LIKE_COMBS = 0.97
# How much better the nearer pairing must fit than the other one. Measured on motion of 0.3 to 3 samples a field,
# with and without noise: 1.04 to 2.2 for interlaced video, a median below 1.04 for progressive video.
_BETTER = 1.03
_MUCH_BETTER = 1.15
# Share of the judged pairs that must look interlaced, by what the stream says of itself.
_SHARE_FLAGGED_INTERLACED = 0.5
_SHARE_UNFLAGGED = 0.65
_SHARE_FLAGGED_PROGRESSIVE = 0.9
# Of five frames of a 2:3 pull-down two repeat a field of their neighbour and two are combed. Interlaced video repeats
# no field; a film shown with doubled frames repeats whole frames.
_TELECINE_REPEATED = (0.2, 0.6)
_TELECINE_COMBED = 0.2
# A field is a repeat where it changes this many times less than the other one (FFmpeg's idet has the same number).
_REPEAT = 3.0
# Mean change of a field, in 8-bit code values, below which nothing moves.
_STILL = 0.5
# Codecs whose bitstream says for each picture whether it is interlaced, and codecs that have progressive pictures only.
_CODECS_WITH_FLAG = {"h264", "hevc", "vvc", "mpeg2video", "mpeg4", "vc1", "wmv3", "prores", "dvvideo"}
_CODECS_WITH_FLAG |= {"mpeg1video", "vp8", "vp9", "av1", "theora", "h263", "flv1"}

_Field = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class FieldFinding:
    """What the pictures show.

    Attributes:
        order: progressive, tff (top field first), bff (bottom field first) or telecine (2:3 pull-down).
        evidence: a sentence with the counts that led to it, for people.
    """

    order: FieldOrder
    evidence: str


@dataclass(frozen=True, slots=True)
class _Fields:
    """One frame's fields.

    Attributes:
        top: even rows (rows, columns), int16 in 8-bit code values.
        bottom: odd rows, likewise.
        comb: how badly the two fit together (`_comb`).
    """

    top: _Field
    bottom: _Field
    comb: float


class FieldDetector:
    """Judges runs of consecutive frames; keeps one small frame at a time.

    Args:
        codec: FFmpeg's common name; decides whether a missing flag means progressive.
    """

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._before: _Fields | None = None
        self._frames = self._flagged = 0
        # Per judged pair: how much better the nearer pairing fits; positive for top field first. 0 for progressive.
        self._votes: list[float] = []
        self._repeated = self._combed = self._whole = self._moving = 0

    def begin_run(self) -> None:
        """The next frame does not follow the last one."""
        self._before = None

    def add(self, luma: Plane, depth: int, *, flagged: bool) -> None:
        """Judges the next frame.

        Args:
            luma: (rows, columns), uint8 or uint16 in [0, 2**depth - 1].
            depth: bits per sample.
            flagged: the stream says that the frame is interlaced.
        """
        self._frames += 1
        self._flagged += flagged
        step = max(1, luma.shape[1] // _COLUMNS)
        small = (luma[: luma.shape[0] // 2 * 2, ::step] >> (depth - 8)).astype(np.int16)
        top, bottom = np.ascontiguousarray(small[::2]), np.ascontiguousarray(small[1::2])
        fields = _Fields(top, bottom, _comb(top, bottom))
        before, self._before = self._before, fields
        if before is not None and before.top.shape == top.shape and len(top) > 1:
            self._judge(before, fields)

    def _judge(self, before: _Fields, after: _Fields) -> None:
        own = (before.comb + after.comb) / 2
        # The later field of a frame with the earlier field of the next one, for either field order.
        top_first, bottom_first = _comb(after.top, before.bottom), _comb(before.top, after.bottom)
        near, far = min(top_first, bottom_first) / own, max(top_first, bottom_first) / own
        change = [
            float(np.abs(now - then).mean()) for now, then in ((after.top, before.top), (after.bottom, before.bottom))
        ]
        if max(change) > _STILL:
            self._moving += 1
            self._repeated += max(change) > _REPEAT * min(change)
            if after.comb > _MOVED * min(top_first, bottom_first):
                self._combed += 1
            else:
                self._whole += 1
        if far >= _MOVED and near**2 <= far and far >= _BETTER * near:
            self._votes.append(far / near if top_first < bottom_first else -far / near)
        elif near >= _PROGRESSIVE_NEAR or far <= _LOOKS_LIKE_COMBS:
            self._votes.append(0.0)

    def finding(self) -> FieldFinding:
        """The field order, weighed against the stream's own flags.

        Where the pictures move too little for a decision, the flag alone counts.
        """
        votes = np.array(self._votes)
        judged, top, bottom = len(votes), int((votes > 0).sum()), int((votes < 0).sum())
        flag = self._flag()
        evidence = (
            f"{top} of {judged} moving pictures look like top field first, {bottom} like bottom field first; {flag}"
        )
        if judged < _MIN_JUDGED:
            first: FieldOrder = "bff" if self._codec == "dvvideo" else "tff"
            return FieldFinding(first if self._flagged > self._frames / 2 else "progressive", evidence)
        if self._is_telecine():
            share = round(100 * self._repeated / self._moving)
            return FieldFinding(
                "telecine", f"{share} % of the moving pictures repeat a field of the one before; {flag}"
            )
        order: FieldOrder = "tff" if top >= bottom else "bff"
        # Only one field order can be right: votes for the other one are votes against both.
        share_interlaced = (max(top, bottom) - min(top, bottom)) / judged
        strength = float(np.median(np.abs(votes[votes != 0]))) if top + bottom else 1.0
        if share_interlaced < self._needed() or (self._says_progressive() and strength < _MUCH_BETTER):
            order = "progressive"
        return FieldFinding(order, evidence)

    def _is_telecine(self) -> bool:
        if not self._moving:
            return False
        repeated, combed = self._repeated / self._moving, self._combed / self._moving
        return _TELECINE_REPEATED[0] <= repeated <= _TELECINE_REPEATED[1] and combed >= _TELECINE_COMBED

    def _says_progressive(self) -> bool:
        return not self._flagged and self._codec in _CODECS_WITH_FLAG

    def _needed(self) -> float:
        if self._says_progressive():
            return _SHARE_FLAGGED_PROGRESSIVE
        return _SHARE_FLAGGED_INTERLACED if self._flagged > self._frames / 2 else _SHARE_UNFLAGGED

    def _flag(self) -> str:
        if self._flagged:
            return f"{self._flagged} of {self._frames} are flagged interlaced"
        return "all are flagged progressive" if self._says_progressive() else f"{self._codec} carries no flag"


def _comb(top: _Field, bottom: _Field) -> float:
    """How badly two fields fit together: the mean second difference across their rows, plus one against division by 0.

    The measure is that of FFmpeg's idet filter, |a - 2b + c| over three neighbouring rows.
    """
    middle = np.abs(2 * bottom[:-1] - top[:-1] - top[1:]).mean(dtype=np.float64)
    return float(middle + np.abs(2 * top[1:] - bottom[:-1] - bottom[1:]).mean(dtype=np.float64)) + 1.0
