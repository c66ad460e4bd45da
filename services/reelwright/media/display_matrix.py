"""Reads and adapts display matrices: how a player turns and mirrors the stored picture before it shows it.

A matrix is nine integers (a, b, u, c, d, v, x, y, w) as in ISO/IEC 14496-12, 8.3.2: a sample at (p, q) is shown at
((a p + c q + x) / z, (b p + d q + y) / z) with z = u p + v q + w. u, v and w have 30 fractional bits, the others 16.
An empty tuple stands for no matrix: the picture is shown as it is stored.
"""

from __future__ import annotations

from math import atan2, degrees, hypot
from typing import Any, cast

import av
import numpy as np

Matrix = tuple[int, ...]

_UNIT = 1 << 16
_IDENTITY: Matrix = (_UNIT, 0, 0, 0, _UNIT, 0, 0, 0, 1 << 30)


def matrix_of(frame: av.VideoFrame) -> Matrix:
    """The display matrix of a decoded frame, from its container or its bitstream."""
    # PyAV's stubs describe another shape than its objects have.
    data = cast("Any", frame.side_data).get("DISPLAYMATRIX")
    if data is None:
        return ()
    numbers = tuple(int(number) for number in np.frombuffer(bytes(data)[:36], np.int32))
    return () if numbers[:6] == _IDENTITY[:6] else numbers


def is_mirrored(matrix: Matrix) -> bool:
    """Whether the picture is shown as in a mirror, besides being turned."""
    return bool(matrix) and matrix[0] * matrix[4] - matrix[1] * matrix[3] < 0


def rotation_of(matrix: Matrix) -> int:
    """Degrees counter-clockwise by which the picture is turned, in (-180, 180]; a mirror left to right follows."""
    if not matrix:
        return 0
    a, b, _, c, d, *_ = matrix
    if is_mirrored(matrix):
        a, c = -a, -c
    angle = -round(degrees(atan2(b / (hypot(b, d) or 1), a / (hypot(a, c) or 1))))
    return 180 if angle == -180 else angle


def fitted(matrix: Matrix, width: int, height: int) -> Matrix:
    """The matrix for a picture of another size: one that moves the picture into view moves the new one as well."""
    if not matrix or not (matrix[6] or matrix[7]):
        return matrix
    a, b, _, c, d, *_ = matrix
    corners = [(0, 0), (width, 0), (0, height), (width, height)]
    x, y = -min(a * p + c * q for p, q in corners), -min(b * p + d * q for p, q in corners)
    return (*matrix[:6], x, y, matrix[8])
