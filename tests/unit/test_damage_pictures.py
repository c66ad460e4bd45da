from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from training.damage_pictures import BETWEEN_FRAMES, PICTURES, pictures


@pytest.fixture(scope="module")
def found() -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(3)
    scene = np.clip(0.5 + 4 * cv2.GaussianBlur(rng.normal(0, 0.3, (360, 640)), (0, 0), 3), 0, 1).astype(np.float32)
    return pictures(np.stack([scene] * 5))


@pytest.mark.parametrize("name", [*PICTURES, *BETWEEN_FRAMES])
def test_a_picture_shows_what_a_parameter_does(name: str, found: dict[str, NDArray[np.uint8]]) -> None:
    """No two parts of a picture are the same."""
    count = len(PICTURES.get(name, range(3)))
    parts = np.split(np.hstack([found[name], found[name][:, :6]]), count, axis=1)
    for first, second in itertools.combinations(parts, 2):
        assert not np.array_equal(first[:, :192], second[:, :192])
