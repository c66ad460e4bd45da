"""Looks ahead while decoding: measures each frame's place and light in its shot, and says how to steady it.

A frame's correction depends on the frames of its shot up to a fixed number of frames after it, and so on the source
alone. A decoder that takes over a title begins at a shot and finds the same numbers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from reelwright.decoder.local_flicker import LocalFlicker, local_flicker
from reelwright.decoder.path_flicker import NO_FLICKER, contrast_flicker, light_flicker
from reelwright.decoder.path_smoothing import MEAN_REACH, Line, Path, Tolerance, fit, smooth_value
from reelwright.decoder.rotation_weave import UNIT as ROTATION_UNIT
from reelwright.decoder.rotation_weave import rotation_back
from reelwright.media.colour import code_range
from reelwright.media.frame_correction import FrameCorrection
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.light_field import gains, offsets
from reelwright.media.registration import relit, small_luma
from reelwright.media.scene_tracker import Placement, SceneTracker
from reelwright.titles.recipe import Recipe

# Frames on either side that decide on a frame's correction; fewer for large frames, which wait in memory meanwhile.
_MOST_REACH, _LEAST_REACH = 96, 8
_HELD_BYTES = 192 << 20

# Whole numbers of a path per sample, per 8-bit level, per unit of the contrast's logarithm and per degree.
_UNITS = {"right": 1000, "down": 1000, "light": 1000, "contrast": 100_000, "rotation": ROTATION_UNIT}
# A projector's weave is smaller than this share of the picture's height; what moves further is the camera.
_MOST_WEAVE, _LEAST_WEAVE = 0.01, 0.05
# Flicker is smaller than this share of the scene's level, and than this change of contrast; more is in the scene.
_MOST_FLICKER, _LEAST_FLICKER = 0.2, 0.2
_MOST_CONTRAST, _LEAST_CONTRAST = 0.25, 0.002
# In nearly black film a level more or less is nothing.
_LEAST_LIGHT = 8.0
# Standard deviations by which five frames in a row may differ: more of them would be a fade that begins, while weave is
# slow in itself.
_SLOW_FLICKER, _SLOW_WEAVE = 2.5, 4.5


def look_ahead(
    frames: Iterable[DecodedFrame], recipe: Recipe, frame_bytes: int, *, full_range: bool
) -> Iterator[DecodedFrame]:
    """Yields the frames with their corrections, if the recipe steadies anything.

    Args:
        frames: the title's frames in presentation order.
        recipe: says what is steadied.
        frame_bytes: size of a picture; about 192 MiB of pictures are held, but at least 12 pictures. With deflicker, 64
            MiB more are, and at least 8 pictures more.
        full_range: whether code values use the whole depth or the studio range.
    """
    if not recipe.steadies:
        yield from frames
        return
    reach = max(_LEAST_REACH, min(_MOST_REACH, _HELD_BYTES // frame_bytes - MEAN_REACH))
    tracker = SceneTracker(rotation=recipe.stabilise_rotation == "on")
    black, _ = code_range(full_range=full_range)
    run = _Run(recipe, reach, black)
    if recipe.deflicker == "on":
        measured = local_flicker(frames, frame_bytes, black=black)
    else:
        measured = (LocalFlicker(frame, small_luma(frame.picture)) for frame in frames)
    for found in measured:
        frame, lift = found.frame, 0.0
        small = found.small
        if any(found.gains) or found.offsets:
            rows, columns = small.levels.shape
            added = np.float32(255) * offsets(found.offsets, (rows, columns))
            small = relit(small, gains(found.gains, (rows, columns)), added, black=black)
            lift = float(small.levels.sum() - found.small.levels.sum()) / small.levels.size
        placement = tracker.place_small(small, shot_start=frame.record.shot_start)
        if not placement.linked:
            yield from run.rest()
            run = _Run(recipe, reach, black)
        run.add(frame, placement, _Local(found.gains, found.offsets, round(lift, 3)))
        yield from run.ready()
    yield from run.rest()


class _Local(NamedTuple):
    """How the light of a frame's parts is evened out, and by how many levels that raises its mean."""

    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    lift: float


