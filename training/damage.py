"""Damage in the order in which a film meets it: lens, printing, grain, dirt, projection, scan, video codec.

Each parameter and its range is in the table of docs/training.md. A draw of the parameters is a record, so a sample can
be told and made again; the same draw and the same random numbers give the same picture.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from training import artefacts
from training.codecs import Codec, compress, to_codes

Field = NDArray[np.float32]
Codes = NDArray[np.uint8]
Shrinking = Literal["area", "bicubic", "aliased", "lanczos"]


class Kind(IntEnum):
    """What a clip went through, for the report of a training."""

    FILM = 0
    CLEAN_AREA = 1
    CLEAN_BICUBIC = 2
    CODEC = 3


# 37 % of the clips are undamaged; 15 % only went through a gentle codec.
_KIND_SHARES = (0.48, 0.2, 0.17, 0.15)


@dataclass(frozen=True, slots=True)
class Damage:
    """What a clip goes through; the defaults are no damage at all.

    Attributes:
        kind: of the clip.
        shrinking: kernel by which the clip is made half as large.
        lens: blur before the grain, sigma in clean pixels.
        copy: blur of a second print between two layers of grain, sigma in source pixels; 0 for one print.
        grain: sigma of the grain in levels of 255.
        grain_size: blur that correlates the grain, sigma in source pixels.
        grain_density: 0 for grain alike in all tones, 1 for grain that vanishes in black and white.
        dust: mean number of artefacts on a frame of 160x160 pixels.
        scratches: number over the clip.
        flicker: standard deviation of the frames' gain.
        weave: standard deviation of the frames' place, in clean pixels.
        scan: blur after the grain, sigma in source pixels.
        codec: the last step.
        quality: see `codecs.compress`.
    """

    kind: Kind
    shrinking: Shrinking = "area"
    lens: float = 0.0
    copy: float = 0.0
    grain: float = 0.0
    grain_size: float = 0.5
    grain_density: float = 0.0
    dust: float = 0.0
    scratches: int = 0
    flicker: float = 0.0
    weave: float = 0.0
    scan: float = 0.0
    codec: Codec = "none"
    quality: int = 0


def draw_damage(rng: np.random.Generator, kinds: Collection[Kind] = tuple(Kind)) -> Damage:
    """Draws what a clip goes through, one of `kinds`; their shares stay in proportion."""
    shares = np.array([share if kind in kinds else 0.0 for kind, share in zip(Kind, _KIND_SHARES, strict=True)])
    kind = Kind(int(rng.choice(len(Kind), p=shares / shares.sum())))
    if kind is Kind.CLEAN_AREA:
        return Damage(kind)
    if kind is Kind.CLEAN_BICUBIC:
        return Damage(kind, shrinking="bicubic" if rng.random() < 0.88 else "aliased")
    shrinking: Shrinking = ("area", "area", "bicubic", "lanczos", "aliased")[int(rng.integers(5))]
    if kind is Kind.CODEC:
        codec, quality = _draw_codec(rng, gentle=True)
        soft = float(rng.uniform(0.2, 1.0)) if rng.random() < 0.4 else 0.0
        return Damage(kind, shrinking, lens=soft, codec=codec, quality=quality)
    codec, quality = _draw_codec(rng, gentle=False)
    return Damage(
        kind,
        shrinking,
        lens=float(rng.uniform(0.3, 1.7)) if rng.random() < 0.85 else 0.0,
        copy=float(rng.uniform(0.2, 0.6)) if rng.random() < 0.15 else 0.0,
        grain=float(rng.uniform(0.5, 14)) if rng.random() < 0.92 else 0.0,
        grain_size=float(rng.uniform(0.25, 0.95)),
        grain_density=float(rng.uniform(0, 0.8)),
        dust=float(rng.uniform(0.3, 4)) if rng.random() < 0.4 else 0.0,
        scratches=int(rng.integers(1, 4)) if rng.random() < 0.2 else 0,
        flicker=float(rng.uniform(0.002, 0.02)) if rng.random() < 0.3 else 0.0,
        weave=float(rng.uniform(0.1, 0.8)) if rng.random() < 0.3 else 0.0,
        scan=float(rng.uniform(0.2, 0.6)) if rng.random() < 0.25 else 0.0,
        codec=codec,
        quality=quality,
    )


def apply(
    clip: Field, damage: Damage, rng: np.random.Generator, scale: int = 2, *, steady: Sequence[int] | None = None
) -> Codes:
    """What is left of a clip.

    Args:
        clip: (frames, scale * rows, scale * columns) float32 in [0, 1].
        damage: what it goes through.
        rng: random numbers of grain, dirt, flicker and weave.
        scale: 2, or 4, which is made by halving twice.
        steady: frames that neither flicker nor weave, so that the clean one is their truth; the middle one by default.

    Returns:
        (frames, rows, columns) uint8.
    """
    steady = [len(clip) // 2] if steady is None else list(steady)
    film = np.stack([blurred(frame, damage.lens) for frame in _woven(clip, damage, rng, steady)])
    source = film
    for _ in range(scale // 2):
        source = np.stack([shrink(frame, damage.shrinking) for frame in source])
    if damage.flicker:
        gains = 1 + rng.normal(0, damage.flicker, len(source))
        gains[steady] = 1
        source *= gains.astype(np.float32)[:, None, None]
    strength = damage.grain / np.sqrt(2) if damage.copy else damage.grain
    if damage.grain:
        source = grained(source, sigma=strength, size=damage.grain_size, density=damage.grain_density, rng=rng)
    if damage.copy:
        source = np.stack([blurred(frame, damage.copy) for frame in source])
        source = grained(source, sigma=strength, size=damage.grain_size, density=damage.grain_density, rng=rng)
    if damage.dust:
        share = source[0].size / 160**2
        for frame in source:
            artefacts.dust(frame, rng, int(rng.poisson(damage.dust * share)))
    for _ in range(damage.scratches):
        artefacts.scratch(source, rng)
    if damage.scan:
        source = np.stack([blurred(frame, damage.scan) for frame in source])
    return compress(to_codes(source), damage.codec, damage.quality)


def grained(source: Field, *, sigma: float, size: float, density: float, rng: np.random.Generator) -> Field:
    """Adds grain that is new in each frame.

    Grain is a fluctuation of density; seen through the curve of a print it goes with 2 (y (1 - y))^0.5.

    Args:
        source: (frames, rows, columns) float32 in [0, 1].
        sigma: in levels of 255.
        size: blur that correlates it, in pixels.
        density: 0 for grain alike in all tones, 1 for the curve above alone.
        rng: random numbers.
    """
    noise = rng.standard_normal(source.shape, np.float32)
    noise = np.stack([blurred(frame, size) for frame in noise])
    tones = np.clip(source, 0, 1)
    curve = (1 - density) + density * 2 * np.sqrt(tones * (1 - tones))
    return np.asarray(source + noise * curve * np.float32(sigma / 255 / noise.std()), np.float32)


def shrink(frame: Field, kernel: Shrinking) -> Field:
    """Half the size.

    Args:
        frame: (2 * rows, 2 * columns) float32.
        kernel: area; bicubic and lanczos widened to twice the step, as image libraries do; aliased is bicubic that is
            not widened, as video scalers do.
    """
    half = (frame.shape[1] // 2, frame.shape[0] // 2)
    if kernel == "area":
        return np.asarray(cv2.resize(frame, half, interpolation=cv2.INTER_AREA), np.float32)
    if kernel == "aliased":
        return np.asarray(cv2.resize(frame, half, interpolation=cv2.INTER_CUBIC), np.float32)
    taps = _BICUBIC if kernel == "bicubic" else _LANCZOS
    # A kernel of even length has its middle between two pixels: OpenCV is told the one on the left.
    anchor = (len(taps) // 2 - 1, len(taps) // 2 - 1)
    smooth = cv2.sepFilter2D(frame, -1, taps, taps, anchor=anchor, borderType=cv2.BORDER_REFLECT)
    return np.ascontiguousarray(smooth[::2, ::2])


def _draw_codec(rng: np.random.Generator, *, gentle: bool) -> tuple[Codec, int]:
    draw = rng.random()
    if draw < (0.6 if gentle else 0.5):
        return "jpeg", int(rng.integers(80, 98) if gentle else rng.integers(45, 97))
    if draw < 0.7:
        return "libx264", int(rng.integers(14, 28) if gentle else rng.integers(16, 31))
    if draw < (1.0 if gentle else 0.8):
        return "mpeg2video", int(rng.integers(2, 5) if gentle else rng.integers(2, 12))
    return "none", 0


def _woven(clip: Field, damage: Damage, rng: np.random.Generator, steady: Sequence[int]) -> Field:
    if not damage.weave:
        return clip
    places = rng.normal(0, damage.weave, (len(clip), 2))
    places[list(steady)] = 0
    size = (clip.shape[2], clip.shape[1])
    moves = [np.array([[1, 0, x], [0, 1, y]], np.float64) for x, y in places]
    pairs = zip(clip, moves, strict=True)
    moved = [cv2.warpAffine(f, m, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT) for f, m in pairs]
    return np.stack(moved).astype(np.float32)


def blurred(frame: Field, sigma: float) -> Field:
    """A frame (rows, columns) blurred by a Gaussian; as it is below 0.15 pixels, where the kernel is one pixel."""
    if sigma < 0.15:
        return frame
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)


def _taps(kernel: NDArray[np.float64]) -> Field:
    return np.asarray(kernel / kernel.sum(), np.float32)


def _cubic(x: NDArray[np.float64], a: float = -0.5) -> NDArray[np.float64]:
    """Keys' cubic (1981)."""
    x = np.abs(x)
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0))


_BICUBIC = _taps(_cubic(np.arange(-3.5, 4) / 2))
_LANCZOS = _taps(np.sinc(np.arange(-5.5, 6) / 2) * np.sinc(np.arange(-5.5, 6) / 6))
