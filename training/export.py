"""Writes weights as safetensors: `python -m training.export RUN.pt reel-s.safetensors`.

With `--undamaged OTHER` the file also holds a second weight set, for undamaged film: that of OTHER if it has one, or
else its first. With `--also OTHER` it also holds the weight sets for another scale, in place of those that the first
file has (`--also-scale` says which of OTHER's). With `--detail OTHER` the network of OTHER's scale gets a set for
detail that was trained on from its set for damaged film; several files may be named, one for each scale. With
`--ensemble 4=2` the networks that enlarge by 4 run on two mirrored copies and the mean counts. Each file is a
checkpoint of `training.train`, whose averaged weights count, or a safetensors file.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
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
    TEMPORAL_FILTER,
    UNDAMAGED,
    NetworkWeights,
    WeightSet,
    blend,
    scale_prefix,
    split_scales,
)
from reelwright.restoration.window_network import (
    MIRRORINGS,
    SCALES,
    WindowNetwork,
    networks_from_metadata,
    networks_to_metadata,
)


def read_all(path: Path) -> dict[int, NetworkWeights[Tensor]]:
    """The weight sets of a checkpoint or a safetensors file by their scale; its first one first.

    Raises:
        SystemExit: the file is no reel network.
    """
    if path.suffix != ".safetensors":
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        network = WindowNetwork(**state["network"])
        return {network.scale: NetworkWeights([WeightSet(network, state["average"])])}
    with safe_open(path, "pt") as file:
        described = networks_from_metadata(file.metadata() or {})
        weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - no mapping
    if not described:
        raise SystemExit(f"{path} is no reel network on windows")
    networks = split_scales(described, weights)
    first = described[""].scale
    return {first: networks.pop(first), **networks}


def read(path: Path, scale: int | None = None) -> NetworkWeights[Tensor]:
    """The weight sets for a scale of a checkpoint or a safetensors file.

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
    target: Path,
    first: NetworkWeights[Tensor],
    *others: NetworkWeights[Tensor],
    detail_share: float = 0.0,
    filtered: Sequence[int] = (),
) -> None:
    """Writes weight sets for one scale or several as `target`, whole or not at all.

    Args:
        target: a safetensors file.
        first: those whose tensors have no prefix for their scale.
        others: those for other scales.
        detail_share: share of their sets for detail where a recipe names none, 0 to 1.
        filtered: scales of those whose results are averaged along the motion where a recipe does not say.

    Raises:
        SystemExit: two are for one scale.
    """
    tensors: dict[str, Tensor] = {}
    networks: dict[str, WindowNetwork] = {}
    for weights in (first, *others):
        scale = weights.network.scale
        own = "" if weights is first else scale_prefix(scale)
        if own and scale in {first.network.scale, *(other.network.scale for other in others if other is not weights)}:
            raise SystemExit(f"{target}: two networks enlarge by {scale}")
        # A file names the shapes that do not follow from its first one.
        expected = replace(first.network, scale=scale)
        for prefix, weight_set in zip(("", UNDAMAGED), weights.sets, strict=False):
            if not own + prefix or weight_set.network != expected:
                networks[own + prefix] = expected = weight_set.network
            tensors |= {own + prefix + name: tensor for name, tensor in weight_set.tensors.items()}
        tensors |= {own + DETAIL + name: tensor for name, tensor in (weights.detail or {}).items()}
    arrays = {name: tensor.float().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    defaults = {DETAIL_SHARE: f"{detail_share:g}"}
    if filtered:
        defaults[TEMPORAL_FILTER] = ",".join(map(str, filtered))
    draft.write_bytes(save(arrays, networks_to_metadata(networks) | defaults))
    draft.replace(target)


def join(damaged: NetworkWeights[Tensor], undamaged: NetworkWeights[Tensor]) -> NetworkWeights[Tensor]:
    """The first weight set of one for damaged film, and for undamaged film the last of another, of any shape.

    Raises:
        SystemExit: they are for two scales.
    """
    if damaged.network.scale != undamaged.network.scale:
        raise SystemExit("weight sets for two scales")
    return replace(damaged, sets=[damaged.sets[0], undamaged.sets[-1]])


def with_detail(
    networks: Sequence[NetworkWeights[Tensor]], detail: NetworkWeights[Tensor], reach: float = 1.0
) -> list[NetworkWeights[Tensor]]:
    """Weight sets for several scales, those of one scale with the first set of `detail` as their set for detail.

    Args:
        networks: those for each scale.
        detail: of the scale and shape of a first set among them, and trained on from it.
        reach: how far from that set towards `detail` the set for detail lies, 0 to 1.

    Raises:
        SystemExit: no first set is of the network of `detail`.
    """
    shapes = detail.network.shapes()
    if shapes not in [weights.network.shapes() for weights in networks]:
        known = "; ".join(str(weights.network) for weights in networks)
        raise SystemExit(f"a set for detail of another network: {detail.network}, where there are {known}")
    tensors = detail.sets[0].tensors
    return [
        replace(weights, detail=blend(replace(weights, detail=tensors), 0, reach))
        if weights.network.shapes() == shapes
        else weights
        for weights in networks
    ]


def with_ensemble(weights: NetworkWeights[Tensor], copies: int) -> NetworkWeights[Tensor]:
    """Weight sets for a scale that run on so many mirrored copies, a key of `window_network.MIRRORINGS`."""
    sets = [replace(weight_set, network=replace(weight_set.network, ensemble=copies)) for weight_set in weights.sets]
    return replace(weights, sets=sets)


def _scale_and_copies(text: str) -> tuple[int, int]:
    scale, copies = map(int, text.split("="))
    if scale not in SCALES or copies not in MIRRORINGS:
        raise ValueError
    return scale, copies


def main() -> None:
    """Reads the command line and exports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--undamaged", type=Path, help="the weight set for undamaged film")
    parser.add_argument("--detail", type=Path, nargs="+", default=[], help="weight sets for detail of damaged film")
    parser.add_argument("--detail-reach", type=float, default=1.0, help="how far towards it the recipe's 1 lies")
    parser.add_argument("--detail-share", type=float, default=0.0, help="of that set, where a recipe names none")
    parser.add_argument(
        "--filtered",
        type=int,
        choices=SCALES,
        nargs="+",
        default=[],
        help="scales with the temporal filter by default",
    )
    parser.add_argument("--also", type=Path, nargs="+", default=[], help="networks of other scales")
    parser.add_argument("--also-scale", type=int, choices=SCALES, help="which of theirs; the first of each by default")
    parser.add_argument(
        "--ensemble", type=_scale_and_copies, nargs="+", default=[], help="SCALE=COPIES, mirrored, that are averaged"
    )
    given = parser.parse_args()
    found, *others = read_all(given.weights).values()
    if given.undamaged:
        found = join(found, read(given.undamaged))
    others = [read(path, given.also_scale) for path in given.also] or others
    networks = [found, *others]
    for detail in map(read, given.detail):
        networks = with_detail(networks, detail, given.detail_reach)
    for scale, copies in given.ensemble:
        networks = [with_ensemble(own, copies) if own.network.scale == scale else own for own in networks]
    write(given.target, *networks, detail_share=given.detail_share, filtered=given.filtered)


if __name__ == "__main__":
    main()
