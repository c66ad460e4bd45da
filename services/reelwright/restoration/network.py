"""The `reel` family of networks, described apart from any runtime.

A network looks at luma alone. It folds each `unshuffle` x `unshuffle` block of pixels into channels, runs a plain
stack of 3x3 convolutions with ReLU between them, and unfolds the last one's channels into a picture `scale` times as
large: what is to be added to a bicubic enlargement. (Sub-pixel convolution: Shi et al., arXiv:1609.05158.)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise

ARCHITECTURE = "reel-1"


@dataclass(frozen=True, slots=True)
class Network:
    """The shape of a `reel` network.

    Attributes:
        channels: of every hidden layer.
        layers: convolutions in all, the first and the last included.
        unshuffle: pixels per side that are folded into channels before the first.
        scale: enlargement.
    """

    channels: int
    layers: int
    unshuffle: int
    scale: int

    @property
    def halo(self) -> int:
        """Pixels around a pixel of the source that reach its result: one folded pixel per convolution."""
        return self.layers * self.unshuffle

    def to_metadata(self) -> dict[str, str]:
        """The safetensors metadata that says what the tensors are."""
        return {"architecture": ARCHITECTURE, "network": json.dumps(asdict(self), sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> Network | None:
        """The network that a file's metadata describes; None when the file is not of this family.

        Raises:
            ValueError: the file says it is of this family but not which network.
        """
        if metadata.get("architecture") != ARCHITECTURE:
            return None
        try:
            network = cls(**json.loads(metadata["network"]))
            sound = network.channels > 0 and network.layers > 1 and network.unshuffle > 0 and network.scale in {2, 3, 4}
        except (KeyError, TypeError):
            sound = False
        if not sound:
            raise ValueError("no such reel network")
        return network

    def shapes(self) -> dict[str, list[int]]:
        """The shape of every tensor, by name."""
        inner = [self.channels] * (self.layers - 1)
        widths = [self.unshuffle**2, *inner, (self.unshuffle * self.scale) ** 2]
        found: dict[str, list[int]] = {}
        for (weight, bias), (before, after) in zip(self.names(), pairwise(widths), strict=True):
            found[weight], found[bias] = [after, before, 3, 3], [after]
        return found

    def names(self) -> list[tuple[str, str]]:
        """The tensor names (weight, bias) of each convolution in order; weights are (out, in, 3, 3)."""
        return [(f"conv{layer}.weight", f"conv{layer}.bias") for layer in range(self.layers)]
