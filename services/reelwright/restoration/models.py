"""Finds networks: the packaged ones by name, any other by the path of its safetensors file."""

from __future__ import annotations

import difflib
import hashlib
import json
import struct
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from reelwright.restoration.weight_sets import (
    DETAIL_SHARE,
    TEMPORAL_FILTER,
    WeightSet,
    network_prefixes,
    split_scales,
)
from reelwright.restoration.window_network import MIDDLE, WindowNetwork, networks_from_metadata
from reelwright.titles.errors import ModelError
from reelwright.titles.recipe import Recipe

# The limit of the reference implementation of safetensors.
_HEADER_LIMIT = 100_000_000
# The single-frame networks that development versions shipped.
_EARLIER = "reel-1"
# Types of tensors that numpy has, so that every engine can read them.
_DTYPES = {"F32", "F16"}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A network on disk.

    Attributes:
        name: its name in a recipe.
        path: its safetensors file.
        sha256: digest of the file, in hex.
        networks: its networks, see `networks_from_metadata`; none for another family than `reel`, which the torch
            engine loads through spandrel.
        scales: the enlargements that it has weights for, ascending; () for another family.
        detail: share of its weight set for detail where a recipe names none, 0 to 1.
        temporal_filter: scales of the networks whose results are averaged along the motion where a recipe does not say.
    """

    name: str
    path: Path
    sha256: str
    networks: dict[str, WindowNetwork]
    scales: tuple[int, ...]
    detail: float
    temporal_filter: tuple[int, ...] = ()

    @property
    def halo_frames(self) -> int:
        """Frames before and after each frame that the network reads; 0 for a network on single frames."""
        return MIDDLE if self.networks else 0

    def halo_frames_of(self, recipe: Recipe) -> int:
        """Frames before and after each frame that a recipe with this model reads.

        The temporal filter needs the result of one more frame on either side, if the network reads windows.
        """
        return self.halo_frames + self.is_filtered(recipe.temporal_filter, recipe.scale)

    def is_filtered(self, wanted: str | None, scale: int) -> bool:
        """Whether results are averaged along the motion; never those of a network on single frames.

        Args:
            wanted: the recipe's `temporal_filter`.
            scale: of the enlargement; see `enlarge.enlarge` for the network that it takes.
        """
        if not self.networks:
            return False
        own = scale if scale in self.scales else self.scales[0]
        return wanted == "on" if wanted else own in self.temporal_filter

    @property
    def card(self) -> str:
        """The model card in Markdown, from the `.md` file next to the network; empty when there is none."""
        card = self.path.with_suffix(".md")
        return card.read_text() if card.exists() else ""


def list_models() -> list[ModelFile]:
    """The packaged networks, sorted by name."""
    return [_load(path.stem, path) for path in sorted(_weights().glob("*.safetensors"))]


def resolve_model(name_or_path: str) -> ModelFile:
    """Finds a packaged network by its name, or a network file by its path.

    Raises:
        ModelError: neither exists, or the file is not a valid safetensors file.
    """
    packaged, path = _weights() / f"{name_or_path}.safetensors", Path(name_or_path)
    try:
        if packaged.is_file():
            return _load(name_or_path, packaged)
        if path.is_file():
            return _load(path.stem, path)
    except OSError as error:
        # A name that is too long, or a folder that must not be read.
        raise ModelError(error.strerror or "cannot be read", name_or_path, "check the path") from None
    if path.suffix or "/" in name_or_path:
        raise ModelError("no such model file", name_or_path, "check the path")
    names = [path.stem for path in sorted(_weights().glob("*.safetensors"))]
    close = difflib.get_close_matches(name_or_path, names, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
    raise ModelError(f"no model named {name_or_path!r}", "", hint)


def _weights() -> Path:
    return Path(str(resources.files("reelwright.restoration"))) / "weights"


def _load(name: str, path: Path) -> ModelFile:
    try:
        header = _header(path)
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(error.strerror or "cannot be read", str(path), "check the file") from None
    return ModelFile(name, path, sha256, *_networks(header, path))


def _networks(
    header: dict[str, Any], path: Path
) -> tuple[dict[str, WindowNetwork], tuple[int, ...], float, tuple[int, ...]]:
    """What a `ModelFile` says of the `reel` networks in a file; for another family none, (), 0 and ().

    Raises:
        ModelError: the file names a `reel` network and does not hold exactly its tensors.
    """
    try:
        metadata = dict(header.get("__metadata__", {}))
        if metadata.get("architecture") == _EARLIER:
            raise ModelError("a network of version 0.1, which reads single frames", str(path), "train it again")
        networks = networks_from_metadata(metadata)
        if not networks:
            return {}, (), 0.0, ()
        if not networks.keys() <= network_prefixes():
            raise ValueError("unexpected networks")
        tensors = {name: value for name, value in header.items() if name != "__metadata__"}
        shapes = {name: value["shape"] for name, value in tensors.items()}
        by_scale = split_scales(networks, shapes)
        for scale, weights in by_scale.items():
            detail_set = [] if weights.detail is None else [WeightSet(weights.network, weights.detail)]
            for weight_set in [*weights.sets, *detail_set]:
                _check_set(weight_set, scale)
        if not {value["dtype"] for value in tensors.values()} <= _DTYPES:
            raise ValueError("unexpected dtype")
        detail = float(metadata.get(DETAIL_SHARE, "0"))
        if not 0 <= detail <= 1:
            raise ValueError("unexpected share of detail")
        filtered = tuple(int(scale) for scale in metadata.get(TEMPORAL_FILTER, "").split(",") if scale)
        if not set(filtered) <= by_scale.keys():
            raise ValueError("unexpected temporal filter")
    except (ValueError, TypeError, KeyError, AttributeError):
        what = "its tensors are not those of the reel network it names"
        raise ModelError(what, str(path), "export it again") from None
    return networks, tuple(by_scale), detail, filtered


def _check_set(weights: WeightSet[list[int]], scale: int) -> None:
    """Raises ValueError unless the set has the shapes of its network, and that enlarges by `scale`."""
    # Compare the number first: `shapes` would allocate as many entries as the file claims layers.
    if len(weights.tensors) != 2 * weights.network.layers + 4 or weights.tensors != weights.network.shapes():
        raise ValueError("unexpected tensors")
    if weights.network.scale != scale:
        raise ValueError("unexpected scale")


def _header(path: Path) -> dict[str, Any]:
    """Reads the header of a safetensors file: 8 bytes of length (little endian), then JSON."""
    with path.open("rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        text = stream.read(length) if 2 <= length <= _HEADER_LIMIT else b""
    try:
        header: dict[str, Any] = json.loads(text)
        end = max(value["data_offsets"][1] for name, value in header.items() if name != "__metadata__")
        if len(text) != length or path.stat().st_size != 8 + length + end:
            raise ValueError("truncated")
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        remedy = "convert it to safetensors (a pickle can run code when it is loaded)"
        raise ModelError("not a safetensors file, or cut short", str(path), remedy) from None
    return header
