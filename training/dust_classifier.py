"""Learns which specks are dust: `python -m training.dust_classifier` writes the weights that ship.

The last classifier learns from scores of networks that did not learn from the same film, as it will meet them.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reelwright.restoration import dust_classifier
from reelwright.restoration.dust_classifier import LEAK, MOST, NETWORKS, Classifiers, DustClassifier, context
from reelwright.restoration.speck_columns import ContextColumn, QuickColumn
from reelwright.restoration.speck_features import is_seen
from training.dataset import DATA
from training.speck_samples import Specks, group, read_samples, write_samples
from training.speck_tasks import samples

Floats = NDArray[np.float64]

WEIGHTS = Path(dust_classifier.__file__).with_name(dust_classifier.WEIGHTS)
_STEPS, _BATCH, _RATE, _DECAY = 5000, 512, 8e-3, 2e-2
# Noise added to scaled features, so that no network relies on the last digit of one.
_NOISE = 0.05
# A speck counts with this power of its pixels, of so many at least and at most.
_POWER, _LEAST, _MOST_PIXELS = 0.6, 4.0, 2000.0
_FOLDS = 4
# Share of the dust that the quick classifier may turn away, and the score of what is turned away.
_LOST, NEVER = 0.005, -99.0
# What is asked of a speck on film with grain, and without, see docs/training.md.
_ENOUGH, _ENOUGH_WITHOUT = -2.0, 0.75
_DIGITS = 5
# Of a feature that hardly varies; its last digit would decide otherwise.
_LEAST_DEVIATION = 1e-2


class Plan(NamedTuple):
    """How a classifier learns.

    Attributes:
        networks: that add up.
        hidden: outputs of their hidden layers.
        steps: of the training.
        seed: of their first weights and of what they see when.
    """

    networks: int
    hidden: tuple[int, ...]
    steps: int
    seed: int


class Learnt(NamedTuple):
    """Classifiers, and the scores of the samples by others that learnt from other films."""

    classifiers: Classifiers
    scores: list[Floats]


def learn(samples: Sequence[Specks], seed: int, steps: int = _STEPS) -> Learnt:
    """Learns by so many steps."""
    features = _stacked(samples)
    wanted = np.concatenate([each.is_dust() for each in samples])
    pixels = np.concatenate([np.maximum(each.dust, each.changed) for each in samples])
    counts = np.clip(pixels, _LEAST, _MOST_PIXELS) ** _POWER
    quick = _classifier(features[:, : len(QuickColumn)], wanted, counts, Plan(2, (12,), steps * 3 // 5, seed))
    passed = np.quantile(quick.score(features[wanted, : len(QuickColumn)]), _LOST)
    quick = replace(quick, threshold=round(float(passed), 2))
    likely = is_seen(features) & (quick.score(features[:, : len(QuickColumn)]) > 0)
    folds = np.where(likely, _folds(samples, seed), -1)
    plan, last_plan = Plan(4, (24, 12), steps, seed), Plan(4, (8,), steps * 2 // 5, seed)
    scores = _crossed(features, wanted, counts, folds=folds, plan=plan)
    frames = _contexts(samples, scores)
    last_scores = _crossed(frames, wanted, counts, folds=folds, plan=last_plan)
    full = _classifier(features, wanted, counts, plan)
    last = _classifier(frames[likely], wanted[likely], counts[likely], last_plan)
    found = Classifiers(quick, full, last, _ENOUGH, _ENOUGH_WITHOUT)
    return Learnt(found, _split(samples, found.combined(features, scores, last_scores)))


def score(found: Classifiers, each: Specks) -> Floats:
    """The score of a window's specks, far under 0 where one is turned away."""
    features = each.features.astype(np.float64)
    likely, scores = found.likely(features), np.full(len(features), NEVER)
    scores[likely] = found.score(features[likely], each.pixels)
    return scores


def _stacked(samples: Sequence[Specks]) -> Floats:
    return np.concatenate([each.features for each in samples]).astype(np.float64)


def _folds(samples: Sequence[Specks], seed: int) -> NDArray[np.intp]:
    """A number for each speck; specks of one film have the same."""
    groups = sorted({group(each.source) for each in samples})
    numbers = dict(zip(groups, np.random.default_rng(seed).permutation(len(groups)) % _FOLDS, strict=True))
    return np.concatenate([np.full(len(each.features), numbers[group(each.source)], np.intp) for each in samples])


def _crossed(
    features: Floats, wanted: NDArray[np.bool_], counts: Floats, *, folds: NDArray[np.intp], plan: Plan
) -> Floats:
    """The score of each speck by networks that learnt from the other folds; those of fold -1 are turned away."""
    scores = np.full(len(features), NEVER)
    for fold in range(_FOLDS):
        others, own = (folds != fold) & (folds >= 0), folds == fold
        scores[own] = _classifier(features[others], wanted[others], counts[others], plan).score(features[own])
    return scores


