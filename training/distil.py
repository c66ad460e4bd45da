"""Samples whose truth leans towards what a better network makes of them: what a smaller network learns from.

`python -m training.distil training/runs/film-x4 training/runs/film-x4-distilled --teacher reel-m.safetensors --scale 4`
writes the samples of a folder again. Their truth becomes a mean of the truth and the teacher's picture, on as many
mirrored copies as the teacher ships with. What no network can know from the window (one grain of a face rather than
another) is then missing from half of the truth, and the smaller network's weights are not drawn after it (Hinton,
Vinyals, Dean: arXiv:1503.02531; for pictures: arXiv:1912.01252).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reelwright.restoration.self_ensemble import ensembled
from reelwright.restoration.weight_sets import WeightSet
from reelwright.restoration.window_network import SCALES
from reelwright.restoration.window_torch import WindowNet, enlarge
from training.export import read
from training.precision import Precision, arranged, residual
from training.sample_files import Samples, pair_type, sample_type

_BATCH = 50


class Teacher:
    """A network whose pictures others learn from.

    Args:
        weights: the set for damaged film of a network that is better than the one that learns.
        precision: of its convolutions.
    """

    def __init__(self, weights: WeightSet[Tensor], precision: Precision = "fp32") -> None:
        net = WindowNet(weights.network)
        net.load_state_dict(weights.tensors)
        self._net, self._precision = arranged(net.eval(), precision), precision

    @torch.inference_mode()
    def pictures(self, samples: Samples) -> NDArray[np.float32]:
        """What it makes of samples of its scale; (N, scale * rows, scale * columns), in levels of 0 to 255."""
        frames, agreement = (_unit(samples[name]) for name in ("frames", "agreement"))
        maps = torch.stack([_unit(samples[name]) for name in ("dust", "scratch")], dim=1)
        figures = torch.from_numpy(np.ascontiguousarray(samples["figures"]))

        def run(planes: list[Tensor]) -> Tensor:
            frames, maps, agreement = planes
            return residual(self._net, (frames, maps, agreement, figures), self._precision)

        network = self._net.network
        mean = ensembled(run, network.ensemble, torch.flip)([frames, maps, agreement])
        picture: Tensor = (enlarge(frames, network.scale) + mean)[:, 0].clamp(0, 1) * 255
        return picture.numpy()


def distilled(samples: Samples, teacher: Teacher, share: float) -> Samples:
    """The samples with a share of their truth taken from a teacher.

    Args:
        samples: (N,) of `sample_type` of the teacher's scale.
        teacher: see `Teacher`.
        share: of the teacher's picture in the truth, 0 to 1.
    """
    found = samples.copy()
    mixed = share * teacher.pictures(samples) + (1 - share) * samples["truth"]
    found["truth"] = np.rint(mixed).astype(np.uint8)
    return found


def _unit(stored: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(stored, np.float32) / np.float32(255))


def distilled_pairs(pairs: Samples, teacher: Teacher, share: float) -> Samples:
    """The same of (N,) of `pair_type`: both windows of each."""
    found = pairs.copy()
    windows = pairs["windows"]
    found["windows"] = distilled(windows.reshape(-1), teacher, share).reshape(windows.shape)
    return found


def _parts(path: Path, kind: np.dtype[Any], done: int) -> Iterator[Samples]:
    count = path.stat().st_size // kind.itemsize
    stored = np.memmap(path, kind, "r", shape=(count,))
    for first in range(done, count, _BATCH):
        yield np.array(stored[first : first + _BATCH])


def main() -> None:
    """Reads the command line and writes the samples again; those that are there already are left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path, help="folder of `training.samples`")
    parser.add_argument("target", type=Path, help="folder for the new samples")
    parser.add_argument("--teacher", type=Path, required=True, help="a checkpoint or a safetensors file")
    parser.add_argument("--scale", type=int, choices=SCALES, default=2, help="of the samples and the teacher")
    parser.add_argument("--share", type=float, default=0.5, help="of the teacher's picture in the truth")
    parser.add_argument("--precision", choices=get_args(Precision), default="fp32", help="of the convolutions")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    single, paired = sorted(given.samples.glob("*.samples")), sorted(given.samples.glob("*.pairs"))
    if not (single or paired):
        raise SystemExit(f"no samples in {given.samples}: make them with `python -m training.samples`")
    torch.set_num_threads(given.threads)
    given.target.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(read(given.teacher, given.scale).sets[0], given.precision)
    for path in (*single, *paired):
        kind, change = (pair_type, distilled_pairs) if path in paired else (sample_type, distilled)
        _write(path, given.target / path.name, kind(given.scale), partial(change, teacher=teacher, share=given.share))


def _write(path: Path, target: Path, kind: np.dtype[Any], change: Callable[[Samples], Samples]) -> None:
    """Goes on with a file of changed samples where it ends."""
    size = kind.itemsize
    done = target.stat().st_size // size if target.exists() else 0
    with target.open("ab") as file:
        file.truncate(done * size)
        for part in _parts(path, kind, done):
            file.write(change(part).tobytes())
    print(f"{path.name}: {target.stat().st_size // size}", flush=True)


if __name__ == "__main__":
    main()
