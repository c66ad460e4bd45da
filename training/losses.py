"""What a training minimises, on a CPU as on a GPU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# The network saw zeros beyond the rim of a patch where the film goes on. The rim, in source pixels, does not count.
_RIM = 4
# Squared error of 0.3 levels, about that of rounding a picture to integers: better than that is not looked for. With
# one level, patches of undamaged film that are restored to 48 dB and more, as in soft film, no longer counted.
_LEVEL = (0.3 / 255) ** 2
# Flicker counts where the truths of two frames, one moved onto the other, agree; elsewhere something is covered.
_FOLLOWED = 3 / 255
# Pixels of the truth per side of the places whose detail is compared, and the detail, in levels, that counts as none.
_PLACE, _FLAT = 8, 0.75 / 255
# Blur, in standard deviations of the truth's pixels, between the bands of detail: fine lines, texture, small shapes.
_BANDS = (0.7, 1.4, 2.8)


def squared_errors(picture: Tensor, truth: Tensor, scale: int) -> Tensor:
    """Mean squared error of each sample within its rim; (N,) from two (N, 1, rows, columns) in [0, 1]."""
    return _inner(picture - truth, scale).square().mean(dim=(1, 2, 3))


def charbonnier(picture: Tensor, truth: Tensor, scale: int) -> Tensor:
    """Absolute error with a smooth bottom: squared error would answer grain with blur from the start; a scalar."""
    return torch.sqrt(_inner(picture - truth, scale).square() + 1e-6).mean()


def decibels(squares: Tensor) -> Tensor:
    """Mean of the logarithms of `squared_errors`, a scalar.

    Each sample counts by its decibels, or damaged samples would drown the undamaged ones.
    """
    return torch.log(squares + _LEVEL).mean() * 0.01


def lost_detail(picture: Tensor, truth: Tensor, scale: int) -> Tensor:
    """How far the detail of a picture is from the truth's in strength, wherever it lies exactly; a scalar.

    In each of three bands (differences of Gaussians: Burt and Adelson 1983) and each place of 8x8 pixels, the
    logarithm of the ratio of the standard deviations. A picture of least squared error has too little: it shows the
    mean of all that may have been there.
    """
    strengths = [_strengths(_inner(image, scale)) for image in (picture, truth)]
    return torch.stack([(own / true).log().abs().mean() for own, true in zip(*strengths, strict=True)]).mean()


Pair = tuple[Tensor, Tensor]


def flickers(pictures: Pair, truths: Pair, motion: Tensor, scale: int) -> Tensor:
    """Mean squared change of the error along the motion, of each pair of adjacent frames; (N,).

    An error that moves with the picture is seen as a softer or wrong picture; one that changes is seen as flicker as
    well.

    Args:
        pictures: of the first frames and of the frames after them, each (N, 1, rows, columns) in [0, 1].
        truths: the same of their truths.
        motion: (N, rows, columns, 2), see `batches.PairBatch`.
        scale: of the network.
    """
    rows, columns = motion.shape[1:3]
    down, across = torch.meshgrid(
        torch.arange(rows, device=motion.device), torch.arange(columns, device=motion.device), indexing="ij"
    )
    places = (torch.stack([across, down], dim=-1) + motion) / motion.new_tensor([columns - 1, rows - 1]) * 2 - 1
    error, later = (picture - truth for picture, truth in zip(pictures, truths, strict=True))
    moved, shown = (
        functional.grid_sample(field, places, "bicubic", padding_mode="border", align_corners=True)
        for field in (later, truths[1])
    )
    rim = _RIM * scale / columns * 2
    followed = (places.abs().amax(dim=-1) < 1 - rim)[:, None] & ((shown - truths[0]).abs() < _FOLLOWED)
    counted = _inner(followed.to(error.dtype), scale)
    squares = _inner(moved - error, scale).square() * counted
    return squares.sum(dim=(1, 2, 3)) / counted.sum(dim=(1, 2, 3)).clamp(min=1)


def _strengths(image: Tensor) -> list[Tensor]:
    """The standard deviation in each place, band by band; (N, 1, rows / 4, columns / 4) each."""
    found, finer = [], image
    for sigma in _BANDS:
        coarser = _blur(image, sigma)
        energy = functional.avg_pool2d((finer - coarser).square(), _PLACE, _PLACE // 2)
        found.append((energy + _FLAT**2).sqrt())
        finer = coarser
    return found


def _blur(image: Tensor, sigma: float) -> Tensor:
    reach = round(3 * sigma)
    places = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (places / sigma).square())
    kernel = kernel / kernel.sum()
    padded = functional.pad(image, [reach] * 4, mode="reflect")
    return functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def _inner(difference: Tensor, scale: int) -> Tensor:
    rim = _RIM * scale
    return difference[:, :, rim:-rim, rim:-rim]
