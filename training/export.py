"""Writes weights as safetensors: `python -m training.export RUN.pt reel-s.safetensors`.

With `--undamaged OTHER` the file also holds a second weight set, for undamaged film. Each is a checkpoint of
`training.train`, whose averaged weights count, or a safetensors file.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.numpy import save
from torch import Tensor

from reelwright.restoration.weight_sets import UNDAMAGED
from reelwright.restoration.window_network import WindowNetwork


def read(path: Path) -> tuple[WindowNetwork, dict[str, Tensor]]:
    """The network and the weights of a checkpoint or a safetensors file.

    Raises:
        SystemExit: it holds no reel network.
    """
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            network = WindowNetwork.from_metadata(file.metadata() or {})
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - no mapping
    else:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        network, weights = WindowNetwork(**state["network"]), state["average"]
    if network is None:
        raise SystemExit(f"{path} is no reel network on windows")
    return network, weights


def write(target: Path, network: WindowNetwork, weights: Mapping[str, Tensor]) -> None:
    """Writes a network's weights as `target`, whole or not at all."""
    tensors = {name: tensor.float().cpu().contiguous().numpy() for name, tensor in weights.items()}
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_bytes(save(tensors, network.to_metadata()))
    draft.replace(target)


def join(damaged: Path, undamaged: Path, target: Path) -> None:
    """Writes two weight sets of one network as one file.

    Raises:
        SystemExit: they are of two networks.
    """
    (network, weights), (other, more) = read(damaged), read(undamaged)
    if network != other:
        raise SystemExit(f"{damaged} and {undamaged} are of two networks")
    write(target, network, weights | {UNDAMAGED + name: tensor for name, tensor in more.items()})


def main() -> None:
    """Reads the command line and exports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--undamaged", type=Path, help="the weight set for undamaged film")
    given = parser.parse_args()
    if given.undamaged:
        join(given.weights, given.undamaged, given.target)
    else:
        write(given.target, *read(given.weights))


if __name__ == "__main__":
    main()