class _Run:
    """Frames in a row that are smoothed together: a shot, or a part of it without a break."""

    def __init__(self, recipe: Recipe, reach: int, black: int) -> None:
        self._reach, self._black = reach, black
        self._held: deque[tuple[DecodedFrame, Placement, _Local]] = deque()
        self._names = [*(["light", "contrast"] if recipe.deflicker == "on" else [])]
        self._names += ["right", "down"] if recipe.stabilise == "on" else []
        self._rotation = recipe.stabilise_rotation == "on"
        # By how many degrees the fitted frames that wait are turned.
        self._turns: deque[float] = deque()
        self._levels: deque[float] = deque()
        measured = [*self._names, *(["rotation", "rotation_error"] if self._rotation else [])]
        self._paths: dict[str, deque[int]] = {name: deque() for name in measured}
        self._lines: dict[str, dict[int, Line | None]] = {name: {} for name in self._names}
        # Numbers of frames in the run: the first one in `_levels` and `_paths`, the next to be fitted and yielded.
        self._first = self._fitted = self._yielded = 0

    def add(self, frame: DecodedFrame, placement: Placement, local: _Local) -> None:
        self._held.append((frame, placement, local))
        self._levels.append(placement.level)
        for name, path in self._paths.items():
            path.append(_whole(placement, name))

    def ready(self) -> Iterator[DecodedFrame]:
        """The frames that have all frames within reach."""
        end = self._first + len(self._levels)
        while self._fitted + self._reach < end:
            self._fit_next()
        while self._yielded + MEAN_REACH < self._fitted:
            yield self._next()

    def rest(self) -> Iterator[DecodedFrame]:
        """The other frames, as the run ends here."""
        while self._fitted < self._first + len(self._levels):
            self._fit_next()
        while self._held:
            yield self._next()

    def _fit_next(self) -> None:
        while self._first < self._fitted - self._reach:
            self._levels.popleft()
            for path in self._paths.values():
                path.popleft()
            self._first += 1
        at = self._fitted - self._first
        within = {name: _first_of(path, at + self._reach + 1) for name, path in self._paths.items()}
        picture = self._held[self._fitted - self._yielded][0].picture
        light = NO_FLICKER
        for name in self._names:
            whole, tolerance = within[name], _tolerance(name, picture.height, self._levels[at])
            line, share = fit(whole, at, tolerance), 1.0
            if line is not None and name == "light":
                level = self._levels[at]
                light = light_flicker(whole, (line.first, line.last), tolerance.least, level * _UNITS[name])
                # As a share of the light, which is what flicker multiplies.
                lit = max(level - self._black, _LEAST_LIGHT) * _UNITS[name]
                share, light = light.share, light._replace(variance=light.variance / lit**2)
            elif line is not None and name == "contrast":
                span = line.first, line.last
                share = contrast_flicker(whole, span, tolerance.least, _UNITS[name], light=light)
            self._lines[name][self._fitted] = _moved(line, self._first, share) if line and share else None
        turned = rotation_back(within["rotation"], within["rotation_error"], at) if self._rotation else 0.0
        self._turns.append(turned)
        self._fitted += 1

    def _next(self) -> DecodedFrame:
        frame, placement, local = self._held.popleft()
        changes = dict.fromkeys(_UNITS, 0.0)
        for name in self._names:
            value = _whole(placement, name)
            changes[name] = (smooth_value(self._lines[name], value, self._yielded) - value) / _UNITS[name]
            self._lines[name].pop(self._yielded - MEAN_REACH, None)
        self._yielded += 1
        correction = _correction(placement, changes, self._turns.popleft(), local)
        return replace(frame, record=frame.record.model_copy(update={"correction": correction}))


def _correction(placement: Placement, changes: dict[str, float], turn: float, local: _Local) -> FrameCorrection:
    gain = math.exp(changes["contrast"])
    offset = (placement.level * (1 - gain) + changes["light"]) / 255
    in_x, in_y, in_xy, in_xx, in_yy = local.gains
    return FrameCorrection(
        gain=round(gain, 5),
        offset=round(offset, 6),
        move_right=round(changes["right"], 3),
        move_down=round(changes["down"], 3),
        move_rotation=round(turn, 3),
        right=placement.right,
        down=placement.down,
        # As it was in the source.
        light=round(placement.light - local.lift, 3),
        level=placement.level,
        rotation=placement.rotation,
        local_x=in_x,
        local_y=in_y,
        local_xy=in_xy,
        local_xx=in_xx,
        local_yy=in_yy,
        local_offset=local.offsets,
        local_lift=local.lift,
    )


def _first_of(path: deque[int], count: int) -> Path:
    return np.fromiter(islice(path, count), np.int64)


def _whole(placement: Placement, name: str) -> int:
    value: float = getattr(placement, name)
    return round(value * _UNITS[name.removesuffix("_error")])


def _moved(line: Line, frames: int, share: float) -> Line:
    return replace(
        line,
        first=line.first + frames,
        last=line.last + frames,
        middle=line.middle + frames,
        trust=share * line.trust,
    )


def _tolerance(name: str, height: int, level: float) -> Tolerance:
    least, most = {
        "light": (_LEAST_FLICKER, max(1.0, _MOST_FLICKER * level)),
        "contrast": (_LEAST_CONTRAST, _MOST_CONTRAST),
    }.get(name, (_LEAST_WEAVE, max(1.0, _MOST_WEAVE * height)))
    together = _SLOW_FLICKER if name in {"light", "contrast"} else _SLOW_WEAVE
    return Tolerance(round(least * _UNITS[name]), round(most * _UNITS[name]), together)
