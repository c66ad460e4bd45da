"""Makes grain as an AV1 decoder does, to measure how it comes out: sections 7.18.3.3 and 7.18.3.5 of the specification.

A decoder filters a template of 73x82 samples and lays squares of 32x32 samples from random places of it. The filter
begins anew in each template, and squares do not continue each other, so coarse grain comes out weaker than the filter
alone says: by half at an enlargement of four.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]
Field = NDArray[np.float64]

LAG = 3
PLACES = [(down, right) for down in range(-LAG, 1) for right in range(-LAG, LAG + 1) if down < 0 or right < 0]
"""Rows and columns by which the samples lie away that the filter reads, in the order of its coefficients."""

_ROWS, _COLUMNS, _BLOCK, _OVERLAP, _FIRST = 73, 82, 32, 2, 9
_BLEND = np.array([[27, 17], [17, 27]], np.float32) / 32
_SIDE, _OCTAVES = 8, 3
SIZE = _SIDE * _BLOCK
"""Rows and columns of a simulated picture."""


def octaves(field: Luma) -> Field:
    """Energy in three octaves of spatial frequency, the finest first; (H, W) float32, both at least 64."""
    energies = []
    for _ in range(_OCTAVES):
        coarse = cv2.GaussianBlur(field, (0, 0), 1.0)
        energies.append(float(np.square(field - coarse)[6:-6, 6:-6].mean()))
        field = np.asarray(cv2.resize(coarse, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
    return np.array(energies)


def decoded_octaves(coefficients: Field, scale: int, count: int) -> Field:
    """The octaves of a decoder's grain before its scaling, made small again, over so many templates.

    Args:
        coefficients: (24,), the filter's.
        scale: of the film.
        count: number of templates.
    """
    side = SIZE // scale
    pictures = _pictures(_templates(coefficients, count))[:, : side * scale, : side * scale]
    small = [cv2.resize(each, (side, side), interpolation=cv2.INTER_AREA) for each in pictures]
    return np.asarray(np.mean([octaves(np.asarray(each, np.float32)) for each in small], axis=0))


def _normal(shape: tuple[int, ...], key: int) -> Luma:
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape).astype(np.float32)


def _templates(coefficients: Field, count: int) -> Luma:
    """(count, 73, 82) filtered noise; all templates go through each sample together."""
    grain = _normal((count, _ROWS, _COLUMNS), 0)
    taps = coefficients.astype(np.float32)
    before = taps[-LAG:][::-1]
    for row in range(LAG, _ROWS):
        above = np.zeros((count, _COLUMNS - 2 * LAG), np.float32)
        for tap, (down, right) in zip(taps, PLACES, strict=True):
            if down:
                above += tap * grain[:, row + down, LAG + right : _COLUMNS - LAG + right]
        samples, sums = np.ascontiguousarray(grain[:, row].T), np.ascontiguousarray(above.T)
        for column in range(LAG, _COLUMNS - LAG):
            samples[column] += sums[column - LAG]
            for distance, tap in enumerate(before, start=1):
                samples[column] += tap * samples[column - distance]
        grain[:, row] = samples.T
    return grain


def _pictures(templates: Luma) -> Luma:
    """(count, SIZE, SIZE) squares from random places of each template, blended where they overlap."""
    count, wide = len(templates), _BLOCK + _OVERLAP
    places = np.random.Generator(np.random.Philox(key=2)).integers(0, 16, (_SIDE, _SIDE, 2))
    strips = np.zeros((_SIDE, count, wide, SIZE + _OVERLAP), np.float32)
    for down in range(_SIDE):
        for across in range(_SIDE):
            top, left = _FIRST + 2 * places[down, across]
            block = templates[:, top : top + wide, left : left + wide].copy()
            start = across * _BLOCK
            if across:
                old = strips[down, :, :, start : start + _OVERLAP]
                block[:, :, :_OVERLAP] = old * _BLEND[0] + block[:, :, :_OVERLAP] * _BLEND[1]
            strips[down, :, :, start : start + wide] = block
    pictures = np.zeros((count, SIZE, SIZE), np.float32)
    for down in range(_SIDE):
        rows = strips[down, :, :_BLOCK, :SIZE].copy()
        if down:
            old = strips[down - 1, :, _BLOCK:, :SIZE]
            rows[:, :_OVERLAP] = old * _BLEND[0][:, None] + rows[:, :_OVERLAP] * _BLEND[1][:, None]
        pictures[:, down * _BLOCK : (down + 1) * _BLOCK] = rows
    return pictures
