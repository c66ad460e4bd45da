"""Finds flicker of parts of the picture: how to even it out before the light of the whole picture is.

Along a shot each term of the field of light is a path. Where its changes have no evidence of flicker
(`flicker_evidence`), nothing is corrected at all. The field is one of gains, or of offsets where the frames around
are explained much better by them, as where a veil, fog or a light leak flickers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reelwright.media.cell_fit import MIDDLE, UNIT, FieldFit
from reelwright.media.flicker_evidence import LEAST_CHANGES, Evidence, Numbers, evidence, usual_change
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.light_field import TERMS
from reelwright.media.local_light import LocalChange, local_change
from reelwright.media.registration import SmallLuma, small_luma

# Frames after a frame that decide on it, fewer for large frames, which wait in memory meanwhile; and frames before it,
# of which the numbers alone are kept. The scene's path is smoothed over `_MOST_REACH` frames on either side.
_MOST_REACH, _LEAST_REACH, _BEFORE = 24, 8, 48
_HELD_BYTES = 64 << 20
# A change of so many standard deviations is the scene's, as a flash is: the path before is another one. No change below
# the first share of the light is, and every one above the second, which no correction exceeds.
_FLASH, _LEAST_FLASH, _MOST_FLICKER = 5.0, 0.01, 0.15
# So is a change by this share of it if the means of so many frames before and after differ by half as much: a lamp is
# switched on, while flicker turns back.
_SWITCHED, _BESIDE = 0.6, 4
# By so many standard deviations adjacent changes are opposite by chance.
_CHANCE = 0.7
# Flicker that is not seen: standard deviation of a term.
_UNSEEN = 0.0015
# Over so many frames the random walk is measured; it is at least this share of the flicker's variance.
_WALK_FRAMES, _LEAST_WALK = 16, 0.01
# Offsets take the place of gains if they leave less than this share of their squares. Where nothing flickers, or both
# do, they leave about as much.
BETTER = 0.7
NO_GAINS = (0.0,) * TERMS
_DIGITS, _OFFSET_DIGITS = 5, 6


@dataclass(frozen=True, slots=True)
class LocalFlicker:
    """What is found of a frame.

    Attributes:
        frame: the frame.
        small: its reduced luma.
        gains: of the terms of `light_field.gains`; all 0 where nothing is corrected, or offsets are added.
        offsets: of the terms of `light_field.offsets`; none where nothing is added.
    """

    frame: DecodedFrame
    small: SmallLuma
    gains: tuple[float, ...] = NO_GAINS
    offsets: tuple[float, ...] = ()


def local_flicker(frames: Iterable[DecodedFrame], frame_bytes: int, *, black: int) -> Iterator[LocalFlicker]:
    """Yields the frames with what evens out the light of their parts.

    Args:
        frames: in presentation order.
        frame_bytes: size of a picture; about 64 MiB of pictures are held, but at least 8 pictures.
        black: level of black, in 8-bit levels.
    """
    reach = max(_LEAST_REACH, min(_MOST_REACH, _HELD_BYTES // frame_bytes))
    part, last = _Part(reach), None
    for frame in frames:
        small = small_luma(frame.picture)
        change = None if last is None or frame.record.shot_start else local_change(last, small, black=black)
        if change is None:
            yield from part.rest()
            part = _Part(reach)
        part.add(frame, small, change)
        yield from part.ready()
        last = small
    yield from part.rest()


class _Part:
    """Frames in a row that were compared: a shot, or a part of one."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._held: deque[tuple[DecodedFrame, SmallLuma]] = deque()
        # Of each frame the change since the one before, and its variances.
        self._changes: deque[LocalChange | None] = deque()
        # Numbers in the part: of the first of `_changes`, and of the next frame to be yielded.
        self._first = self._next = 0

    def add(self, frame: DecodedFrame, small: SmallLuma, change: LocalChange | None) -> None:
        """Adds a frame. The first one has no change."""
        self._held.append((frame, small))
        self._changes.append(change)

    def ready(self) -> Iterator[LocalFlicker]:
        """The frames that have all frames within reach."""
        while len(self._held) > self._reach:
            yield self._judged()

    def rest(self) -> Iterator[LocalFlicker]:
        """The other frames, as the part ends here."""
        while self._held:
            yield self._judged()

    def _judged(self) -> LocalFlicker:
        while self._first < self._next - _BEFORE:
            self._changes.popleft()
            self._first += 1
        within = [change for change in self._changes if change is not None]
        # Changes before the frame: that of the part's first frame is none.
        before = self._next - self._first + (self._first > 0)
        self._next += 1
        frame, small = self._held.popleft()
        if len(within) < LEAST_CHANGES:
            return LocalFlicker(frame, small)
        gains, offsets = [each.gain for each in within], [each.offset for each in within]
        if _left(offsets) >= BETTER * _left(gains):
            return LocalFlicker(frame, small, gains=_corrections(gains, before))
        found = _corrections(offsets, before)
        shares = tuple(round(each * MIDDLE / 255, _OFFSET_DIGITS) + 0.0 for each in found)
        return LocalFlicker(frame, small, offsets=shares if any(shares) else ())


