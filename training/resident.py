"""Samples that lie in a GPU's memory, from which batches are drawn without the host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.batches import Batch
from training.sample_files import sample_type

# Samples are copied in pieces of so many, so that a large file needs little memory of the host.
_PIECE = 4096


SHARES = (0.5, 0.5, 0.15, 0.5)
"""Mirrored across, mirrored down, made negative, reversed in time: grain, dust and codec know no direction of time."""


class ResidentSamples:
    """The samples of a folder in device memory; grows while they are made.

    Args:
        folder: with `*.samples` files.
        scale: of the networks that learn from them.
        capacity: samples that there is room for; later ones are left out.
        device: where they lie.
        shares: shares of the drawn samples that are mirrored across, mirrored down, made negative, reversed in time.
    """

    def __init__(
        self, folder: Path, scale: int, capacity: int, device: torch.device, *, shares: Sequence[float] = SHARES
    ) -> None:
        self._shares = shares
        self._folder, self._type, self._device = folder, sample_type(scale), device
        self._rows = torch.zeros((capacity, self._type.itemsize), dtype=torch.uint8, device=device)
        self._read: dict[Path, int] = {}
        self.kinds: NDArray[np.int32] = np.zeros(0, np.int32)

    def refresh(self) -> None:
        """Looks for what has been added; a sample that is half written does not count."""
        for path in sorted(self._folder.glob("*.samples")):
            known, there = self._read.get(path, 0), path.stat().st_size // self._type.itemsize
            while known < there and len(self.kinds) < len(self._rows):
                count = min(there - known, _PIECE, len(self._rows) - len(self.kinds))
                new = np.fromfile(path, self._type, count, offset=known * self._type.itemsize)
                codes = torch.from_numpy(new.view(np.uint8).reshape(count, -1))
                self._rows[len(self.kinds) : len(self.kinds) + count].copy_(codes)
                self.kinds = np.concatenate([self.kinds, new["kind"]])
                known += count
            self._read[path] = known

    def draw(self, chosen: Tensor) -> Batch[Tensor]:
        """The samples of these numbers, each mirrored, turned in time or made negative at random.

        Args:
            chosen: (N,) int64 on the device.
        """
        rows = self._rows[chosen]
        across, down, negative, backwards = (torch.rand(len(chosen), device=self._device) < p for p in self._shares)
        fields = {name: self._field(rows, name) for name in ("frames", "agreement", "dust", "scratch", "truth")}
        turned = {name: _flipped(_flipped(field, across, -1), down, -2) for name, field in fields.items()}
        for name in ("frames", "scratch", "truth"):
            turned[name] = torch.where(_shaped(negative, turned[name]), 1 - turned[name], turned[name])
        figures, kinds = (self._codes(rows, name).contiguous() for name in ("figures", "kind"))
        return Batch(
            frames=_flipped(turned["frames"], backwards, 1),
            maps=torch.stack([turned["dust"], turned["scratch"]], dim=1),
            agreement=_flipped(turned["agreement"], backwards, 1),
            figures=figures.view(torch.float32),
            truth=turned["truth"][:, None],
            kinds=kinds.view(torch.int32)[:, 0].long(),
        )

    def _codes(self, rows: Tensor, name: str) -> Tensor:
        assert self._type.fields is not None
        kind, start = self._type.fields[name][:2]
        return rows[:, start : start + kind.itemsize]

    def _field(self, rows: Tensor, name: str) -> Tensor:
        return self._codes(rows, name).reshape(len(rows), *self._type[name].shape).float() / 255


def _shaped(flags: Tensor, field: Tensor) -> Tensor:
    return flags.view(-1, *[1] * (field.dim() - 1))


def _flipped(field: Tensor, flags: Tensor, axis: int) -> Tensor:
    return torch.where(_shaped(flags, field), field.flip(axis), field)
