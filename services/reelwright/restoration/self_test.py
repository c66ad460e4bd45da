"""Restores a known picture and compares it with the known result: a broken GPU or a wrong build shows itself."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.engine import Engine
from reelwright.restoration.models import ModelFile
from reelwright.restoration.window_network import FRAMES, NetworkInput
from reelwright.titles.errors import DefectiveWorker

Luma = NDArray[np.float32]

OFFSET, SCALE = 0.25, 40_000
"""The stored result is (luma + OFFSET) * SCALE, rounded, as uint16: room for luma from -0.25 to 1.38."""

_ROWS, _COLUMNS = 36, 48
_SEED = 20_061
# Measured for `reel-s` x2: bf16 in torch differs from fp32 by at most 0.003, an enlargement without the network by
# 0.113.
_TOLERANCE = 0.01
# For a model without a stored result: no enlarging network moves the mean of the picture that far.
_MEAN_TOLERANCE = 0.1


def known_picture() -> Luma:
    """The picture: smooth shades, edges and grain, (36, 48), in [0, 1]; the same on every machine."""
    rows, columns = np.mgrid[:_ROWS, :_COLUMNS]
    shades = (3 * rows + 2 * columns) % 128 + 96 * ((rows // 9 + columns // 12) % 2)
    # Integers from a generator whose sequence numpy guarantees.
    grain = np.random.RandomState(_SEED).randint(0, 32, shades.shape)
    return np.asarray((shades + grain) / 255, np.float32)


def known_window() -> NetworkInput:
    """What a window shows beside the picture: neighbours that differ a little, no dust; the same on every machine."""
    # Integers from a generator whose sequence numpy guarantees.
    random = np.random.RandomState(_SEED + 1)
    return NetworkInput(
        differences=random.randint(-12, 13, (FRAMES - 1, _ROWS, _COLUMNS)).astype(np.int8),
        maps=np.stack([np.full((_ROWS, _COLUMNS), level, np.uint8) for level in (0, 128)]),
        agreement=random.randint(160, 256, (FRAMES - 1, _ROWS // 2, _COLUMNS // 2)).astype(np.uint8),
        # Grain at which both weight sets of a network have an equal share in the result.
        figures=np.array([2.5 / 16, 0.3, 0.2, 0.4], np.float32),
    )


def check_engine(engine: Engine, model: ModelFile) -> None:
    """Restores the known picture with the network of each scale.

    Args:
        engine: runs the networks.
        model: their file; the known result is in `NAME.x2.self-test.png` beside it, for a scale of 2, if there is one
            (`scripts/self_test.py` writes it).

    Raises:
        DefectiveWorker: the engine fails, or its result is not the known one.
    """
    for scale in engine.scales:
        try:
            found = engine.upscale(known_picture(), known_window(), scale)
        except Exception as error:
            raise _defect(engine, f"{type(error).__name__}: {error}") from error
        expected = _known_result(model, scale)
        if expected is not None:
            worst = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("nan")
            # Written so that NaN is a defect.
            if not worst <= _TOLERANCE:
                raise _defect(engine, f"the restored picture differs by {worst:.3f} from the known one")
        elif not abs(float(found.mean()) - float(known_picture().mean())) <= _MEAN_TOLERANCE:
            raise _defect(engine, f"the restored picture has a mean of {float(found.mean()):.3f}")


def known_result_file(model: ModelFile, scale: int) -> Path:
    """Where the known result of a model's network is, if there is one."""
    return model.path.with_suffix(f".x{scale}.self-test.png")


def _known_result(model: ModelFile, scale: int) -> Luma | None:
    path = known_result_file(model, scale)
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.exists() else None
    return None if stored is None else np.asarray(stored / SCALE - OFFSET, np.float32)


def _defect(engine: Engine, what: str) -> DefectiveWorker:
    return DefectiveWorker(f"self-test failed: {what}", engine.identity, "check the device and replace the worker")
