"""Looks ahead while decoding: finds which shots lost contrast against an earlier shot of the same view.

A shot's numbers depend on its first frames and on earlier shots, and so on the source alone. A decoder that takes over
a title reads from the start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from reelwright.decoder.shot_look import ShotCounts, ShotLook
from reelwright.media.fading import level_of, points_of
from reelwright.media.frame_correction import ContrastPoints, FrameFading
from reelwright.media.frame_record import DecodedFrame
from reelwright.titles.recipe import Recipe

# First frames of a shot that decide; fewer of large frames, which wait in memory meanwhile.
_MOST_FRAMES = 48
_HELD_BYTES = 96 << 20
# Earlier shots that are compared.
_SHOTS = 32
# Fading is no less than this and no more; more is another light. Gain of the contrast, and way of black and of white.
_LEAST_GAIN, _MOST_GAIN = 1.06, 1.8
_MOST_WAY = 0.25


def with_fading(
    frames: Iterable[DecodedFrame], recipe: Recipe, frame_bytes: int, *, full_range: bool
) -> Iterator[DecodedFrame]:
    """Yields the frames with what brings back their contrast, if the recipe asks for it.

    Args:
        frames: the title's frames in presentation order, from its first one on.
        recipe: says how far contrast is brought back.
        frame_bytes: size of a picture; about 96 MiB of pictures are held, but at least 8 pictures.
        full_range: whether code values use the whole depth or the studio range.
    """
    if not recipe.fading:
        yield from frames
        return
    reach = max(8, min(_MOST_FRAMES, _HELD_BYTES // frame_bytes))
    scenes = _Scenes(recipe.fading, full_range=full_range)
    held: list[DecodedFrame] = []
    shot = ShotCounts()
    curve: _Curve | None = None
    for frame in frames:
        if frame.record.shot_start:
            yield from _faded(held, shot, curve or scenes.judge(shot), full_range=full_range)
            scenes.end(shot)
            held, shot, curve = [], ShotCounts(), None
        held.append(frame)
        shot.add(frame, measured=curve is None)
        if curve is None and len(held) == reach:
            curve = scenes.judge(shot)
        if curve is not None:
            yield from _faded(held, shot, curve, full_range=full_range)
            held = []
    yield from _faded(held, shot, curve or scenes.judge(shot), full_range=full_range)


@dataclass(frozen=True, slots=True)
class _Curve:
    """The levels of a shot that are moved, and where to, as of `FrameFading`."""

    from_black: float
    from_white: float
    to_black: float
    to_white: float


@dataclass(frozen=True, slots=True)
class _Line:
    """What brings back a shot's contrast: luma codes in 64ths times the gain, and the offset."""

    gain: float
    offset: float


class _Scenes:
    """Judges the shots of a title one after another, by those before.

    A shot shows the view of an earlier one as that began. Otherwise its own beginning may show the view in which an
    earlier one was cut off: where a film cuts back to a camera that moves, it goes on there.
    """

    def __init__(self, strength: float, *, full_range: bool) -> None:
        self._strength, self._full_range = strength, full_range
        self._seen: deque[ShotLook] = deque(maxlen=_SHOTS)
        self._ends: deque[ShotLook] = deque(maxlen=_SHOTS)
        # How the last shot ended. It is not cut to a view from itself, so one that is alike is in another light.
        self._end: ShotLook | None = None
        # Of the shot that was judged last: how it was mended; None if it was not, or is none to compare with.
        self._line: _Line | None = None

    def judge(self, shot: ShotCounts) -> _Curve:
        """What is done to a shot, of which enough frames were counted; nothing to one without any."""
        self._line = None
        if not shot.frames:
            return _Curve(0, 1, 0, 1)
        look = shot.look()
        black, white = (level_of(look.quantiles[at], full_range=self._full_range) for at in (0, -1))
        unchanged = _Curve(black, white, black, white)
        if look.is_dark(full_range=self._full_range) or not shot.is_steady:
            return unchanged
        best, own = max(self._alike(shot, look), key=_raised, default=(look, look))
        line = _Line(*own.line_to(best))
        curve = self._along(line, own)
        self._line = _Line(1, 0) if curve is None else line
        self._seen.append(look if curve is None else look.mended(line.gain, line.offset))
        return curve or unchanged

    def end(self, shot: ShotCounts) -> None:
        """Remembers how the shot ended that was judged last."""
        if self._end is not None:
            self._ends.append(self._end)
        look, line = shot.end(), self._line
        if look is None or line is None or look.is_dark(full_range=self._full_range):
            self._end = None
        else:
            self._end = look if line.gain == 1 else look.mended(line.gain, line.offset)

    def _alike(self, shot: ShotCounts, look: ShotLook) -> list[tuple[ShotLook, ShotLook]]:
        """Looks of earlier shots that show the same view, each with the look of this shot that is like it."""
        alike = [(seen, look) for seen in self._seen if seen.is_like(look)]
        beginning = shot.beginning()
        # The first frames are more, so what moves in them counts for less.
        if alike or beginning is None or beginning.is_dark(full_range=self._full_range):
            return alike
        return [(end, beginning) for end in self._ends if end.is_like(beginning)]

    def _along(self, line: _Line, look: ShotLook) -> _Curve | None:
        """The curve of a shot along a line that gives it more contrast; None if that is not what fading does."""
        if not _LEAST_GAIN <= line.gain <= _MOST_GAIN:
            return None
        ends: list[float] = []
        for code in (look.quantiles[0], look.quantiles[-1]):
            aims = (code, line.gain * code + line.offset)
            level, aim = (level_of(each, full_range=self._full_range) for each in aims)
            if abs(aim - level) > _MOST_WAY:
                return None
            # The format's black and white stay, and what lies beyond them.
            inside = min(max(aim, min(level, 0.0)), max(level, 1.0))
            ends += [level, round(level + self._strength * (inside - level), 4)]
        return _Curve(ends[0], ends[2], ends[1], ends[3])


def _raised(pair: tuple[ShotLook, ShotLook]) -> float:
    """How far an earlier look would raise the contrast of a shot's own; one that was mended must have clearly more."""
    seen, own = pair
    return seen.contrast / own.contrast / (_LEAST_GAIN if seen.is_mended else 1)


def _faded(held: list[DecodedFrame], shot: ShotCounts, curve: _Curve, *, full_range: bool) -> Iterator[DecodedFrame]:
    for frame in held:
        points: ContrastPoints = points_of(shot.waiting.popleft(), full_range=full_range)
        fading = FrameFading(
            **points.model_dump(),
            from_black=curve.from_black,
            from_white=curve.from_white,
            to_black=curve.to_black,
            to_white=curve.to_white,
        )
        yield replace(frame, record=frame.record.model_copy(update={"fading": fading}))
