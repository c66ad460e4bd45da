"""Numbers of colour descriptions: ITU-T H.273 code points, and FFmpeg's numbers for ranges (AVColorRange)."""

from __future__ import annotations

from typing import Final

RANGE_UNKNOWN: Final = 0
RANGE_LIMITED: Final = 1
RANGE_FULL: Final = 2

# Primaries, transfer and matrix that a stream does not state.
UNSPECIFIED: Final = 2
MATRIX_BT709: Final = 1
# SMPTE 170M; the same matrix as BT.601.
MATRIX_BT601: Final = 6
# swscale's names of the two matrices.
SCALER_MATRIX: Final = {MATRIX_BT709: "ITU709", MATRIX_BT601: "ITU601"}

# Rows from which a picture is high definition, and so BT.709 (ITU-R BT.1729 divides in the same place).
_HD_ROWS = 720


def presumed_matrix(width: int, height: int) -> int:
    """The matrix that players presume for an untagged picture of this size.

    BT.601 up to 576 rows and narrower than 1280 columns, BT.709 beyond: the rule of mpv and VLC.
    """
    return MATRIX_BT709 if width >= 1280 or height > 576 else MATRIX_BT601


def rgb_matrix(height: int) -> int:
    """The matrix by which RGB pictures with this many rows are converted to Y'CbCr."""
    return MATRIX_BT709 if height >= _HD_ROWS else MATRIX_BT601


def code_range(*, full_range: bool) -> tuple[int, int]:
    """The luma codes of 8 bits for black and for white (ITU-R BT.709 in studio range)."""
    return (0, 255) if full_range else (16, 235)
