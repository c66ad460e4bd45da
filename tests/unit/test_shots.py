from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from reelwright.media.picture import Picture
from reelwright.media.shots import with_shots
from tests.support.scenes import scene


def _starts(pictures: list[Picture]) -> list[int]:
    found = list(with_shots((index, picture) for index, picture in enumerate(pictures)))
    assert [index for index, _ in found] == list(range(len(pictures)))
    return [index for index, starts in found if starts]


def _lit(picture: Picture, change: int) -> Picture:
    luma = np.clip(picture.planes[0].astype(int) + change, 0, 255).astype(np.uint8)
    return Picture(picture.pix_fmt, picture.width, picture.height, (luma, *picture.planes[1:]))


@pytest.mark.parametrize("pix_fmt", ["gray", "yuv420p", "yuv422p10le", "yuv444p12le"])
@pytest.mark.parametrize("size", [(160, 120), (161, 121), (720, 576), (48, 400)])
def test_a_cut_starts_a_shot(pix_fmt: str, size: tuple[int, int]) -> None:
    """Cuts are found at any depth and size, at the first frame of the new shot."""
    assert _starts([scene(i, pix_fmt, *size) for i in range(60)]) == [0, 24, 48]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_is_no_cut(length: int) -> None:
    """After a flash, lightning or a torn frame the shot goes on."""
    pictures = [scene(i) for i in range(22)]
    for index in range(10, 10 + length):
        pictures[index] = _lit(pictures[index], 120)
    assert _starts(pictures) == [0]


def test_flicker_is_no_cut() -> None:
    """An old film's brightness jumps from frame to frame without a cut."""
    assert _starts([_lit(scene(i), (-9, 8, 0, 12, -6)[i % 5]) for i in range(24)]) == [0]


def test_a_fade_is_no_cut() -> None:
    """A picture that goes slowly dark stays one shot."""
    assert _starts([_lit(scene(i), -5 * i) for i in range(24)]) == [0]


def test_shots_have_a_least_length() -> None:
    """Of cuts closer than six frames the first counts."""
    order = [*range(10), *range(30, 33), *range(60, 72)]
    starts = _starts([scene(i) for i in order])
    assert starts[0] == 0
    assert all(after - before >= 6 for before, after in pairwise(starts))


def test_the_first_frame_starts_a_shot() -> None:
    """A film of a single frame is a single shot, and nothing is no shot."""
    assert _starts([scene(0)]) == [0]
    assert _starts([]) == []
