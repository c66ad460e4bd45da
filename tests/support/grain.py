"""The energy of grain by octave, where a picture is flat."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]

OCTAVES = 3


def band_energies(field: Luma, flat: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Energy of a field in three octaves of spatial frequency, the finest first.

    Args:
        field: (H, W) float32.
        flat: (H, W), which samples count; all but a rim of eight if None.
    """
    weight = np.zeros(field.shape, np.float32)
    weight[8:-8, 8:-8] = 1 if flat is None else flat[8:-8, 8:-8]
    energies = []
    for _ in range(OCTAVES):
        coarse = cv2.GaussianBlur(field, (0, 0), 1.0)
        energies.append(float(np.square(field - coarse)[weight > 0.99].mean()))
        field, weight = (
            np.asarray(cv2.resize(each, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
            for each in (coarse, weight)
        )
    return np.array(energies)