def _left(fits: Sequence[FieldFit]) -> float:
    return math.fsum(each.left for each in fits)


def _corrections(fits: Sequence[FieldFit], before: int) -> tuple[float, ...]:
    """The correction of each term."""
    paths = np.stack([each.terms for each in fits]).T
    noise = [math.fsum(term) / len(fits) for term in zip(*(each.variances for each in fits), strict=True)]
    return tuple(correction(path, before, error) for path, error in zip(paths, noise, strict=True))


def flicker_of(changes: Sequence[LocalChange]) -> float | None:
    """How much parts of a picture flicker: standard deviation over the picture and the frames, as a share of the light.

    Args:
        changes: from frame to frame, of frames in a row.

    Returns:
        What is beyond the error of the measurement; None for fewer than seven changes.
    """
    if len(changes) < LEAST_CHANGES:
        return None
    squares = 0.0
    for term, path in enumerate(np.stack([each.gain.terms for each in changes]).T):
        noise = math.fsum(each.gain.variances[term] for each in changes) / len(changes)
        # As in `correction`.
        squares += max(0.0, evidence(path, _largest(path)).flicker - noise / 2)
    return math.sqrt(squares) / UNIT


def correction(changes: Numbers, before: int, noise: float) -> float:
    """What is added to a path at a frame to take its flicker away.

    Args:
        changes: int64, from frame to frame, in millionths.
        before: how many of them come before the frame.
        noise: variance of a measured change, squared millionths.

    Returns:
        The correction as a share, -0.15 to 0.15; 0 where no flicker is found.
    """
    largest = _largest(changes)
    found = evidence(changes, largest)
    # Of two measured changes that adjoin, the errors of the picture between them are opposite.
    unseen = (_UNSEEN * UNIT) ** 2 + noise / 2
    share = found.certain(_CHANCE) * max(0.0, 1 - unseen / found.flicker) if found.flicker else 0.0
    if not share:
        return 0.0
    path = np.concatenate([[0], np.cumsum(changes)])
    first, last = _same_light(path, before, largest)
    if last - first < 2:
        return 0.0
    walk = _walk(np.clip(changes, -largest, largest), noise, found) / found.flicker
    change = share * _smooth(path[first : last + 1], before - first, walk) / UNIT
    return round(min(max(change, -_MOST_FLICKER), _MOST_FLICKER), _DIGITS) + 0.0


def _largest(changes: Numbers) -> int:
    """The largest change that is not the scene's."""
    return min(max(usual_change(changes, _FLASH), round(_LEAST_FLASH * UNIT)), round(_MOST_FLICKER * UNIT))


def _walk(changes: Numbers, noise: float, found: Evidence) -> float:
    """Variance of the scene's steps."""
    count = len(changes)
    path = np.concatenate([[0], np.cumsum(changes)])
    frames = min(_WALK_FRAMES, count // 2)
    ways = path[frames:] - path[:-frames]
    # Over n frames the path goes n steps of the scene, and twice the flicker, whose mean square is known so well.
    chance = 2 * found.flicker * math.sqrt(3 / count)
    walk = (int((ways * ways).sum()) / len(ways) - found.square - chance) / (frames - 1)
    return max(walk, noise) + _LEAST_WALK * found.flicker


def _same_light(path: Numbers, at: int, largest: int) -> tuple[int, int]:
    """First and last frame around a frame between which no light was switched."""
    first, last = max(0, at - _MOST_REACH), min(len(path) - 1, at + _MOST_REACH)
    large = first + np.flatnonzero(np.abs(np.diff(path[first : last + 1])) > _SWITCHED * largest)
    switches = [frame for frame in large.tolist() if _is_switch(path, frame, largest)]
    before, after = (frame + 1 for frame in switches if frame < at), (frame for frame in switches if frame >= at)
    return max(before, default=first), min(after, default=last)


def _is_switch(path: Numbers, at: int, largest: int) -> bool:
    """Whether the light is another one in the frame after `at`."""
    change = abs(int(path[at + 1] - path[at]))
    if change > largest:
        return True
    if change <= _SWITCHED * largest or not _BESIDE <= at + 1 <= len(path) - _BESIDE:
        return False
    after, before = path[at + 1 : at + 1 + _BESIDE], path[at + 1 - _BESIDE : at + 1]
    return 2 * abs(int(after.sum() - before.sum())) > _BESIDE * change


def _smooth(path: Numbers, at: int, walk: float) -> float:
    """How far the scene's path is from a path at a frame; `walk` is the ratio of the variances of scene and flicker.

    The best estimate in the local level model has weights that fall exponentially; a path goes on at its ends as in a
    mirror.
    """
    fall = 1 + walk / 2 - math.sqrt(walk + walk * walk / 4)
    count = len(path)
    powers = np.full(3 * count, fall)
    powers[0] = 1
    np.multiply.accumulate(powers, out=powers)
    frames = np.arange(count)
    weights = powers[np.abs(frames - at)] + powers[at + 1 + frames] + powers[2 * count - 1 - at - frames]
    return math.fsum((weights * (path - path[at])).tolist()) / math.fsum(weights.tolist())
