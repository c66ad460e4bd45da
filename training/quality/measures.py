"""What is measured on restored frames: error, flicker along motion, tint, grain that was kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Picture
from reelwright.restoration.alignment import align, places_of, warp
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.optical_flow import flow_luma, half_flow
from reelwright.restoration.restore import Restorer
from reelwright.restoration.window_network import FRAMES, MIDDLE
from training.codecs import to_codes
from training.metrics import psnr, ssim
from training.quality import ffmpeg

Codes = NDArray[np.uint8]
Luma = NDArray[np.float32]

# Flicker is measured where the truth itself, warped along its motion, comes back within so many levels.
_FOLLOWED = 3.0
# Bands of grain by spatial frequency, in cycles per pixel of the source.
BANDS = ((0.0, 0.125), (0.125, 0.25), (0.25, 0.5))
# Detail begins at this spatial frequency, in cycles per pixel of the truth.
_DETAIL_FROM = 0.1


@dataclass(frozen=True, slots=True)
class Figures:
    """How near restored frames of one piece come to their truth.

    Attributes:
        psnr: of luma, in dB.
        ssim: structural similarity.
        vmaf: 0 to 100.
        xpsnr: of luma, in dB.
        flicker: root mean square of the change along motion between adjacent frames, in levels of 255.
        detail: see `detail_kept`.
    """

    psnr: float
    ssim: float
    vmaf: float
    xpsnr: float
    flicker: float
    detail: float


def figures_of(restored: Sequence[Luma], truth: Luma) -> Figures:
    """Measures adjacent frames.

    Args:
        restored: (rows, columns) float32 each.
        truth: (n, rows, columns) float32 in [0, 1].
    """
    found = np.clip(np.stack(restored), 0, 1)
    alike = ffmpeg.likeness(to_codes(found), to_codes(truth))
    return Figures(
        psnr=psnr(float(np.square(found - truth).mean())),
        ssim=float(np.mean([ssim(*pair) for pair in zip(found, truth, strict=True)])),
        vmaf=alike.vmaf,
        xpsnr=alike.xpsnr,
        flicker=flicker(found, truth),
        detail=float(np.mean([detail_kept(*pair) for pair in zip(found, truth, strict=True)])),
    )


def detail_kept(found: Luma, truth: Luma) -> float:
    """The share of the truth's fine detail that a picture shows, at its place; what is not in the truth adds nothing.

    It is the regression of the picture on the truth over the spatial frequencies of detail: 1 is the truth's own
    strength.

    Args:
        found: (rows, columns) float32.
        truth: of the same shape.
    """
    window = np.outer(np.hanning(truth.shape[0]), np.hanning(truth.shape[1])).astype(np.float32)
    own, true = (np.fft.rfft2((image - image.mean()) * window) for image in (found, truth))
    across, down = np.fft.rfftfreq(truth.shape[1]), np.fft.fftfreq(truth.shape[0])
    fine = np.hypot(down[:, None], across[None]) >= _DETAIL_FROM
    return float((own * true.conj()).real[fine].sum() / np.square(np.abs(true))[fine].sum())


def flicker(found: Luma, truth: Luma) -> float:
    """Change between adjacent frames along the motion of the truth, root mean square in levels of 255.

    Each frame is warped onto the one before by the flow of the true frames. Pixels where the warped true frame differs
    from the true frame, as at occlusions, do not count.

    Args:
        found: (n, rows, columns) float32 in [0, 1].
        truth: of the same shape.
    """
    codes, squares = to_codes(truth), []
    for now, after in pairwise(range(len(truth))):
        motion = half_flow(flow_luma(codes[now]), flow_luma(codes[after]))
        followed = cv2.absdiff(warp(codes[after], motion), codes[now]) <= _FOLLOWED
        across, down = cv2.split(places_of(motion))
        moved = cv2.remap(found[after], across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        squares.append(float(np.square((moved - found[now]) * 255)[followed].mean()))
    return float(np.sqrt(np.mean(squares)))


def aligned_gain(film: Codes, truth: Luma, numbers: Sequence[int]) -> list[float]:
    """PSNR of one frame, of the plain mean of five, and of five aligned ones weighted by agreement; no network.

    Args:
        film: (n, H, W) uint8.
        truth: (n, H, W) float32 in [0, 1], at the film's size.
        numbers: of the frames.
    """
    errors = []
    for number in numbers:
        window = film[number - MIDDLE : number - MIDDLE + FRAMES]
        aligned, wanted = align(window), truth[number] * 255
        weights = [cv2.resize(shares, wanted.shape[::-1]).astype(np.float32) for shares in aligned.agreement]
        weights.insert(MIDDLE, np.full(wanted.shape, 255, np.float32))
        mean = (np.stack(weights) * aligned.frames).sum(axis=0) / np.sum(weights, axis=0)
        errors.append([np.square(f - wanted).mean() / 255**2 for f in (window[MIDDLE], window.mean(axis=0), mean)])
    return [psnr(float(error)) for error in np.mean(errors, axis=0)]


def tint(restorer: Restorer, window: Codes) -> float:
    """The largest difference of chroma from neutral, in levels of 255, in the colour film made of a grey one."""
    found = _restored(restorer, window)
    return float(max(np.abs(plane.astype(np.float32) - 128).max() for plane in found.planes[1:]))


def channel_spread(enlarge: Callable[[Luma], Luma], luma: Luma) -> float:
    """The largest difference between the channels that a network on RGB makes of a grey frame, in levels of 255."""
    return float(np.ptp(enlarge(luma), axis=0).max() * 255)


def grain_kept(restorer: Restorer, grainy: Codes, plain: Codes) -> list[float]:
    """The energy of a restored frame's grain in each of `BANDS`, at the source's size, as a share of the source's.

    Args:
        restorer: with a share of 1.
        grainy: (5, H, W) uint8, a window with grain.
        plain: (5, H, W) uint8, the same without.
    """
    restored = _restored(restorer, grainy).planes[0].astype(np.float32)
    small = cv2.resize(restored, grainy.shape[:0:-1], interpolation=cv2.INTER_AREA)
    found, source = (band_energies(f - plain[MIDDLE].astype(np.float32)) for f in (small, grainy[MIDDLE]))
    return [float(a / b) for a, b in zip(found, source, strict=True)]


def band_energies(field: Luma) -> list[float]:
    """Energy of a field (rows, columns) in each of `BANDS`."""
    power = np.square(np.abs(np.fft.rfft2(field)))
    across, down = np.fft.rfftfreq(field.shape[1]), np.fft.fftfreq(field.shape[0])
    radius = np.hypot(down[:, None], across[None])
    return [float(power[(radius > low) & (radius <= high)].sum()) for low, high in BANDS]


def _restored(restorer: Restorer, window: Codes) -> Picture:
    film = [Picture("gray", codes.shape[1], codes.shape[0], (codes,)) for codes in window]
    shown = FrameWindows(film, MIDDLE, [False]).window(0)
    return restorer.restore(film[MIDDLE], "yuv420p", window=shown, full_range=True).picture
