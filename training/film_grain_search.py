"""Searches filters of AV1's film grain for grain of many sizes: `python -m training.film_grain_search`.

AV1 filters white noise by an autoregressive filter over the three rows above and the three samples before. Its
coefficients follow from the correlation of the enlarged grain (the Yule-Walker equations), loaded on the diagonal so
that they are small. They are whole numbers of a few bits, and rounding alone would move the energy of coarse grain by
half. So they are moved one by one as long as the spectrum comes closer to the wanted one, octave by octave. What a
decoder makes of them is simulated, and the wanted spectrum is corrected by what comes out too weak or too strong.

This takes seconds for each filter. So the filters that were found ship with the package in
`media/film_grain_filters.json`, with the octaves that a decoder makes of each, and the encoder chooses among them.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.grain import enlarged_grain
from reelwright.restoration.grain_model import octave_energies, spectrum_of
from training.film_grain_simulation import PLACES, decoded_octaves

Field = NDArray[np.float64]

TARGET = Path("services/reelwright/media/film_grain_filters.json")

# Standard deviations of the blur that makes the grain, in samples of the source, and by how much its coarse octave is
# stronger than the blur's.
_SIZES = (0.2, 0.36, 0.43, 0.48, 0.53, 0.57, 0.61, 0.65, 0.69, 0.74, 0.79, 0.84, 0.9, 0.97, 1.06, 1.2)
_COARSE = (1.0, 1.25, 1.6)
_REACH = 16

_GRID, _SPREAD = 64, 10
_LOAD, _MOVES, _LEAST_GAIN = 3e-2, 60, 1e-6
_SHIFTS, _STEPS = (6, 7, 8), (-4, -1, 1, 4)
# Half octaves of spatial frequency, in cycles per sample of the source; what is above was not in the source.
_EDGES = (0.0, 0.045, 0.0625, 0.09, 0.125, 0.177, 0.25, 0.354, 0.5, 0.7)
_ABOVE, _ABOVE_WEIGHT, _MOST_GAIN, _GAIN_WEIGHT = 0.01, 0.3, 9.0, 1e-2
# Pictures that are simulated, and how often the spectrum is corrected at most, by which share of the error, until the
# octaves lie so close together; the middle of each octave, in cycles per sample of the source.
_PICTURES, _ROUNDS, _CORRECTED, _CLOSE = 24, 5, 0.7, 0.02
_MIDDLES = (0.3, 0.13, 0.06)


def main() -> None:
    """Searches the filters of the scales that are named, and writes them in place of the table's."""
    table: dict[str, list[dict[str, object]]] = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    for scale in map(int, sys.argv[1:]):
        table[str(scale)] = [_filter(size, coarse, scale) for size in _SIZES for coarse in _COARSE]
        rows = ",\n".join(
            f'"{key}": [\n' + ",\n".join(json.dumps(each, separators=(",", ":")) for each in filters) + "\n]"
            for key, filters in sorted(table.items())
        )
        TARGET.write_text(f"{{\n{rows}\n}}\n")


def _filter(size: float, coarse: float, scale: int) -> dict[str, object]:
    correlation = _correlation(size)
    wanted = np.array(octave_energies(correlation))
    wanted[-1] *= coarse
    spectrum = _enlarged(correlation, scale)
    spectrum = spectrum * np.exp(np.interp(_octave(scale), -np.log(_MIDDLES), [0, 0, np.log(coarse)]))
    coefficients, shift, octaves = _fitted(spectrum, wanted, scale)
    ratios = octaves / wanted
    error = float(np.sqrt(ratios.max() / ratios.min()) - 1)
    print(f"x{scale}, size {size}, coarse {coarse}: {error:.1%}", flush=True)
    return {
        "coefficients": [int(each) for each in coefficients],
        "shift": shift,
        "octaves": [round(float(each), 5) for each in octaves],
    }


def _correlation(size: float) -> Field:
    point = np.zeros((2 * _REACH + 1, 2 * _REACH + 1))
    point[_REACH, _REACH] = 1
    blur = cv2.GaussianBlur(point, (0, 0), size)
    found = np.fft.ifft2(np.abs(np.fft.fft2(blur)) ** 2).real
    return np.asarray(found[:9, :9] / found[0, 0])


def _fitted(spectrum: Field, wanted: Field, scale: int) -> tuple[Field, int, Field]:
    """Whole coefficients, their shift, and the octaves that a decoder makes of noise of strength 1 by them."""
    correction = np.zeros(len(wanted))
    best: tuple[float, Field, int, Field] | None = None
    for _ in range(_ROUNDS):
        target = spectrum * np.exp(np.interp(_octave(scale), -np.log(_MIDDLES), correction))
        coefficients, shift = _refined(target, _yule_walker(target), scale)
        octaves = decoded_octaves(coefficients / 2**shift, scale, _PICTURES)
        ratios = np.log(octaves / wanted)
        level, spread = float(ratios.max() + ratios.min()) / 2, float(np.ptp(ratios))
        if best is None or spread < best[0]:
            best = (spread, coefficients, shift, octaves)
        if spread / 2 < _CLOSE:
            break
        correction -= _CORRECTED * (ratios - level)
    assert best is not None
    return best[1:]


