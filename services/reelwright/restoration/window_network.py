"""The `reel` networks that look at a window of frames, described apart from any runtime.

Luma of five aligned frames, folded `unshuffle` x `unshuffle`, with the maps and figures of what was measured, goes
through a plain stack of 3x3 convolutions with ReLU between them. Each channel of each convolution is scaled by a factor
that a small net computes from the figures alone (FiLM, arXiv:1709.07871): clean and damaged film may so use the same
weights in different ways, and the factors can be multiplied into the weights shot by shot. The last one's channels are
unfolded into a picture `scale` times as large: what is to be added to a bicubic enlargement of the repaired middle
frame. (Sub-pixel convolution: Shi et al., arXiv:1609.05158; measured noise as an input: FFDNet, arXiv:1710.04026.)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.alignment import FRAMES
from reelwright.restoration.measurement import Measurement

ARCHITECTURE = "reel-2"

# Maps at full size beside the frames: dust and scratches.
MAPS = 2
# Figures that hold for the whole frame: grain, its size, blockiness, sharpness.
FIGURES = 4
# Neurons of the small net.
CONDITION = 16
# Grain of this many levels is 1 for the network.
_GRAIN_UNIT = 16.0


@dataclass(frozen=True, slots=True)
class WindowNetwork:
    """The shape of a `reel` network on windows.

    Attributes:
        channels: of every hidden layer.
        layers: convolutions in all, the first and the last included.
        unshuffle: pixels per side that are folded into channels before the first; agreement maps are made for 2.
        scale: enlargement.
    """

    channels: int = 64
    layers: int = 10
    unshuffle: int = 2
    scale: int = 2

    @property
    def inputs(self) -> int:
        """Channels of the first convolution: frames and maps folded, agreement of the neighbours, figures."""
        return (FRAMES + MAPS) * self.unshuffle**2 + (FRAMES - 1) + FIGURES

    @property
    def halo(self) -> int:
        """Pixels around a pixel of the source that reach its result: one folded pixel per convolution."""
        return self.layers * self.unshuffle

    def shapes(self) -> dict[str, list[int]]:
        """The shape of every tensor, by name; a convolution's weight is (out, in, 3, 3), a layer's (out, in)."""
        widths = [self.inputs, *[self.channels] * (self.layers - 1), (self.unshuffle * self.scale) ** 2]
        found: dict[str, list[int]] = {}
        for layer, (before, after) in enumerate(pairwise(widths)):
            found[f"conv{layer}.weight"], found[f"conv{layer}.bias"] = [after, before, 3, 3], [after]
        found["figures.weight"], found["figures.bias"] = [CONDITION, FIGURES], [CONDITION]
        found["factors.weight"], found["factors.bias"] = [sum(widths[1:]), CONDITION], [sum(widths[1:])]
        return found

    def to_metadata(self) -> dict[str, str]:
        """The safetensors metadata that says what the tensors are."""
        return {"architecture": ARCHITECTURE, "network": json.dumps(asdict(self), sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> WindowNetwork | None:
        """The network that a file's metadata describes; None when the file is not of this family.

        Raises:
            ValueError: the file says it is of this family but not which network.
        """
        if metadata.get("architecture") != ARCHITECTURE:
            return None
        try:
            network = cls(**json.loads(metadata["network"]))
            sound = (
                network.channels > 0 and network.layers > 1 and network.unshuffle == 2 and network.scale in {2, 3, 4}
            )
        except (KeyError, TypeError):
            sound = False
        if not sound:
            raise ValueError("no such reel network")
        return network


def figures(measurement: Measurement) -> NDArray[np.float32]:
    """The figures of a measurement as the network reads them; (4,) float32, about 0 to 1."""
    found = (measurement.grain / _GRAIN_UNIT, measurement.grain_size, measurement.blockiness, measurement.sharpness)
    return np.array(found, np.float32)
