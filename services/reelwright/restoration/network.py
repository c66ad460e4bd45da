"""The `reel` family of networks, described without any runtime.

The input is luma. The network folds each block of `unshuffle` x `unshuffle` pixels into channels (pixel unshuffle),
applies 3x3 convolutions with a ReLU after each but the last, and unfolds the channels of the last one into a picture
`scale` times as large (pixel shuffle). The result is added to a bicubic enlargement of the input. Source of the
sub-pixel convolution: Shi et al., arXiv:1609.05158.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise

ARCHITECTURE = "reel-1"


@dataclass(frozen=True, slots=True)
class Network:
    """The layers of a `reel` network.

    Attributes:
        channels: output channels of each convolution but the last.
        layers: number of convolutions, at least 2.
        unshuffle: side of the pixel blocks that are folded into channels before the first convolution.
        scale: factor by which width and height grow: 2, 3 or 4.
    """

    channels: int
    layers: int
    unshuffle: int
    scale: int

    @property
    def halo(self) -> int:
        """Distance in source pixels over which pixels influence a result: one block for each convolution."""
        return self.layers * self.unshuffle

    def to_metadata(self) -> dict[str, str]:
        """The metadata of its safetensors file, from which `from_metadata` makes the same network."""
        return {"architecture": ARCHITECTURE, "network": json.dumps(asdict(self), sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> Network | None:
        """Reads the network from a file's metadata; None when the file is not of this family.

        Raises:
            ValueError: the file is of this family, and its description of the network is invalid.
        """
        if metadata.get("architecture") != ARCHITECTURE:
            return None
        try:
            network = cls(**json.loads(metadata["network"]))
            valid = network.channels > 0 and network.layers > 1 and network.unshuffle > 0 and network.scale in {2, 3, 4}
        except (KeyError, TypeError):
            valid = False
        if not valid:
            raise ValueError("invalid description of a reel network")
        return network

    def shapes(self) -> dict[str, list[int]]:
        """The shape of each tensor by its name: weights (out, in, 3, 3), biases (out,)."""
        hidden = [self.channels] * (self.layers - 1)
        widths = [self.unshuffle**2, *hidden, (self.unshuffle * self.scale) ** 2]
        found: dict[str, list[int]] = {}
        for (weight, bias), (before, after) in zip(self.names(), pairwise(widths), strict=True):
            found[weight], found[bias] = [after, before, 3, 3], [after]
        return found

    def names(self) -> list[tuple[str, str]]:
        """The names (weight, bias) of each convolution's tensors, in the order of the layers."""
        return [(f"conv{layer}.weight", f"conv{layer}.bias") for layer in range(self.layers)]