@cache
def _octave(scale: int) -> Field:
    """Negative logarithm of each frequency, in cycles per sample of the source."""
    steps = np.fft.fftfreq(_GRID)
    return np.asarray(-np.log(np.maximum(np.hypot(*np.meshgrid(steps, steps, indexing="ij")) * scale, 1e-3)))


@cache
def _response(scale: int) -> Field:
    """Energy of the enlargement at each frequency of the film, averaged over its phases."""
    point = np.zeros((2 * _SPREAD, 2 * _SPREAD), np.float32)
    point[_SPREAD, _SPREAD] = 1
    size = 2 * _SPREAD * scale
    spread = np.zeros((2 * _GRID, 2 * _GRID))
    spread[:size, :size] = enlarged_grain(point, (size, size), 1.0)
    return np.asarray(np.abs(np.fft.fft2(spread))[::2, ::2] ** 2 / scale**2)


def _enlarged(correlation: Field, scale: int) -> Field:
    """Spectrum of the enlarged grain, (_GRID, _GRID); that of the grain itself has a mean of 1."""
    source = spectrum_of(correlation, _GRID)
    places = np.arange(_GRID) * scale % _GRID
    return np.asarray(source[np.ix_(places, places)] * _response(scale))


def _yule_walker(spectrum: Field) -> Field:
    correlation = np.fft.ifft2(spectrum).real
    matrix = np.array([[correlation[a[0] - b[0], a[1] - b[1]] for b in PLACES] for a in PLACES])
    matrix += _LOAD * correlation[0, 0] * np.eye(len(PLACES))
    return np.asarray(np.linalg.solve(matrix, [correlation[place] for place in PLACES]))


@cache
def _waves() -> NDArray[np.complex128]:
    """(24, _GRID^2) the response of a delay to each place of the filter."""
    steps = np.fft.fftfreq(_GRID)
    down, right = np.meshgrid(steps, steps, indexing="ij")
    return np.array([np.exp(2j * np.pi * (down * place[0] + right * place[1])).ravel() for place in PLACES])


@cache
def _bands(scale: int) -> tuple[Field, Field]:
    """(n, _GRID^2) which frequencies belong to each band, those across and those down apart; (_GRID^2,) those above."""
    steps = np.fft.fftfreq(_GRID)
    down, right = np.meshgrid(steps, steps, indexing="ij")
    frequency = np.hypot(down, right) * scale
    bands = [
        ((frequency >= low) & (frequency < high) & ((np.abs(down) > np.abs(right)) == is_down)).ravel()
        for low, high in pairwise(_EDGES)
        for is_down in (False, True)
    ]
    return np.array([band for band in bands if band.any()], np.float64), (frequency >= _EDGES[-1]).ravel().astype(float)


def _refined(spectrum: Field, coefficients: Field, scale: int) -> tuple[Field, int]:
    """Whole coefficients and their shift."""
    bands, above = _bands(scale)
    wanted = bands @ spectrum.ravel()
    weights = wanted / wanted.sum()

    def cost(responses: NDArray[np.complex128]) -> Field:
        energy = 1 / np.maximum(np.abs(responses) ** 2, 1e-12)
        ratios = np.log(energy @ bands.T / wanted)
        level = ratios @ weights
        beyond = energy @ above / np.exp(level) / spectrum.sum()
        loud = np.maximum(0, np.log(energy.mean(axis=-1)) / 2 - np.log(_MOST_GAIN))
        spread = np.square(ratios - level[:, None]) @ weights
        return np.asarray(spread + _ABOVE_WEIGHT * np.maximum(0, beyond - _ABOVE) + _GAIN_WEIGHT * loud**2)

    found: list[tuple[float, int, Field]] = []
    moves = [(place, step) for place in range(len(PLACES)) for step in _STEPS]
    for shift in _SHIFTS:
        whole = np.clip(np.rint(coefficients * 2**shift), -128, 127)
        response = 1 - whole / 2**shift @ _waves()
        changes = np.array([_waves()[place] * step / 2**shift for place, step in moves])
        current = float(cost(response[None])[0])
        for _ in range(_MOVES):
            costs = cost(response - changes)
            costs[[not -128 <= whole[place] + step <= 127 for place, step in moves]] = np.inf
            best = int(costs.argmin())
            if costs[best] >= current - _LEAST_GAIN:
                break
            whole[moves[best][0]] += moves[best][1]
            response, current = response - changes[best], float(costs[best])
        found.append((current, shift, whole))
    _, shift, whole = min(found, key=lambda each: each[:2])
    return whole, shift


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
