"""The version of the chain follows its results: `python -m tests.unit.test_chain_rules` stores those of a new one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Picture
from reelwright.restoration.engine import CHAIN_RULES
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from tests.support.films import small_network
from tests.support.windows import codes, grainy, panned

STORED = Path(__file__).with_name(f"chain-{CHAIN_RULES}.png")
ROWS, COLUMNS = 80, 96


def restored() -> NDArray[np.uint8]:
    """The middle of five grainy frames with dust and a scratch, with a network that every processor computes alike."""
    frames = grainy(panned((3, 1), ROWS, COLUMNS, seed=7), 5, 0.5)
    frames[2, 20:26, 30:37] = 235
    frames[:, :, 60] += 25
    chroma = (np.full((ROWS // 2, COLUMNS // 2), 128, np.uint8),) * 2
    pictures = [Picture("yuv420p", COLUMNS, ROWS, (frame, *chroma)) for frame in codes(frames)]
    engine = create_engine("openvino", resolve_model(str(small_network())), precision="fp32")
    window = FrameWindows(pictures, 0, [True] + [False] * 4).window(2)
    found = Restorer(engine, 2, 0.5).restore(pictures[2], "yuv420p", window=window)
    return np.asarray(found.picture.planes[0], np.uint8)


def test_the_chain_gives_what_its_version_gave() -> None:
    """Another result than the stored one is another version: `CHAIN_RULES` is incremented and the result stored."""
    stored = cv2.imread(str(STORED), cv2.IMREAD_UNCHANGED)
    # Processors differ in the last bit of a float, so a sample may be rounded to the next level.
    assert np.abs(restored().astype(int) - stored).max() <= 1


if __name__ == "__main__":
    cv2.imwrite(str(STORED), restored())
