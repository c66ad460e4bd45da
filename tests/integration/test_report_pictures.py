"""What a film's report shows of its repairs and of its motion, from a real restoration."""

from __future__ import annotations

import base64
import re
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.cli.main import run
from reelwright.media.picture import Picture
from tests.support.aged_scenes import shot
from tests.support.clipmaker import Film, write_film
from tests.support.commands import manifest_of
from tests.support.films import small_network

# The report shows the nineteenth frame of a shot.
SHOWN, FRAMES = 18, 30
SPECK = (slice(40, 48), slice(60, 70))


def dirty_film(path: Path) -> NDArray[np.uint8]:
    """Writes a shot that pans, with a dark speck in the frame that the report shows; its frames."""
    frames = shot(FRAMES, pan=[1.5 * index for index in range(FRAMES)], grain=1).frames.copy()
    frames[SHOWN][SPECK] = 0
    pictures = [Picture("gray", frames.shape[2], frames.shape[1], (frame,)) for frame in frames]
    write_film(path, Film([(Fraction(index, 25), picture) for index, picture in enumerate(pictures)], codec="ffv1"))
    return frames


def embedded(uri: str) -> NDArray[np.uint8]:
    """The picture of a data URI with all its channels."""
    found = cv2.imdecode(np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return np.asarray(found, np.uint8)


def test_the_report_shows_what_was_repaired_and_how_the_shot_moves(tmp_path: Path) -> None:
    """The mask is the speck, its size that of the manifest, and the strips are the source's frames and the film's."""
    source, output = tmp_path / "dirty.mkv", tmp_path / "film.mkv"
    frames = dirty_film(source)
    options = [f"--set=model={small_network()}", "--set=scale=2", "--profile=master"]
    assert run(["restore", str(source), "-o", str(output), *options]) == 0
    text = Path(f"{output}.report.html").read_text()
    ((uri,),) = (re.findall(r'data-mask="([^"]+)"', text),)
    mask = embedded(uri)
    assert mask.shape[:2] == frames.shape[1:]
    # Magenta and cyan.
    dust, scratched = ((mask[..., 3] > 0) & (mask[..., channel] > 200) for channel in (2, 1))
    measured = manifest_of(output)["frame_fidelity"]
    for name, found in (("repaired", dust), ("scratched", scratched)):
        assert found.mean() * 1e6 == pytest.approx(measured[name][SHOWN], abs=1)
    assert dust[SPECK].mean() > 0.9
    rows, columns = np.nonzero(dust)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((40, 47, 60, 69), abs=4)
    ((first, second),) = re.findall(r'class="frames"><img src="([^"]+)".*?<img src="([^"]+)"', text)
    before, after = embedded(first), embedded(second)
    assert before.shape[:2] == (120, 6 * 160)
    assert after.shape[:2] == (240, 6 * 320)
    # A crop of the strip lies somewhere in its frame; all of them lie at one place.
    crops = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in np.split(before, 6, axis=1)]
    places = []
    for crop, frame in zip(crops, frames[SHOWN:], strict=False):
        full = cv2.convertScaleAbs(frame.astype(np.float32) - 16, alpha=255 / 219)
        places.append(cv2.minMaxLoc(cv2.matchTemplate(full, crop, cv2.TM_SQDIFF))[2])
    assert len(set(places)) == 1
