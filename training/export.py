"""Writes weights as safetensors: `python -m training.export RUN.pt reel-s.safetensors`.

With `--undamaged OTHER` the file also holds a second weight set, for undamaged film; with `--detail OTHER` a set for
detail that was trained on from the first; with `--also OTHER` also a network of the same shape that enlarges by another
factor, with its sets, in place of those that the first file has. Each is a checkpoint of `training.train`,
whose averaged weights count, or a safetensors file.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.numpy import save
from torch import Tensor

from reelwright.restoration.weight_sets import (
    DETAIL,
    DETAIL_SHARE,
    UNDAMAGED,
    NetworkWeights,
    blend,
    scale_prefix,
    split_scales,
)
from reelwright.restoration.window_network import WindowNetwork


def read_all(path: Path) -> dict[int, NetworkWeights[Tensor]]:
    """The networks of a checkpoint or a safetensors file by their scale, with their weight sets; its first one first.

    Raises:
        SystemExit: the file is no reel network.
    """
    if path.suffix != ".safetensors":
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        network = WindowNetwork(**state["network"])
        return {network.scale: NetworkWeights(network, [state["average"]])}
    with safe_open(path, "pt") as file:
        described = WindowNetwork.from_metadata(file.metadata() or {})
        weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - no mapping
    if described is None:
        raise SystemExit(f"{path} is no reel network on windows")
    networks = split_scales(described, weights)
    return {described.scale: networks.pop(described.scale), **networks}


def read(path: Path, scale: int | None = None) -> NetworkWeights[Tensor]:
    """A network of a checkpoint or a safetensors file, with its weight sets.

    Args:
        path: the file.
        scale: its enlargement; None for the first of the file.

    Raises:
        SystemExit: the file holds no such reel network.
    """
    networks = read_all(path)
    found = networks.get(scale or next(iter(networks)))
    if found is None:
        raise SystemExit(f"{path} holds no network that enlarges by {scale}")
    return found


def write(
    target: Path, first: NetworkWeights[Tensor], *others: NetworkWeights[Tensor], detail_share: float = 0.0
) -> None:
    """Writes networks that differ in their scale as `target`, whole or not at all.

    Args:
        target: a safetensors file.
        first: the network that the file's metadata describe.
        others: those of other scales.
        detail_share: share of their sets for detail where a recipe names none, 0 to 1.

    Raises:
        SystemExit: they differ in more, or two have the same scale.
    """
    tensors: dict[str, Tensor] = {}
    for weights in (first, *others):
        own = "" if weights is first else scale_prefix(weights.network.scale)
        fitting = weights.network == replace(first.network, scale=weights.network.scale)
        if not fitting or (own and weights.network.scale == first.network.scale):
            raise SystemExit(f"{target}: the networks must differ in their scale and in nothing else")
        for prefix, tensor_set in zip(("", UNDAMAGED), weights.sets, strict=False):
            tensors |= {own + prefix + name: tensor for name, tensor in tensor_set.items()}
        tensors |= {own + DETAIL + name: tensor for name, tensor in (weights.detail or {}).items()}
    arrays = {name: tensor.float().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_bytes(save(arrays, first.network.to_metadata() | {DETAIL_SHARE: f"{detail_share:g}"}))
    draft.replace(target)


def join(damaged: NetworkWeights[Tensor], undamaged: NetworkWeights[Tensor]) -> NetworkWeights[Tensor]:
    """A network with the first weight sets of two of one shape, the second one's for undamaged film.

    Raises:
        SystemExit: they are of two networks.
    """
    _check_shape(damaged, undamaged)
    return replace(damaged, sets=[damaged.sets[0], undamaged.sets[0]])


def with_detail(
    weights: NetworkWeights[Tensor], detail: NetworkWeights[Tensor], reach: float = 1.0
) -> NetworkWeights[Tensor]:
    """A network with the first weight set of another one of its shape as its set for detail.

    Args:
        weights: the network.
        detail: of its shape, trained on from its first set.
        reach: how far from the first set towards `detail` the set for detail lies, 0 to 1.

    Raises:
        SystemExit: they are of two networks.
    """
    _check_shape(weights, detail)
    return replace(weights, detail=blend(replace(weights, detail=detail.sets[0]), 0, reach))


def _check_shape(one: NetworkWeights[Tensor], other: NetworkWeights[Tensor]) -> None:
    if one.network != other.network:
        raise SystemExit(f"weight sets of two networks: {one.network} and {other.network}")


def main() -> None:
    """Reads the command line and exports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--undamaged", type=Path, help="the weight set for undamaged film")
    parser.add_argument("--detail", type=Path, help="the weight set for detail of damaged film")
    parser.add_argument("--detail-reach", type=float, default=1.0, help="how far towards it the recipe's 1 lies")
    parser.add_argument("--detail-share", type=float, default=0.0, help="of that set, where a recipe names none")
    parser.add_argument("--also", type=Path, nargs="+", default=[], help="networks of other scales")
    given = parser.parse_args()
    found, *others = read_all(given.weights).values()
    if given.undamaged:
        found = join(found, read(given.undamaged))
    if given.detail:
        found = with_detail(found, read(given.detail), given.detail_reach)
    write(given.target, found, *([read(path) for path in given.also] or others), detail_share=given.detail_share)


if __name__ == "__main__":
    main()
