"""Batches of kept samples, turned and mirrored at random: batch n is a function of the samples, a seed and n."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.sample_files import SampleFiles

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


@dataclass(frozen=True, slots=True)
class PairBatch(Generic[Array]):
    """Windows of which each has another a frame later.

    Attributes:
        windows: (2 * N) of them, the later ones behind the others, in the same order.
        motion: (N, scale * H, scale * W, 2) float32: how far right and down each pixel of the first truth lies in the
            second, in pixels.
    """

    windows: Batch[Array]
    motion: Array


def draw_batch(files: SampleFiles, size: int, seed: int, number: int) -> Batch[NDArray[Any]]:
    """Batch `number`: `size` samples anywhere in `files`, some of them mirrored or brightened the other way round.

    Raises:
        SystemExit: there are no samples yet.
    """
    if not len(files):
        raise SystemExit(f"no samples to learn from in {files.folder}: make them with `python -m training.samples`")
    rng = np.random.default_rng((seed, number))
    samples = files.read(rng.integers(0, len(files), size))
    return _arrays(samples, _draw_turns(rng))


def draw_pairs(files: SampleFiles, size: int, seed: int, number: int) -> PairBatch[NDArray[Any]]:
    """Batch `number` of `size` windows, an even number, from files of `pairs.pair_type`; turned like `draw_batch`'s."""
    rng = np.random.default_rng((seed, number))
    pairs = files.read(rng.integers(0, len(files), size // 2))
    turns = _draw_turns(rng)
    signs = np.array([-1 if turns.across else 1, -1 if turns.down else 1], np.float32)
    motion = pairs["motion"][:, :: int(signs[1]), :: int(signs[0])].astype(np.float32) * signs
    return PairBatch(_arrays(pairs["windows"].T.reshape(-1), turns), motion)


@dataclass(frozen=True, slots=True)
class _Turns:
    """What is done to a batch: mirrored across, mirrored down, made negative, reversed in time within the windows."""

    across: bool
    down: bool
    negative: bool
    backwards: bool


def _draw_turns(rng: np.random.Generator) -> _Turns:
    return _Turns(*(bool(rng.random() < share) for share in (0.5, 0.5, 0.15, 0.5)))


def _arrays(samples: NDArray[Any], turns: _Turns) -> Batch[NDArray[Any]]:
    def field(stored: NDArray[Any]) -> Field:
        turned = stored[..., :: -1 if turns.down else 1, :: -1 if turns.across else 1]
        return np.ascontiguousarray(turned, np.float32) / np.float32(255)

    frames, truth = field(samples["frames"]), field(samples["truth"][:, None])
    scratch = field(samples["scratch"])
    if turns.negative:
        frames, truth, scratch = 1 - frames, 1 - truth, 1 - scratch
    # Grain, dust and codec know no direction of time.
    order = slice(None, None, -1 if turns.backwards else 1)
    return Batch(
        frames=np.ascontiguousarray(frames[:, order]),
        maps=np.stack([field(samples["dust"]), scratch], axis=1),
        agreement=np.ascontiguousarray(field(samples["agreement"])[:, order]),
        figures=np.ascontiguousarray(samples["figures"]),
        truth=truth,
        kinds=np.ascontiguousarray(samples["kind"]),
    )
