"""How far a training has come, for its log."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.damage import Kind


class Gains:
    """How far the network is above bicubic on its training samples, in dB, for each kind of clip; of the last steps."""

    def __init__(self) -> None:
        self._gains: dict[Kind, float] = {}

    def add(self, kinds: NDArray[np.int32], bicubic: Tensor, network: Tensor) -> None:
        """Counts a batch: kinds and mean squared errors of its samples, each (N,)."""
        found = 10 * torch.log10((bicubic + 1e-6) / (network + 1e-6))
        for kind, gain in zip(kinds, found.tolist(), strict=True):
            self._gains[Kind(kind)] = 0.995 * self._gains.get(Kind(kind), gain) + 0.005 * gain

    def __str__(self) -> str:
        return " ".join(f"{kind.name.lower()} {gain:+.2f}" for kind, gain in sorted(self._gains.items()))
