"""The `reel` networks on windows, in torch: the reference, and what training trains."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reelwright.restoration.window_network import (
    CONDITION,
    DIFFERENCE_GAIN,
    FIGURES,
    FRAMES,
    LEAST_FACTOR,
    MIDDLE,
    WindowNetwork,
)


class WindowNet(nn.Module):
    """A window to the residual: what is added to the bicubic enlargement of its middle frame."""

    def __init__(self, network: WindowNetwork) -> None:
        super().__init__()
        self.network = network
        for name, shape in network.shapes().items():
            if len(shape) == 4:
                self.add_module(name.partition(".")[0], nn.Conv2d(shape[1], shape[0], 3, padding=1))
        self.figures = nn.Linear(FIGURES, CONDITION)
        self.factors = nn.Linear(CONDITION, sum(layer.out_channels for layer in self.convolutions))

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """The convolutions in the order of their layers, which is that of `factors`."""
        return [layer for layer in self.children() if isinstance(layer, nn.Conv2d)]

    def forward(self, frames: Tensor, maps: Tensor, agreement: Tensor, figures: Tensor) -> Tensor:
        """The residual to add to `enlarge(frames, scale)`.

        Args:
            frames: (N, 5, H, W) in [0, 1], aligned, the middle one repaired.
            maps: (N, 2, H, W) in [0, 1]: dust, and scratches around 0.5.
            agreement: (N, 4, H / 2, W / 2) in [0, 1].
            figures: (N, 4), see `measurement.Measurement.figures`.

        Returns:
            (N, 1, scale * H, scale * W).
        """
        middle = frames[:, MIDDLE : MIDDLE + 1]
        # What a neighbour adds is its small difference; as large as the picture itself, it is learnt sooner.
        others = [frames[:, i : i + 1] for i in range(FRAMES) if i != MIDDLE]
        return self.residual(middle, torch.cat(others, dim=1) - middle, maps, agreement, figures)

    def residual(  # noqa: PLR0917 - the inputs of the network, in the order of `input_planes`
        self, middle: Tensor, differences: Tensor, maps: Tensor, agreement: Tensor, figures: Tensor
    ) -> Tensor:
        """As `forward`, from the middle frame (N, 1, H, W) and the neighbours' differences to it (N, 4, H, W).

        The convolutions compute in the dtype of their weights, all else in that of the arguments.
        """
        *hidden, last = self.convolutions
        # Factors start at 1, where the last layer of the small net is zero.
        factors = (1 + self.factors(functional.relu(self.figures(figures)))).clamp(min=LEAST_FACTOR)
        dtype = last.weight.dtype
        scales = factors[:, :, None, None].to(dtype).split([layer.out_channels for layer in (*hidden, last)], dim=1)
        fold = self.network.unshuffle
        neighbours = (differences * DIFFERENCE_GAIN).clamp(-1, 1)
        # Centred inputs: convolutions pad with zeros, and zero is then mid-grey rather than black.
        pixels = functional.pixel_unshuffle(torch.cat([middle - 0.5, neighbours, maps - 0.5], dim=1), fold)
        planes = figures[:, :, None, None].expand(-1, -1, *agreement.shape[2:])
        features = torch.cat([pixels, agreement, planes], dim=1).to(dtype)
        for layer, scale in zip(hidden, scales[:-1], strict=True):
            features = functional.relu(layer(features) * scale)
        residual: Tensor = functional.pixel_shuffle(last(features) * scales[-1], fold * self.network.scale)
        return residual


def enlarge(frames: Tensor, scale: int) -> Tensor:
    """The bicubic enlargement of the middle frame, by OpenCV's kernel (a = -0.75); (N, 1, scale * H, scale * W)."""
    middle = frames[:, MIDDLE : MIDDLE + 1]
    return functional.interpolate(middle, scale_factor=scale, mode="bicubic", align_corners=False)
