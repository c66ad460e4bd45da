"""Motion strips: which part of which frames they show, and how they are joined."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.decoder.motion_crops import CROP_HEIGHT, CROP_WIDTH, MOTION_FRAMES, motion_crop, with_motion_crops
from reelwright.decoder.segmenter import batches
from reelwright.media.motion_strip import MotionStrips, cropped
from reelwright.media.picture import PIXEL_FORMATS, Picture
from reelwright.media.types import ColourInfo, Crop, DecodedFrame, FrameRecord
from tests.support.scenes import scene


def gray(height: int = 240, width: int = 400) -> Picture:
    return Picture("gray", width, height, (np.full((height, width), 90, np.uint8),))


def test_it_shows_where_most_changes() -> None:
    """What moves lies within the part; where nothing moves it is the middle; small pictures are shown whole."""
    one, other = gray(), gray()
    other.planes[0][150:170, 300:330] = 200
    part = motion_crop(one, other)
    assert (part.width, part.height) == (CROP_WIDTH, CROP_HEIGHT)
    assert part.left <= 300
    assert part.left + part.width >= 330
    assert part.top <= 150
    assert part.top + part.height >= 170
    still = motion_crop(one, one)
    assert abs(still.left - 120) <= 8
    assert abs(still.top - 60) <= 8
    assert motion_crop(gray(33, 61), gray(33, 61)) == Crop(left=0, top=0, width=61, height=33)


@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_the_frames_from_each_preview_on_are_shown(cuts: list[bool]) -> None:
    """Six frames from each preview on, or up to the shot's end, with one crop each; every other field is as it was."""
    picture = Picture("gray", 2, 2, (np.zeros((2, 2), np.uint8),))
    records = [FrameRecord(pts=i, duration=1, shot_start=i == 0 or cut) for i, cut in enumerate(cuts)]
    frames = [DecodedFrame(index, record, picture) for index, record in enumerate(records)]
    found = [each.record for part in batches(with_motion_crops(frames), 48, 4) for each in part.frames]
    assert [each.model_copy(update={"crop": None, "preview": False}) for each in found] == records
    since = MOTION_FRAMES
    for record in found:
        since = 0 if record.preview else since + 1
        assert (record.crop is not None) == (since < MOTION_FRAMES)


@pytest.mark.parametrize("pix_fmt", sorted(PIXEL_FORMATS))
@pytest.mark.parametrize("scale", [2, 3])
def test_any_format_is_cut(pix_fmt: str, scale: int) -> None:
    """Planes have the shape of a picture of the part's size, and luma is the part."""
    picture = scene(0, pix_fmt, scale * 61, scale * 45)
    part = Crop(left=8, top=16, width=53, height=29)
    found = cropped(picture, part, scale)
    shapes = [plane.shape for plane in found.planes]
    assert shapes == [found.format.plane_shape(i, scale * 53, scale * 29) for i in range(len(shapes))]
    assert np.array_equal(found.planes[0], picture.planes[0][scale * 16 :, scale * 8 :])


def test_a_strip_ends_with_its_crops_and_at_the_next_preview() -> None:
    """Frames with a crop are joined from a preview on, whether gray or coloured; each strip is put under its first."""
    part, strips = Crop(left=0, top=0, width=40, height=30), dict[int, bytes]()
    kinds = "pc.pcccpc"
    motion = MotionStrips(ColourInfo(), 1, strips.__setitem__)
    for offset, kind in enumerate(kinds):
        record = FrameRecord(pts=offset, duration=1, preview=kind == "p", crop=None if kind == "." else part)
        motion.add(offset, record, scene(0, "gray" if offset % 2 else "yuv420p", 40, 30))
    motion.end()
    widths = {}
    for offset, jpeg in strips.items():
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        widths[offset] = image.shape[1] // 40
    assert widths == {0: 2, 3: 4, 7: 2}
