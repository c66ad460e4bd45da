"""Repair masks and motion strips as the report embeds them."""

from __future__ import annotations

import base64
from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.ledger.report.formatting import repair_sentence
from reelwright.ledger.report.images import Budget, mask_codes
from reelwright.media.repair_mask import DUST, SCRATCH, mask_png
from reelwright.restoration.fidelity import Reference, measure_fidelity


def embedded(uri: str | None) -> NDArray[np.uint8]:
    """The picture of a data URI with all its channels."""
    assert uri is not None
    found = cv2.imdecode(np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return np.asarray(found, np.uint8)


def test_a_mask_counts_what_the_figures_count() -> None:
    """Samples replaced as dust, and those on a lasting line that lost it, are those of the frame's figures."""
    luma = np.full((64, 64), 0.5, np.float32)
    repaired, scratch = np.zeros((64, 64), np.uint8), np.full((64, 64), 128, np.uint8)
    repaired[5:9, 7:13], scratch[:, 40] = 9, 200
    reference = Reference(luma, luma, repaired, scratch)
    restored = np.full((128, 128), 0.5, np.float32)
    restored[:50, 80:82] -= 0.1
    measured = measure_fidelity(reference, restored)
    mask, found = measured.mask, measured.figures
    assert mask is not None
    assert np.array_equal(mask == DUST, repaired > 0)
    assert np.argwhere(mask == SCRATCH).tolist() == [[row, 40] for row in range(25)]
    shares = [np.count_nonzero(mask & code) / mask.size for code in (DUST, SCRATCH)]
    assert [found.repaired, found.scratched] == pytest.approx(shares, abs=1e-6)


def test_a_mask_is_transparent_where_nothing_was_changed() -> None:
    """Dust, scratches and both have a colour each; a mask of nothing is no picture; the file keeps the codes."""
    codes = np.zeros((30, 40), np.uint8)
    codes[3, 5], codes[:, 20], codes[7, 20] = DUST, SCRATCH, DUST | SCRATCH
    stored = mask_codes(mask_png(codes))
    assert stored is not None
    assert np.array_equal(stored, codes)
    image = embedded(Budget(images=1).mask(stored))
    assert np.array_equal(image[..., 3] > 0, codes > 0)
    assert len({tuple(image[place]) for place in ((3, 5), (2, 20), (7, 20))}) == 3
    assert Budget(images=1).mask(np.zeros((9, 9), np.uint8)) is None
    assert mask_codes(b"none") is None


def test_a_mask_that_is_too_large_keeps_its_specks() -> None:
    """It is halved until it fits, and single samples stay in it."""
    rng = np.random.default_rng(0)
    codes = np.asarray(rng.random((512, 512)) < 0.2, np.uint8) * np.uint8(DUST)
    codes[:, 256:] = 0
    codes[301, 403] = DUST
    image = embedded(Budget(images=1, left=12_000).mask(codes))
    step = 512 // image.shape[0]
    assert step in {2, 4, 8}
    right = np.argwhere(image[:, image.shape[1] // 2 :, 3] > 0)
    assert right.tolist() == [[301 // step, 403 // step - image.shape[1] // 2]]


@pytest.mark.parametrize(("rotation", "mirrored"), [(0, False), (90, False), (180, True), (270, True)])
def test_a_strip_is_turned_picture_by_picture(rotation: int, mirrored: bool) -> None:
    """The order of frames stays from left to right."""
    shades = (20, 70, 120, 170, 220)
    row = cv2.imencode(".jpg", np.hstack([np.full((24, 32), shade, np.uint8) for shade in shades]))[1].tobytes()
    image = embedded(Budget(images=1).strip(row, 5, Fraction(3, 2), rotation, mirrored=mirrored))
    size = (24, 48) if rotation % 180 == 0 else (48, 24)
    assert image.shape[:2] == (size[0], 5 * size[1])
    found = [float(part.mean()) for part in np.split(image[..., 0], 5, axis=1)]
    assert found == pytest.approx(shades, abs=3)


def test_repairs_in_words() -> None:
    """Shares of dust and scratches, those that are there."""
    assert repair_sentence(0.00123, 0) == "repaired: dust 0.12 % of the samples"
    assert repair_sentence(0.02, 0.004) == "repaired: dust 2 %, lasting lines 0.4 % of the samples"
    assert repair_sentence(0, 0) == "nothing repaired in this frame"
