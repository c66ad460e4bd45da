"""Writes the known results of a packaged model's self-test: `python -m scripts.self_test NAME`."""

from __future__ import annotations

import sys

import cv2
import numpy as np

from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.self_test import OFFSET, SCALE, known_picture, known_result_file, known_window


def main(name: str) -> None:
    """Restores the known picture in fp32 by each scale and stores the results beside the model's file."""
    model = resolve_model(name)
    engine = create_engine("auto", model, precision="fp32")
    for scale in engine.scales:
        result = engine.upscale(known_picture(), known_window(), scale)
        target = known_result_file(model, scale)
        cv2.imwrite(str(target), np.rint((result + OFFSET) * SCALE).astype(np.uint16))
        print(target)


if __name__ == "__main__":
    main(sys.argv[1])
