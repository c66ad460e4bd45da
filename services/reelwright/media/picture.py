"""A frame's samples as planes, and the pixel formats the pipeline carries. Imports numpy alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """How a picture's samples are laid out.

    Attributes:
        name: FFmpeg's name, e.g. `yuv420p10le`.
        depth: bits per sample (8, 10 or 12); above 8 the samples are uint16.
        planes: 1 (gray) or 3 (Y, U, V).
        chroma_width_shift: log2 of the horizontal chroma subsampling.
        chroma_height_shift: log2 of the vertical chroma subsampling.
    """

    name: str
    depth: int
    planes: int
    chroma_width_shift: int = 0
    chroma_height_shift: int = 0

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """The sample type: uint8 at 8 bits, uint16 above."""
        return np.uint8 if self.depth == 8 else np.uint16

    @property
    def neutral(self) -> int:
        """The chroma code value without colour."""
        return 1 << (self.depth - 1)

    def plane_shape(self, plane: int, width: int, height: int) -> tuple[int, int]:
        """Rows and columns of a plane of a `width` x `height` picture; odd sizes round chroma up, as FFmpeg does."""
        if plane == 0:
            return height, width
        return -(-height >> self.chroma_height_shift), -(-width >> self.chroma_width_shift)

    def frame_bytes(self, width: int, height: int) -> int:
        """Bytes of one picture without padding."""
        samples = sum(
            rows * columns for rows, columns in (self.plane_shape(p, width, height) for p in range(self.planes))
        )
        return samples * (1 if self.depth == 8 else 2)


def _formats() -> dict[str, PixelFormat]:
    layouts = {"gray": (1, 0, 0), "yuv420p": (3, 1, 1), "yuv422p": (3, 1, 0), "yuv444p": (3, 0, 0)}
    table = {}
    for base, (planes, wide, high) in layouts.items():
        for depth, suffix in ((8, ""), (10, "10le"), (12, "12le")):
            table[base + suffix] = PixelFormat(
                name=base + suffix, depth=depth, planes=planes, chroma_width_shift=wide, chroma_height_shift=high
            )
    return table


PIXEL_FORMATS: dict[str, PixelFormat] = _formats()


def pixel_format(name: str) -> PixelFormat:
    """The format called `name`; KeyError if the pipeline does not carry it."""
    return PIXEL_FORMATS[name]


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame's samples.

    Attributes:
        pix_fmt: a key of PIXEL_FORMATS.
        width: luma columns.
        height: luma rows.
        planes: Y or Y, U, V; each (rows, columns), uint8 or uint16 in [0, 2**depth - 1], C-contiguous.
    """

    pix_fmt: str
    width: int
    height: int
    planes: tuple[Plane, ...]

    @property
    def format(self) -> PixelFormat:
        """The layout of the planes."""
        return PIXEL_FORMATS[self.pix_fmt]

    def digest(self) -> str:
        """SHA-256 of the samples, planes in order without padding, as 64 hex digits."""
        sha = hashlib.sha256()
        for plane in self.planes:
            sha.update(np.ascontiguousarray(plane).data)
        return sha.hexdigest()

    def tobytes(self) -> bytes:
        """The samples, planes in order without padding."""
        return b"".join(np.ascontiguousarray(plane).tobytes() for plane in self.planes)


def eight_bits(plane: Plane, depth: int) -> Plane:
    """The 8 highest bits of each sample: uint8 of the same shape; the plane itself where it has no more."""
    return plane if depth == 8 else (plane >> (depth - 8)).astype(np.uint8)


def gray_format(pix_fmt: str) -> str:
    """The pixel format of the luma alone."""
    depth = pixel_format(pix_fmt).depth
    return "gray" if depth == 8 else f"gray{depth}le"


def without_chroma(picture: Picture) -> Picture:
    """The luma alone: gray at the same depth."""
    return Picture(gray_format(picture.pix_fmt), picture.width, picture.height, picture.planes[:1])


def without_neutral_chroma(picture: Picture) -> Picture:
    """The luma alone (gray at the same depth) when no chroma sample is further than one 8-bit level from neutral.

    Black and white then travels and is restored as one plane, and what comes back has exactly neutral chroma: no tint.
    """
    layout = picture.format
    slack = 1 << (layout.depth - 8)
    if layout.planes == 1 or any(
        int(plane.max()) > layout.neutral + slack or int(plane.min()) < layout.neutral - slack
        for plane in picture.planes[1:]
    ):
        return picture
    return without_chroma(picture)
