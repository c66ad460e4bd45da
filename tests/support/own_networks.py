"""A network that no package has: the same layers as a packaged one, in a file with another hash."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from reelwright.restoration.models import resolve_model


def own_network(folder: Path) -> Path:
    """Writes the network into a folder; its safetensors file."""
    packaged, path = resolve_model("reel-s").path, folder / "own.safetensors"
    with safe_open(str(packaged), "np") as file:
        metadata = file.metadata()
    save_file(load_file(str(packaged)), str(path), {**metadata, "made_for": "tests"})
    return path
