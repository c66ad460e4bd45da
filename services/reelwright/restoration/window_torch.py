"""The `reel` networks on windows, in torch: the reference, and what training trains."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reelwright.restoration.alignment import FRAMES, MIDDLE
from reelwright.restoration.window_network import WindowNetwork

# Neighbours enter as differences to the middle frame, this much enlarged; beyond 64 levels they are cut off.
_DIFFERENCE_GAIN = 4.0


class WindowNet(nn.Module):
    """A window to the middle frame's detail over a bicubic enlargement."""

    def __init__(self, network: WindowNetwork) -> None:
        super().__init__()
        self.network = network
        for name, shape in network.shapes().items():
            if name.endswith("weight"):
                self.add_module(name.partition(".")[0], nn.Conv2d(shape[1], shape[0], 3, padding=1))

    def forward(self, frames: Tensor, maps: Tensor, agreement: Tensor, figures: Tensor) -> Tensor:
        """The detail to add to `enlarge(frames)`.

        Args:
            frames: (N, 5, H, W) in [0, 1], aligned, the middle one repaired.
            maps: (N, 2, H, W) in [0, 1]: dust, and scratches around 0.5.
            agreement: (N, 4, H / 2, W / 2) in [0, 1].
            figures: (N, 4), see `window_network.figures`.

        Returns:
            (N, 1, scale * H, scale * W).
        """
        *hidden, last = self.children()
        fold = self.network.unshuffle
        middle = frames[:, MIDDLE : MIDDLE + 1]
        # What a neighbour adds is its small difference; as large as the picture itself, it is learnt sooner.
        others = [frames[:, i : i + 1] for i in range(FRAMES) if i != MIDDLE]
        differences = ((torch.cat(others, dim=1) - middle) * _DIFFERENCE_GAIN).clamp(-1, 1)
        # Centred inputs: convolutions pad with zeros, and zero is then mid-grey rather than black.
        pixels = functional.pixel_unshuffle(torch.cat([middle - 0.5, differences, maps - 0.5], dim=1), fold)
        planes = figures[:, :, None, None].expand(-1, -1, *agreement.shape[2:])
        features = torch.cat([pixels, agreement, planes], dim=1)
        for layer in hidden:
            features = functional.relu(layer(features))
        detail: Tensor = functional.pixel_shuffle(last(features), fold * self.network.scale)
        return detail


def enlarge(frames: Tensor, scale: int) -> Tensor:
    """The bicubic enlargement of the middle frame, by OpenCV's kernel (a = -0.75); (N, 1, scale * H, scale * W)."""
    middle = frames[:, MIDDLE : MIDDLE + 1]
    return functional.interpolate(middle, scale_factor=scale, mode="bicubic", align_corners=False)
