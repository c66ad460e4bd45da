"""Restores one picture: the network enlarges luma, a linear filter enlarges chroma, and grain is added back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Picture, PixelFormat, Plane, pixel_format
from reelwright.restoration.chroma import DEFAULT_SITING, enlarge_chroma, neutral_chroma, quantise
from reelwright.restoration.engine import Engine

Luma = NDArray[np.float32]

# Several frames are restored at the same time, so OpenCV's own threads would only compete with them.
cv2.setNumThreads(1)


class Restorer:
    """Restores pictures. Each result depends on its picture alone. Thread-safe.

    Args:
        engine: runs the network.
        scale: factor by which width and height grow: 2, 3 or 4.
        grain_keep: share of the removed grain that is added back, 0 to 1.
    """

    def __init__(self, engine: Engine, scale: int, grain_keep: float) -> None:
        self._engine, self._scale, self._grain_keep = engine, scale, grain_keep

    @property
    def engine(self) -> str:
        """Identity of the engine: runtime, precision and model."""
        return self._engine.identity

    def restore(
        self,
        picture: Picture,
        out_pix_fmt: str,
        *,
        full_range: bool = False,
        siting: tuple[float, float] = DEFAULT_SITING,
    ) -> Picture:
        """Restores a picture; the result is `scale` times as wide and high.

        Args:
            picture: a frame without its black bars.
            out_pix_fmt: pixel format of the result. If it has chroma and `picture` has none, the chroma is neutral.
            full_range: whether code values use the whole depth (full range) or the studio range.
            siting: where the first chroma sample of `picture` lies (see `enlarge_chroma`).
        """
        source, target = picture.format, pixel_format(out_pix_fmt)
        size = (picture.width * self._scale, picture.height * self._scale)
        gain = _gain(source, target, full_range)
        planes: list[Plane] = [self._luma(picture.planes[0], source, target, gain)]
        if target.planes == 3:
            for chroma in picture.planes[1:] or (None, None):
                if chroma is None:
                    planes.append(neutral_chroma(target, size))
                else:
                    planes.append(enlarge_chroma(chroma, source, target, size, self._scale, gain, siting))
        return Picture(out_pix_fmt, *size, tuple(planes))

    def _luma(self, plane: Plane, source: PixelFormat, target: PixelFormat, gain: float) -> Plane:
        top = np.float32((1 << source.depth) - 1)
        luma = plane.astype(np.float32) / top
        restored = self._add_grain(luma, self._enlarge(luma))
        restored *= top * np.float32(gain)
        return quantise(restored, target)

    def _enlarge(self, luma: Luma) -> Luma:
        enlarged = self._engine.upscale(luma)
        if self._engine.scale == self._scale:
            return enlarged
        size = (luma.shape[1] * self._scale, luma.shape[0] * self._scale)
        smaller = self._scale < self._engine.scale
        method = cv2.INTER_AREA if smaller else cv2.INTER_LANCZOS4
        return np.asarray(cv2.resize(enlarged, size, interpolation=method), np.float32)

    def _add_grain(self, luma: Luma, clean: Luma) -> Luma:
        """Adds a share of the removed grain to `clean`, in place.

        The removed grain is the difference between `luma` and `clean` reduced to its size; it is enlarged again.

        Args:
            luma: (H, W) float32, the source in [0, 1].
            clean: (scale * H, scale * W) float32, the enlargement without grain.
        """
        if self._grain_keep == 0:
            return clean
        columns, rows = luma.shape[1], luma.shape[0]
        removed = luma - cv2.resize(clean, (columns, rows), interpolation=cv2.INTER_AREA)
        removed *= np.float32(self._grain_keep)
        size = (columns * self._scale, rows * self._scale)
        clean += cv2.resize(removed, size, interpolation=cv2.INTER_CUBIC)
        return clean


def _gain(source: PixelFormat, target: PixelFormat, full_range: bool) -> float:
    """Code values of `target` per code value of `source`.

    In studio range, ITU-R BT.709 and BT.2100 multiply code values by two for each bit of depth.
    """
    if full_range:
        return ((1 << target.depth) - 1) / ((1 << source.depth) - 1)
    return 2.0 ** (target.depth - source.depth)
