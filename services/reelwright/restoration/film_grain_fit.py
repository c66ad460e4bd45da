"""Fits the film grain of AV1 to measured grain: the filter of its grain and the strength at each level.

AV1 filters white noise by an autoregressive filter over the three rows above and the three samples before. Its
coefficients follow from the correlation of the enlarged grain (the Yule-Walker equations), loaded on the diagonal so
that they are small. They are whole numbers of a few bits, and rounding alone would move the energy of coarse grain by
half. So they are moved one by one as long as the spectrum comes closer to the measured one, octave by octave. What a
decoder makes of them is simulated, and the wanted spectrum is corrected by what comes out too weak or too strong.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reelwright.media.av1_film_grain import FilmGrain
from reelwright.restoration.film_grain_simulation import PLACES, decoded_octaves, model_octaves
from reelwright.restoration.grain import enlarged_grain
from reelwright.restoration.grain_model import LEVEL_CENTRES, GrainModel, spectrum_of

Field = NDArray[np.float64]

_GRID, _SPREAD = 64, 10
_LOAD, _MOVES, _LEAST_GAIN = 3e-2, 200, 1e-7
_SHIFTS, _STEPS = (6, 7, 8), (-4, -1, 1, 4)
# Half octaves of spatial frequency, in cycles per sample of the source; what is above was not in the source.
_EDGES = (0.0, 0.045, 0.0625, 0.09, 0.125, 0.177, 0.25, 0.354, 0.5, 0.7)
_ABOVE, _ABOVE_WEIGHT, _MOST_GAIN, _GAIN_WEIGHT = 0.01, 0.3, 9.0, 1e-2
# Standard deviation of the specification's Gaussian sequence at 8 bits, and the most that leaves room for its tails.
_NOISE, _MOST_NOISE = 32.0, 1.14
_BLACK = 16
# Pictures that are simulated, and how often the spectrum is corrected at most, by which share of the error, until the
# octaves lie so close together; the middle of each octave, in cycles per sample of the source.
_PICTURES, _ROUNDS, _CORRECTED, _CLOSE = 12, 6, 0.7, 0.03
_MIDDLES = (0.3, 0.13, 0.06)


def mean_model(models: Sequence[GrainModel]) -> GrainModel:
    """The grain of several frames: the mean of their energies and, by energy, of their correlations."""
    energies = np.array([np.square(model.strength) for model in models])
    weights = energies.mean(axis=1) + 1e-12
    correlation = np.average([model.correlation for model in models], axis=0, weights=weights)
    return GrainModel(np.sqrt(energies.mean(axis=0)), np.asarray(correlation))


def fit_film_grain(model: GrainModel, scale: int, keep: float, *, spares_black: bool = False) -> FilmGrain:
    """The film grain of AV1 that is like measured grain after its enlargement; its seed is 0.

    Args:
        model: the grain, at the size of the source.
        scale: of the enlargement.
        keep: share of its strength.
        spares_black: whether black gets none, because the film has black bars.
    """
    coefficients, shift, gain = _fitted(model, scale)
    noise_shift = next(each for each in range(4) if gain / 2**each <= _MOST_NOISE or each == 3)
    strength = 255 * keep * model.strength / (_NOISE * gain / 2**noise_shift)
    scaling_shift = next(each for each in (11, 10, 9, 8) if strength.max() * 2**each <= 255 or each == 8)
    scalings = np.minimum(np.rint(strength * 2**scaling_shift), 255).astype(int)
    points = list(zip(np.rint(255 * LEVEL_CENTRES).astype(int).tolist(), scalings.tolist(), strict=True))
    if spares_black:
        points[0] = (_BLACK, 0)
    return FilmGrain(
        seed=0,
        points=tuple(points),
        scaling_shift=scaling_shift,
        coefficients=tuple(int(each) for each in coefficients),
        coefficient_shift=shift,
        noise_shift=noise_shift,
    )


def _fitted(model: GrainModel, scale: int) -> tuple[Field, int, float]:
    """Whole coefficients, their shift, and by how much the filter's grain is stronger than grain of strength 1."""
    spectrum, wanted = _enlarged(model, scale), model_octaves(model, _PICTURES)
    steps = np.fft.fftfreq(_GRID)
    octave = -np.log(np.maximum(np.hypot(*np.meshgrid(steps, steps, indexing="ij")) * scale, 1e-3))
    correction = np.zeros(len(wanted))
    best: tuple[float, Field, int, float] | None = None
    for _ in range(_ROUNDS):
        target = spectrum * np.exp(np.interp(octave, -np.log(_MIDDLES), correction))
        coefficients, shift = _refined(target, _yule_walker(target), scale)
        ratios = np.log(decoded_octaves(coefficients / 2**shift, scale, _PICTURES) / wanted)
        level, spread = float(ratios.max() + ratios.min()) / 2, float(np.ptp(ratios))
        if best is None or spread / 2 < best[0]:
            best = (spread / 2, coefficients, shift, float(np.exp(level / 2)))
        if spread / 2 < _CLOSE:
            break
        correction -= _CORRECTED * (ratios - level)
    assert best is not None
    return best[1:]


@cache
def _response(scale: int) -> Field:
    """Energy of the enlargement at each frequency of the film, averaged over its phases."""
    point = np.zeros((2 * _SPREAD, 2 * _SPREAD), np.float32)
    point[_SPREAD, _SPREAD] = 1
    size = 2 * _SPREAD * scale
    spread = np.zeros((2 * _GRID, 2 * _GRID))
    spread[:size, :size] = enlarged_grain(point, (size, size), 1.0)
    return np.asarray(np.abs(np.fft.fft2(spread))[::2, ::2] ** 2 / scale**2)


def _enlarged(model: GrainModel, scale: int) -> Field:
    """Spectrum of the enlarged grain, (_GRID, _GRID); that of the grain itself has a mean of 1."""
    source = spectrum_of(model.correlation, _GRID)
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


def _spectrum(coefficients: Field) -> Field:
    return np.asarray(1 / np.abs(1 - coefficients @ _waves()) ** 2)


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
