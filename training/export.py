"""Writes a checkpoint's averaged weights as safetensors: `python -m training.export RUN.pt reel-s.safetensors`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import save
from torch import Tensor

from reelwright.restoration.window_network import WindowNetwork


def export(checkpoint: Path, target: Path) -> int:
    """Writes `target`, whole or not at all; the steps the weights were trained for."""
    state: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    write(target, WindowNetwork(**state["network"]), state["average"])
    return int(state["step"])


def write(target: Path, network: WindowNetwork, weights: Mapping[str, Tensor]) -> None:
    """Writes a network's weights as `target`, whole or not at all."""
    tensors = {name: tensor.float().cpu().contiguous().numpy() for name, tensor in weights.items()}
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_bytes(save(tensors, network.to_metadata()))
    draft.replace(target)


def main() -> None:
    """Reads the command line and exports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    print(f"{given.target}: weights after {export(given.checkpoint, given.target)} steps")


if __name__ == "__main__":
    main()
