"""Decides which specks are dust: small networks on the features of each speck, which add up.

The weights are those of `python -m training.dust_classifier`; see docs/training.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelwright.restoration import speck_columns
from reelwright.restoration.speck_columns import ContextColumn, QuickColumn
from reelwright.restoration.speck_features import is_seen
from reelwright.restoration.specks import Floats
from reelwright.titles.errors import ModelError

WEIGHTS = "dust_classifier.json"
# Those of the file's classifiers that are networks, with the features that each of them reads.
NETWORKS = {"quick": speck_columns.QUICK, "full": speck_columns.ALL, "last": speck_columns.CONTEXT}
# Features are cut off so many standard deviations from their mean.
MOST = 5.0
# Slope of a layer below 0.
LEAK = 0.1
# Scores are cut off there in `context`, and specks that score lower than the second are surely no dust.
_CERTAIN, _DOUBTFUL = 8.0, 4.0
# What is asked of a speck grows by so much with the logarithm of its pixels, and by more from so many pixels on: large
# things that move and change their shape are hardest to tell from dust, and most is lost where one is taken for it.
_SIZE_WEIGHT, _SIZE, _LARGE_WEIGHT, _LARGE = 0.3, 30.0, 0.5, 300.0
# A film without grain has the least threshold, in levels; from so many more on it has grain.
LEAST_LEVELS, _MORE_LEVELS = 10.0, 1.5
# What is added to a number of specks, and to a share of the frame, before a logarithm is taken.
_FEW, _LITTLE = 0.1, 1e-5


@dataclass(frozen=True, slots=True)
class DustClassifier:
    """Networks of three layers that read the same features.

    Attributes:
        mean: (features,) of the specks that were learnt from.
        deviation: (features,) theirs.
        weights: of each layer, (networks, inputs, outputs).
        biases: of each layer, (networks, outputs).
        threshold: the score from which on a speck is dust.
    """

    mean: Floats
    deviation: Floats
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    threshold: float

    def score(self, features: Floats) -> Floats:
        """How much speaks for each speck being dust, as a logarithm of odds; positive for dust.

        Args:
            features: (specks, features), see `speck_features` and `speck_search`.

        Returns:
            (specks,), the mean of the networks less the threshold.
        """
        scaled = np.clip((features - self.mean) / self.deviation, -MOST, MOST)
        values = np.broadcast_to(scaled, (len(self.weights[0]), *scaled.shape))
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if index:
                values = np.maximum(values, LEAK * values)
            # Not a matrix product, whose sums may depend on the number of threads.
            values = np.einsum("nsi,nio->nso", values, weight) + bias[:, None]
        return np.asarray(values[..., 0].mean(axis=0) - self.threshold, np.float64)


class Classifiers(NamedTuple):
    """Those that judge specks, one after another.

    Attributes:
        quick: on the first features alone; turns away what surely is no dust.
        full: on all features.
        last: on the score of `full` and on what the other specks of the frame are, see `context`.
        enough: what is asked of a speck of `_SIZE` pixels on film with grain.
        enough_without: the same on film without grain, which was hardly ever on a reel that gathers dust.
    """

    quick: DustClassifier
    full: DustClassifier
    last: DustClassifier
    enough: float
    enough_without: float

    def likely(self, features: Floats) -> NDArray[np.bool_]:
        """Which specks may be dust by the first features, (specks,)."""
        return np.asarray(is_seen(features) & (self.quick.score(features[:, : len(QuickColumn)]) > 0), np.bool_)

    def score(self, features: Floats, pixels: int) -> Floats:
        """How much speaks for each likely speck of a frame being dust, (specks,); positive for dust.

        Args:
            features: (specks, all features) of all of them.
            pixels: of the frame.
        """
        scores = self.full.score(features)
        return self.combined(features, scores, self.last.score(context(features, scores, pixels)))

    def combined(self, features: Floats, full: Floats, last: Floats) -> Floats:
        """The same from the scores of both classifiers."""
        area = features[:, QuickColumn.LOG_AREA]
        large = _SIZE_WEIGHT * np.maximum(area - np.log(_SIZE), -1.0)
        large += _LARGE_WEIGHT * np.maximum(area - np.log(_LARGE), 0.0)
        grain = np.clip((np.exp(features[:, QuickColumn.LOG_THRESHOLD]) - LEAST_LEVELS) / _MORE_LEVELS, 0.0, 1.0)
        enough = self.enough_without + (self.enough - self.enough_without) * grain
        return np.asarray((full + last) / 2 - large - enough, np.float64)


def context(features: Floats, scores: Floats, pixels: int) -> Floats:
    """What a frame tells about each of its specks: where there is dust, there is more, and where nothing is, none.

    Args:
        features: (specks, all features).
        scores: (specks,) of `Classifiers.full`.
        pixels: of the frame.

    Returns:
        (specks, `ContextColumn`) float64: the score, the logarithms of the area and of the threshold; of the other
        specks the expected number and share of dust, the number of those that may be none, and the highest score.
    """
    if not scores.size:
        return np.zeros((0, len(ContextColumn)))
    areas = np.exp(features[:, QuickColumn.LOG_AREA])
    likely = 1 / (1 + np.exp(-np.clip(scores, -_CERTAIN, _CERTAIN)))
    doubtful = np.where(scores > -_DOUBTFUL, 1 - likely, 0.0)
    covered = likely * areas / pixels
    highest = np.sort(np.append(scores, [-_CERTAIN, -_CERTAIN]))[::-1]
    others = np.where(scores == highest[0], highest[1], highest[0])
    found = {
        ContextColumn.SCORE: scores,
        ContextColumn.LOG_AREA: features[:, QuickColumn.LOG_AREA],
        ContextColumn.LOG_THRESHOLD: features[:, QuickColumn.LOG_THRESHOLD],
        ContextColumn.OTHERS_NUMBER: np.log(likely.sum() - likely + _FEW),
        ContextColumn.OTHERS_SHARE: np.log(np.maximum(covered.sum() - covered, 0) + _LITTLE),
        ContextColumn.OTHERS_DOUBTFUL: np.log(doubtful.sum() - doubtful + _FEW),
        ContextColumn.OTHERS_HIGHEST: np.clip(others, -_CERTAIN, _CERTAIN),
    }
    return np.column_stack([found[column] for column in ContextColumn])


@cache
def packaged() -> Classifiers:
    """Those that ship."""
    return read((resources.files("reelwright.restoration") / WEIGHTS).read_text(encoding="utf-8"))


def read(text: str) -> Classifiers:
    """Those of a JSON.

    Raises:
        ModelError: a network of it reads other features, or the same in another order.
    """
    stored = json.loads(text)
    quick, full, last = (_read(name, stored[name]) for name in NETWORKS)
    return Classifiers(quick, full, last, float(stored["enough"]), float(stored["enough_without"]))


def _read(name: str, stored: dict[str, Any]) -> DustClassifier:
    for place, (known, found) in enumerate(zip_longest(NETWORKS[name], stored.get("features", ()))):
        if known != found:
            what = f"feature {place} of its network {name!r} is {found!r}, not {known!r}"
            raise ModelError(what, WEIGHTS, "python -m training.dust_classifier makes it again")
    mean, deviation = (np.array(stored[key], np.float64) for key in ("mean", "deviation"))
    weights, biases = (tuple(np.array(each, np.float64) for each in stored[key]) for key in ("weights", "biases"))
    return DustClassifier(mean, deviation, weights, biases, float(stored["threshold"]))
