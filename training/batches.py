"""Batches of kept samples, turned and mirrored at random: batch n is a function of the samples, a seed and n."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.samples import SampleFiles

Field = NDArray[np.float32]
Array = TypeVar("Array")


@dataclass(frozen=True, slots=True)
class Batch(Generic[Array]):
    """What a network learns from in one step, in numpy or on a device; all in [0, 1].

    Attributes:
        frames: (N, 5, H, W) float32, aligned, the middle one repaired.
        maps: (N, 2, H, W) float32: dust, scratches.
        agreement: (N, 4, H / 2, W / 2) float32.
        figures: (N, 4) float32.
        truth: (N, 1, scale * H, scale * W) float32.
        kinds: (N,) integers, values of `damage.Kind`.
    """

    frames: Array
    maps: Array
    agreement: Array
    figures: Array
    truth: Array
    kinds: Array

    @property
    def arrays(self) -> tuple[Array, Array, Array, Array, Array]:
        """Inputs of the network in its order, then the truth."""
        return self.frames, self.maps, self.agreement, self.figures, self.truth


def draw_batch(files: SampleFiles, size: int, seed: int, number: int) -> Batch[NDArray[Any]]:
    """Batch `number`: `size` samples anywhere in `files`, some of them mirrored or brightened the other way round."""
    rng = np.random.default_rng((seed, number))
    samples = files.read(rng.integers(0, len(files), size))
    across, down, invert = (bool(rng.random() < share) for share in (0.5, 0.5, 0.15))

    def field(stored: NDArray[Any]) -> Field:
        turned = stored[..., :: -1 if down else 1, :: -1 if across else 1]
        return np.ascontiguousarray(turned, np.float32) / np.float32(255)

    frames, truth = field(samples["frames"]), field(samples["truth"][:, None])
    scratch = field(samples["scratch"])
    if invert:
        frames, truth, scratch = 1 - frames, 1 - truth, 1 - scratch
    # Grain, dust and codec know no direction of time.
    order = slice(None, None, -1 if rng.random() < 0.5 else 1)
    return Batch(
        frames=np.ascontiguousarray(frames[:, order]),
        maps=np.stack([field(samples["dust"]), scratch], axis=1),
        agreement=np.ascontiguousarray(field(samples["agreement"])[:, order]),
        figures=np.ascontiguousarray(samples["figures"]),
        truth=truth,
        kinds=np.ascontiguousarray(samples["kind"]),
    )
