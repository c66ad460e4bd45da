"""What a training minimises, on a CPU as on a GPU."""

from __future__ import annotations

import torch
from torch import Tensor

# The network saw zeros beyond the rim of a patch where the film goes on. The rim, in source pixels, does not count.
_RIM = 4
# Squared error of one level: better than that is not looked for in any patch.
_LEVEL = 1 / 255**2


def squared_errors(picture: Tensor, truth: Tensor, scale: int) -> Tensor:
    """Mean squared error of each sample within its rim; (N,) from two (N, 1, rows, columns) in [0, 1]."""
    return _inner(picture - truth, scale).square().mean(dim=(1, 2, 3))


def charbonnier(picture: Tensor, truth: Tensor, scale: int) -> Tensor:
    """Absolute error with a smooth bottom: squared error would answer grain with blur from the start; a scalar."""
    return torch.sqrt(_inner(picture - truth, scale).square() + 1e-6).mean()


def decibels(squares: Tensor) -> Tensor:
    """Mean of the logarithms of `squared_errors`, a scalar.

    Each sample counts by its decibels, or damaged samples would drown the undamaged ones.
    """
    return torch.log(squares + _LEVEL).mean() * 0.01


def _inner(difference: Tensor, scale: int) -> Tensor:
    rim = _RIM * scale
    return difference[:, :, rim:-rim, rim:-rim]
