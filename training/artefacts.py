"""Dust, hairs, stains and scratches: drawn onto frames of a clip, each at a known place."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Sprite = NDArray[np.uint8]

# Artefacts drawn after real scans (FilmDamageSimulator, arXiv:2302.10004, MIT); too large for the repository.
SPRITES = Path(__file__).resolve().parent.parent.parent / "shared" / "film-damage" / "sprites.npz"
# Kinds and how often each is drawn. Stains are large and faint, dots and sprinkles are fields of specks.
_KINDS = {"dirt": 0.3, "spots": 0.2, "hair-short": 0.12, "hair": 0.1, "lint": 0.08, "dots": 0.06, "sprinkles": 0.06}
_KINDS |= {"smut": 0.04, "stain": 0.04}
_FAINT = {"stain", "smut"}


@cache
def sprites(file: Path = SPRITES) -> dict[str, list[Sprite]]:
    """Opacities by kind, cut to what is not clear; drawn ones where the file is absent.

    Returns:
        For each kind a list of (rows, columns) uint8, 0 clear to 255 opaque.
    """
    if not file.exists():
        rng = np.random.default_rng(5)
        return {kind: [_drawn(rng, hair="hair" in kind) for _ in range(60)] for kind in _KINDS}
    with np.load(file) as stored:
        return {kind: [cut for sprite in stored[kind] if (cut := _cut(sprite)).size] for kind in _KINDS}


def dust(frame: Field, rng: np.random.Generator, count: int) -> Field:
    """Adds `count` artefacts to one frame.

    Args:
        frame: (rows, columns) float32 in [0, 1].
        rng: random numbers.
        count: artefacts; some may fall partly outside.

    Returns:
        (rows, columns) float32, the opacity in [0, 1] of what was added; `frame` itself is changed.
    """
    cover = np.zeros_like(frame)
    kinds, shares = list(_KINDS), np.array(list(_KINDS.values()))
    known = sprites()
    for _ in range(count):
        kind = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
        sprite = known[kind][int(rng.integers(len(known[kind])))]
        scale = float(rng.uniform(0.12, 0.6))
        size = (max(2, round(sprite.shape[1] * scale)), max(2, round(sprite.shape[0] * scale)))
        small = np.rot90(cv2.resize(sprite, size, interpolation=cv2.INTER_AREA), int(rng.integers(4)))
        opacity = small.astype(np.float32) / 255 * np.float32(rng.uniform(0.1, 0.4) if kind in _FAINT else _strong(rng))
        # Dirt on a print is black; dirt on a negative comes out white.
        value = rng.uniform(0.75, 1.0) if rng.random() < 0.5 else rng.uniform(0.0, 0.2)
        y = int(rng.integers(-small.shape[0] // 2, frame.shape[0] - small.shape[0] // 2))
        x = int(rng.integers(-small.shape[1] // 2, frame.shape[1] - small.shape[1] // 2))
        top, left = max(0, y), max(0, x)
        bottom, right = min(frame.shape[0], y + small.shape[0]), min(frame.shape[1], x + small.shape[1])
        seen = opacity[top - y : bottom - y, left - x : right - x]
        place = frame[top:bottom, left:right]
        place += (np.float32(value) - place) * seen
        cover[top:bottom, left:right] = np.maximum(cover[top:bottom, left:right], seen)
    return cover


def scratch(clip: Field, rng: np.random.Generator) -> Field:
    """Adds one vertical scratch that stays over all frames and drifts.

    Args:
        clip: (frames, rows, columns) float32 in [0, 1]; changed.
        rng: random numbers.

    Returns:
        (frames, rows, columns) float32: what was added, before clipping.
    """
    frames, rows, columns = clip.shape
    x0, drift, slope = rng.uniform(0, columns), rng.normal(0, 0.3), rng.normal(0, 0.004)
    width, amplitude = rng.uniform(0.4, 1.3), rng.choice([-1, 1]) * rng.uniform(0.03, 0.3)
    y = np.arange(rows, dtype=np.float32)
    wobble = rng.normal(0, 0.5) * np.sin(y / rows * rng.uniform(2, 9) + rng.uniform(0, 6))
    strength = 0.75 + 0.25 * np.sin(y / rows * rng.uniform(2, 40) + rng.uniform(0, 6))
    if rng.random() < 0.35:
        start = rng.uniform(-0.2, 0.7) * rows
        strength = strength * ((y > start) & (y < start + rng.uniform(0.3, 1.0) * rows))
    added = np.empty_like(clip)
    for t in range(frames):
        centre = x0 + drift * t + rng.normal(0, 0.1) + slope * y + wobble
        distance = (np.arange(columns, dtype=np.float32)[None, :] - centre[:, None]) / width
        added[t] = amplitude * strength[:, None] * np.exp(-0.5 * distance**2)
    clip += added
    return added


def _strong(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.5, 1.0))


def _cut(sprite: Sprite) -> Sprite:
    rows, columns = np.nonzero(sprite.max(axis=1) > 24)[0], np.nonzero(sprite.max(axis=0) > 24)[0]
    if not rows.size:
        return sprite[:0]
    return np.ascontiguousarray(sprite[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _drawn(rng: np.random.Generator, *, hair: bool) -> Sprite:
    """An artefact for where the sprites are absent: a bent line or an uneven speck."""
    canvas = np.zeros((96, 96), np.uint8)
    if hair:
        walk = np.cumsum(rng.normal(0, 0.25, 40))
        points = 48 + np.cumsum(np.column_stack([np.cos(walk), np.sin(walk)]) * 2, axis=0)
        cv2.polylines(canvas, [np.round(points).astype(np.int32)], isClosed=False, color=(255,), thickness=2)
    else:
        angles = np.linspace(0, 2 * np.pi, 14)[:-1]
        radii = rng.uniform(3, 22) * rng.uniform(0.5, 1.3, 13)
        points = 48 + np.column_stack([np.cos(angles), np.sin(angles)]) * radii[:, None]
        cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], (255,))
    return _cut(np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.8), np.uint8))
