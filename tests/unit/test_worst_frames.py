"""The worst frame of each shot: which one it is, which part of it is shown, and the strip around it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import groupby

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.decoder.segmenter import batches
from reelwright.encoder.shown_frames import ShownFrames
from reelwright.ledger.shown_frame import ShownFrame
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.picture import PIXEL_FORMATS, Picture
from reelwright.media.worst_frame import CROP_HEIGHT, CROP_WIDTH, Crop, cropped, fullest_part
from reelwright.restoration.restore import RestoredFrame
from reelwright.restoration.worst_frames import worst_frames
from tests.support.ledgers import fidelity_of, title_of, video_of
from tests.support.scenes import scene

SIZE = 16


def test_the_part_is_where_most_is_found() -> None:
    """What is found lies within it; where nothing is it is the middle; small pictures are shown whole."""
    found = np.zeros((15, 25), np.float32)
    found[9:11, 18:20] = 3
    part = fullest_part(found, 400, 240)
    assert (part.width, part.height) == (CROP_WIDTH, CROP_HEIGHT)
    assert part.left <= 288
    assert part.left + part.width >= 320
    assert part.top <= 144
    assert part.top + part.height >= 176
    still = fullest_part(np.zeros((15, 25), np.float32), 400, 240)
    assert abs(still.left - 120) <= 8
    assert abs(still.top - 60) <= 8
    assert fullest_part(found, 61, 33) == Crop(left=0, top=0, width=61, height=33)
    assert fullest_part(np.ones((1, 1), np.float32), 1, 1) == Crop(left=0, top=0, width=1, height=1)


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


def flat(shade: int, size: int) -> Picture:
    return Picture("gray", size, size, (np.full((size, size), shade % 256, np.uint8),))


def _put(found: dict[int, ShownFrame], first: int, offset: int, shown: ShownFrame) -> None:
    found[first + offset] = shown


def collected(departures: list[int], cuts: set[int], segment: int, batch: int, halo: int = 2) -> dict[int, ShownFrame]:
    """What is put for frames that depart by so many levels, by their index, with shots that begin at `cuts`.

    The source's picture of a frame has its index as its shade, the restored one that and one more.
    """
    frames = [
        DecodedFrame(index, FrameRecord(pts=index, duration=1, shot_start=index in cuts | {0}), flat(index, SIZE))
        for index in range(len(departures))
    ]
    title, found = title_of(video=video_of(SIZE, SIZE)), dict[int, ShownFrame]()
    stream = batches(frames, segment, batch, halo)
    for _, parts in groupby(stream, key=lambda part: part.segment):
        known = list(parts)
        first = known[0].frames[0].index
        collector = ShownFrames(title, partial(_put, found, first))
        for part in known:
            restored = [
                RestoredFrame(
                    flat(frame.index + 1, 2 * SIZE),
                    None,
                    fidelity=fidelity_of(unsupported=departures[frame.index]),
                    mask=np.full((SIZE, SIZE), frame.index % 4, np.uint8),
                    departure=np.ones((1, 1), np.float32),
                )
                for frame in part.frames
            ]
            pictures = [frame.picture for frame in (*part.before, *part.frames, *part.after)]
            starts = [frame.record.shot_start for frame in part.frames]
            worst = worst_frames(pictures, len(part.before), starts, restored)
            for index, (frame, made) in enumerate(zip(part.frames, restored, strict=True)):
                shown = (worst[index], float(departures[frame.index])) if index in worst else None
                collector.add(frame.index - first, replace(frame, picture=made.picture), shown)
            collector.release()
        collector.end()
    return found


def shades(jpeg: bytes, frames: int) -> list[int]:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return [round(float(part.mean())) for part in np.split(np.asarray(image), frames, axis=1)]


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=60),
    st.sets(st.integers(1, 59)),
    st.integers(1, 12),
)
def test_the_worst_frame_is_the_same_in_any_batches(departures: list[int], cuts: set[int], batch: int) -> None:
    """Of each shot in a segment the first of its worst frames, with two on either side of the same shot and segment."""
    found = collected(departures, cuts, 24, batch)
    assert found == collected(departures, cuts, 24, 12)
    parts: list[list[int]] = []
    for part in batches(
        (
            DecodedFrame(index, FrameRecord(pts=index, duration=1, shot_start=index in cuts | {0}), flat(0, 2))
            for index in range(len(departures))
        ),
        24,
        24,
    ):
        parts += [[]]
        for frame in part.frames:
            if frame.record.shot_start and parts[-1]:
                parts.append([])
            parts[-1].append(frame.index)
    expected = {max(each, key=lambda index: (departures[index], -index)): each for each in parts}
    assert found.keys() == expected.keys()
    for index, indices in expected.items():
        shown = found[index]
        assert (shown.first, shown.last) == (max(indices[0], index - 2), min(indices[-1], index + 2))
        assert shown.frames == shown.last - shown.first + 1


def test_a_strip_shows_the_source_and_the_film() -> None:
    """Both strips have the same frames in order, and the mask and both pictures are those of the worst frame."""
    departures = [0] * 100
    departures[61] = 9
    shown = collected(departures, set(), 48, 12)[61]
    codes = cv2.imdecode(np.frombuffer(shown.mask, np.uint8), cv2.IMREAD_UNCHANGED)
    assert codes is not None
    assert (np.asarray(codes) == 61 % 4).all()
    limited = [round((shade - 16) * 255 / 219) for shade in range(59, 65)]
    assert shades(shown.before, 1) == pytest.approx([limited[2]], abs=1)
    assert shades(shown.after, 1) == pytest.approx([limited[3]], abs=1)
    assert shades(shown.strip_before, 5) == pytest.approx(limited[:5], abs=1)
    assert shades(shown.strip_after, 5) == pytest.approx(limited[1:], abs=1)


def test_a_network_of_single_frames_has_strips_within_a_batch() -> None:
    """Its batches have no halo frames, so the source's frames around the worst one end with them."""
    departures = [0] * 20
    departures[7] = 9
    shown = collected(departures, set(), 24, 8, halo=0)[7]
    assert (shown.first, shown.last, shown.frames) == (5, 7, 3)
