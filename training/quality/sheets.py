"""Sheets of one frame at 1:1, for the eye: enlarged by a filter, by a peer, by ours, and the truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]

# Rows and columns of each part; five of them stay readable on a page.
_PART = (200, 190)
_GAP, _QUALITY = 4, 85


def write_sheet(path: Path, parts: Mapping[str, Luma], corner: tuple[int, int]) -> None:
    """Writes the same part of several pictures side by side as a JPEG.

    Args:
        path: of the JPEG.
        parts: (rows, columns) float32 in [0, 1], in order; what each shows is told beside the sheet.
        corner: row and column where the part begins.
    """
    here = tuple(slice(start, start + side) for start, side in zip(corner, _PART, strict=True))
    gap = np.ones((_PART[0], _GAP), np.float32)
    row: list[Luma] = []
    for part in parts.values():
        row += [gap, part[here]] if row else [part[here]]
    codes = np.clip(np.rint(np.hstack(row) * 255), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), codes, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
