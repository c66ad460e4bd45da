"""Writes the known result of a packaged network's self-test: `python -m scripts.self_test NAME`."""

from __future__ import annotations

import sys

import cv2
import numpy as np

from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.self_test import OFFSET, SCALE, known_picture, known_window


def main(name: str) -> None:
    """Restores the known picture in fp32 and stores the result beside the network's file."""
    model = resolve_model(name)
    result = create_engine("auto", model, precision="fp32").upscale(known_picture(), known_window())
    target = model.path.with_suffix(".self-test.png")
    cv2.imwrite(str(target), np.rint((result + OFFSET) * SCALE).astype(np.uint16))
    print(target)


if __name__ == "__main__":
    main(sys.argv[1])
