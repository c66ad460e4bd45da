from __future__ import annotations

import numpy as np
import pytest

from reelwright.media.display_matrix import Matrix, fitted, is_mirrored, rotation_of

_ONE = 1 << 16


def _matrix(a: int, b: int, c: int, d: int, x: int = 0, y: int = 0) -> Matrix:
    return (a * _ONE, b * _ONE, 0, c * _ONE, d * _ONE, 0, x * _ONE, y * _ONE, 1 << 30)


_KINDS = {
    "turned_right": (_matrix(0, 1, -1, 0, 120, 0), -90, False),
    "upside_down": (_matrix(-1, 0, 0, -1, 160, 120), 180, False),
    "turned_left": (_matrix(0, -1, 1, 0, 0, 160), 90, False),
    "hflip": (_matrix(-1, 0, 0, 1, 160, 0), 0, True),
    "vflip": (_matrix(1, 0, 0, -1, 0, 120), 180, True),
    "transpose": (_matrix(0, 1, 1, 0), -90, True),
}


@pytest.mark.parametrize("kind", _KINDS)
def test_a_matrix_is_a_turn_and_perhaps_a_mirror(kind: str) -> None:
    """Turning the stored picture and then mirroring it shows what the matrix shows."""
    matrix, rotation, mirrored = _KINDS[kind]
    assert (rotation_of(matrix), is_mirrored(matrix)) == (rotation, mirrored)
    stored = np.arange(120 * 160).reshape(120, 160)
    turned = np.rot90(stored, rotation // 90)
    shown = turned[:, ::-1] if mirrored else turned
    a, b, _, c, d, _, x, y, _ = (value // _ONE for value in matrix)
    for row, column in ((0, 0), (0, 159), (119, 0), (60, 20)):
        # Centres of samples, since a mirror maps edges to edges.
        across = a * (column + 0.5) + c * (row + 0.5) + x
        down = b * (column + 0.5) + d * (row + 0.5) + y
        assert shown[int(down), int(across)] == stored[row, column]


@pytest.mark.parametrize("kind", _KINDS)
def test_a_larger_picture_is_moved_into_view_as_well(kind: str) -> None:
    """The shift grows with the picture, the rest of the matrix stays."""
    matrix = _KINDS[kind][0]
    larger = fitted(matrix, 320, 240)
    assert larger[:6] == matrix[:6]
    assert larger[6:8] == (2 * matrix[6], 2 * matrix[7])


def test_no_matrix_is_no_turn() -> None:
    """A picture without a matrix is shown as it is stored."""
    assert (rotation_of(()), is_mirrored(()), fitted((), 320, 240)) == (0, False, ())