def _contexts(samples: Sequence[Specks], scores: Floats) -> Floats:
    """See `dust_classifier.context`; what was turned away is not in the context of the others."""
    found = [np.zeros((len(each.features), len(ContextColumn))) for each in samples]
    for each, rows, own in zip(samples, found, _split(samples, scores), strict=True):
        kept = own > NEVER
        rows[kept] = context(each.features[kept].astype(np.float64), own[kept], each.pixels)
    return np.concatenate(found)


def _classifier(features: Floats, wanted: NDArray[np.bool_], counts: Floats, plan: Plan) -> DustClassifier:
    """Learns networks that all read the same features, each from other draws."""
    generator = torch.Generator().manual_seed(plan.seed)
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), _LEAST_DEVIATION)
    scaled = torch.from_numpy(np.clip((features - mean) / deviation, -MOST, MOST).astype(np.float32))
    truth = torch.from_numpy(wanted.astype(np.float32))
    weights = torch.from_numpy((counts / counts.mean()).astype(np.float32))
    sizes = list(pairwise((features.shape[1], *plan.hidden, 1)))
    matrices, biases = (
        [(torch.rand(plan.networks, rows, to, generator=generator) * 2 - 1) / since**0.5 for rows, to, since in shapes]
        for shapes in ([(i, o, i) for i, o in sizes], [(1, o, i) for i, o in sizes])
    )
    learnt = [each.requires_grad_() for each in (*matrices, *biases)]
    optimizer = torch.optim.AdamW(learnt, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=plan.steps)
    for _ in range(plan.steps):
        drawn = torch.randint(len(scaled), (plan.networks, _BATCH), generator=generator)
        values = scaled[drawn] + _NOISE * torch.randn(*drawn.shape, scaled.shape[1], generator=generator)
        for index, (matrix, bias) in enumerate(zip(matrices, biases, strict=True)):
            values = torch.nn.functional.leaky_relu(values, LEAK) if index else values
            values = torch.baddbmm(bias, values, matrix)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(values[..., 0], truth[drawn], reduction="none")
        optimizer.zero_grad()
        (losses * weights[drawn]).mean(dim=1).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    kept = [tuple(each.detach().numpy().astype(np.float64) for each in layer) for layer in (matrices, biases)]
    return DustClassifier(mean, deviation, kept[0], tuple(each[:, 0] for each in kept[1]), 0.0)


def _split(samples: Sequence[Specks], values: Floats) -> list[Floats]:
    return np.split(values, np.cumsum([len(each.features) for each in samples])[:-1])


def shares(samples: Sequence[Specks], scores: Sequence[Floats]) -> tuple[float, float]:
    """Of dust pixels those that are repaired, and of pixels of film without dust those that change."""
    pairs = [(each, score > 0) for each, score in zip(samples, scores, strict=True)]
    repaired = sum(float(each.repaired[dust].sum()) for each, dust in pairs if each.dusty)
    changed = sum(float(each.changed[dust].sum()) for each, dust in pairs if not each.dusty)
    dust, pixels = sum(each.all_dust for each in samples), sum(each.pixels for each in samples if not each.dusty)
    return repaired / max(dust, 1), changed / max(pixels, 1)


def written(found: Classifiers) -> str:
    """The JSON that `dust_classifier.packaged` reads."""
    networks = {name: {"features": read, **_kept(getattr(found, name))} for name, read in NETWORKS.items()}
    return json.dumps(networks | {"enough": found.enough, "enough_without": found.enough_without}) + "\n"


def _kept(found: DustClassifier) -> dict[str, object]:
    return {
        "threshold": found.threshold,
        "mean": _short(found.mean),
        "deviation": _short(found.deviation),
        "weights": [_short(each) for each in found.weights],
        "biases": [_short(each) for each in found.biases],
    }


def _short(values: Floats) -> list[object]:
    rounded = [float(f"{value:.{_DIGITS}g}") for value in values.ravel()]
    return np.array(rounded).reshape(values.shape).tolist()  # type: ignore[no-any-return]


def main() -> None:
    """Makes the samples, learns and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of `training.dataset`")
    parser.add_argument("--clips", type=int, default=400, help="clips made from photographs")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--samples", type=Path, help="file that keeps the specks; made where it is absent")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    if given.samples and given.samples.exists():
        found = read_samples(given.samples)
    else:
        found = list(samples(given.data, given.clips, given.processes))
        if given.samples:
            write_samples(found, given.samples)
    given.out.write_text(written(chosen(found)))


def chosen(samples: Sequence[Specks]) -> Classifiers:
    """The classifiers; what they do on films that they did not learn from is printed."""
    found, scores = learn(samples, 0)
    pairs = [(each, own) for each, own in zip(samples, scores, strict=True) if not group(each.source).startswith("p")]
    films, own = [each for each, _ in pairs], [score for _, score in pairs]
    print(f"{sum(len(each.features) for each in samples)} specks of {len(samples)} windows")
    repaired, changed = shares(films, own)
    print(f"films, crossed: {repaired:.2%} of dust pixels repaired, {changed:.4%} of film without dust changed")
    return found


if __name__ == "__main__":
    main()
