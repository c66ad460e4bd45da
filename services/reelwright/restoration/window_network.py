"""The `reel` networks, which look at a window of frames, described apart from any runtime.

Luma of five aligned frames, folded `unshuffle` x `unshuffle`, with the maps and figures of what was measured, goes
through a plain stack of 3x3 convolutions with ReLU between them. Each channel of each convolution is scaled by a factor
that a small net computes from the figures alone (FiLM, arXiv:1709.07871): clean and damaged film may so use the same
weights in different ways, and the factors can be multiplied into the weights shot by shot. The last one's channels are
unfolded into a picture `scale` times as large: what is to be added to a bicubic enlargement of the repaired middle
frame. (Sub-pixel convolution: Shi et al., arXiv:1609.05158; measured noise as an input: FFDNet, arXiv:1710.04026.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARCHITECTURE = "reel-2"

# Frames of a window: two before, the middle one, two after.
FRAMES = 5
MIDDLE = FRAMES // 2
# Maps at full size beside the frames: dust and scratches.
MAPS = 2
# Figures that hold for the whole frame: grain, its size, blockiness, sharpness.
FIGURES = 4
# Neighbours enter as differences to the middle frame, this many times enlarged; beyond 64 levels they are cut off.
DIFFERENCE_GAIN = 4.0
# Enlargements that there are networks for.
SCALES = (2, 3, 4)
# Axes along which each copy of a self-ensemble is mirrored, by the number of copies. Of two one is turned by half: this
# gained more than mirroring it along one side (docs/training.md).
MIRRORINGS: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((),),
    2: ((), (-2, -1)),
    4: ((), (-1,), (-2,), (-2, -1)),
}
# Factors are positive, so that an engine may move them across a ReLU. Those of trained networks are 0.7 to 1.4.
LEAST_FACTOR = 1 / 16
# Neurons of the small net.
CONDITION = 16


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """What a network reads beside the luma of the frame. Integers, so that bf16 arithmetic keeps them exactly.

    Attributes:
        differences: (4, H, W) int8, each aligned neighbour less the repaired frame, in 8-bit levels, saturated.
        maps: (2, H, W) uint8: dust, and scratches around 128.
        agreement: (4, H // 2, W // 2) uint8, see `alignment.AlignedWindow`.
        figures: (4,) float32, see `measurement.Measurement.figures`.
        detail: share of the weight set for detail, 0 to 1; a network without such a set ignores it.
        lines: where the set for damaged film restores, whatever the grain, see `scratch_lines`; None for nowhere.
    """

    differences: NDArray[np.int8]
    maps: NDArray[np.uint8]
    agreement: NDArray[np.uint8]
    figures: NDArray[np.float32]
    detail: float = 0.0
    lines: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class WindowNetwork:
    """The shape of a `reel` network on windows.

    Attributes:
        channels: of every hidden layer.
        layers: convolutions in all, the first and the last included.
        unshuffle: pixels per side that are folded into channels before the first; agreement maps are made for 2.
        scale: enlargement.
        ensemble: mirrored copies of the input whose results are averaged (`self_ensemble`). Weights serve any number.
    """

    channels: int = 64
    layers: int = 10
    unshuffle: int = 2
    scale: int = 2
    ensemble: int = 1

    @property
    def inputs(self) -> int:
        """Channels of the first convolution: frames and maps folded, agreement of the neighbours, figures."""
        return (FRAMES + MAPS) * self.unshuffle**2 + (FRAMES - 1) + FIGURES

    @property
    def widths(self) -> list[int]:
        """Output channels of each convolution, in order."""
        return [*[self.channels] * (self.layers - 1), (self.unshuffle * self.scale) ** 2]

    @property
    def halo(self) -> int:
        """Pixels around a pixel of the source that reach its result: one folded pixel per convolution."""
        return self.layers * self.unshuffle

    def shapes(self) -> dict[str, list[int]]:
        """The shape of every tensor, by name; a convolution's weight is (out, in, 3, 3), a layer's (out, in)."""
        found: dict[str, list[int]] = {}
        for layer, (before, after) in enumerate(pairwise([self.inputs, *self.widths])):
            found[f"conv{layer}.weight"], found[f"conv{layer}.bias"] = [after, before, 3, 3], [after]
        found["figures.weight"], found["figures.bias"] = [CONDITION, FIGURES], [CONDITION]
        found["factors.weight"], found["factors.bias"] = [sum(self.widths), CONDITION], [sum(self.widths)]
        return found

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> WindowNetwork:
        """The network that a file's metadata describe.

        Raises:
            ValueError: there is no such network.
        """
        try:
            # Files made before there were self-ensembles do not name one. All else is complete: nothing is guessed.
            fields = {"ensemble": 1, **fields}
            network = cls(**fields)
            sound = fields == asdict(network) and network.channels > 0 and network.layers > 1
            sound = sound and network.unshuffle == 2 and network.scale in SCALES and network.ensemble in MIRRORINGS
        except TypeError:
            sound = False
        if not sound:
            raise ValueError("no such reel network")
        return network


def networks_to_metadata(networks: Mapping[str, WindowNetwork]) -> dict[str, str]:
    """The safetensors metadata that say what the tensors of a file are.

    Args:
        networks: that of the tensors without a prefix, under "", and those of other shapes by their tensors' prefix.
    """
    fields = {prefix: asdict(network) for prefix, network in networks.items()}
    metadata = {"architecture": ARCHITECTURE, "network": json.dumps(fields.pop(""), sort_keys=True)}
    return metadata | ({"networks": json.dumps(fields, sort_keys=True)} if fields else {})


def networks_from_metadata(metadata: Mapping[str, str]) -> dict[str, WindowNetwork]:
    """The networks that a file's metadata describe, as in `networks_to_metadata`; none for a file of another family.

    Raises:
        ValueError: the file says it is of this family but not which networks.
    """
    if metadata.get("architecture") != ARCHITECTURE:
        return {}
    try:
        described = {**json.loads(metadata.get("networks", "{}")), "": json.loads(metadata["network"])}
        return {prefix: WindowNetwork.from_fields(fields) for prefix, fields in described.items()}
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError("no such reel network") from None


def channel_factors(tensors: Mapping[str, NDArray[np.float32]], figures: NDArray[np.float32]) -> NDArray[np.float32]:
    """The factors of all channels of all convolutions in order, from the figures of one frame.

    Args:
        tensors: the network's weights by name, float32.
        figures: (4,) float32, see `measurement.Measurement.figures`.

    Returns:
        (sum of `WindowNetwork.widths`,) float32, around 1 and at least `LEAST_FACTOR`.
    """
    hidden = np.maximum(tensors["figures.weight"] @ figures + tensors["figures.bias"], 0)
    factors = 1 + tensors["factors.weight"] @ hidden + tensors["factors.bias"]
    return np.asarray(np.maximum(factors, LEAST_FACTOR), np.float32)


def input_planes(luma: NDArray[np.float32], window: NetworkInput) -> list[NDArray[Any]]:
    """The network's inputs as planes: luma (1, H, W) extended to the sides of the others, then those of `window`."""
    bottom, right = (side - own for side, own in zip(window.maps.shape[1:], luma.shape, strict=True))
    extended = np.pad(luma, ((0, bottom), (0, right)), mode="edge") if bottom or right else luma
    return [extended[None], window.differences, window.maps, window.agreement]
