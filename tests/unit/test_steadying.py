"""The worker's steps that even out light and move the picture."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest

from reelwright.bus.batch_limits import check_batch
from reelwright.bus.conversion import corrections_of, frame_from_wire, frame_to_wire
from reelwright.ledger.records import SegmentRecord
from reelwright.ledger.steadiness import SteadinessAccount
from reelwright.media.code_table import code_gain
from reelwright.media.frame_correction import FrameCorrection, Move, ScenePlace
from reelwright.media.frame_record import FrameRecord
from reelwright.media.light_field import terms
from reelwright.media.picture import PIXEL_FORMATS, Picture, pixel_format
from reelwright.restoration.chroma import enlarge_chroma
from reelwright.restoration.deflicker import even_light
from reelwright.restoration.stabilise import Luma, move
from reelwright.titles.errors import CorruptPayload, UnusableMessage
from reelwright.wire.frames_pb2 import CorrectionInfo, FrameBatch, FrameInfo, Payload, Work
from tests.support.scenes import scene
from tests.support.windows import texture

CORRECTION = FrameCorrection(gain=1.1, offset=-0.02, move_right=0.4, move_down=-1.2, right=3.5, light=-2.5, level=90)
TERMS = {"local_x": 0.03, "local_y": -0.02, "local_xy": 0.01, "local_xx": -0.015, "local_yy": 0.005}
LOCAL = CORRECTION.model_copy(update={**TERMS, "local_lift": 0.7})
ADDED = CORRECTION.model_copy(update={"local_offset": (0.012, -0.008, 0.004, -0.006, 0.002), "local_lift": -0.4})
TURNED = LOCAL.model_copy(update={"rotation": 4.5, "move_rotation": -0.2})


@pytest.mark.parametrize(
    ("correction", "rounding"),
    [(CORRECTION, 0.5 + 1e-9), (LOCAL, 0.51), (ADDED, 0.51)],
    ids=["whole", "parts", "added to parts"],
)
@pytest.mark.parametrize("name", PIXEL_FORMATS)
@pytest.mark.parametrize("full_range", [False, True])
def test_light_is_evened_out_at_twelve_bits_in_every_pixel_format(
    name: str, full_range: bool, correction: FrameCorrection, rounding: float
) -> None:
    """Parts are multiplied from black and neutral, or luma is added to, then the whole is gained and offset exactly."""
    picture = scene(3, name, 48, 32)
    evened = even_light(picture, correction, full_range=full_range)
    wider = code_gain(picture.format, pixel_format("gray12le"), full_range=full_range)
    assert (evened.format.depth, evened.format.planes) == (12, picture.format.planes)
    top = (1 << picture.format.depth) - 1
    black = 0 if full_range else 16 << (picture.format.depth - 8)
    for index, (before, after) in enumerate(zip(picture.planes, evened.planes, strict=True)):
        rows, columns = before.shape
        shares = zip(correction.local, terms((rows, columns)), strict=True)
        field = np.exp(sum((share * term for share, term in shares), np.zeros(before.shape)))
        fixed = black if index == 0 else picture.format.neutral
        distance = field * (before.astype(np.float64) - fixed)
        if index == 0 and correction.local_offset:
            distance += top * np.tensordot(correction.local_offset, terms((rows, columns)), 1)
        wanted = 1.1 * distance * wider + 2048
        if index == 0:
            wanted = np.clip((1.1 * (distance + black) - 0.02 * top) * wider, 0, 4095)
        assert np.abs(after - wanted).max() <= rounding


def test_a_picture_is_lit_alike_in_any_batch() -> None:
    """Codes depend on the picture and its own correction: alone or after others they are the same."""
    pictures = [scene(number, "yuv420p", 48, 32) for number in range(3)]
    for correction in (LOCAL, ADDED):
        together = [even_light(picture, correction, full_range=False) for picture in pictures]
        alone = even_light(scene(2, "yuv420p", 48, 32), correction, full_range=False)
        assert all(np.array_equal(one, other) for one, other in zip(together[2].planes, alone.planes, strict=True))


def test_what_is_added_to_parts_stays_within_the_codes() -> None:
    """Where an offset leads below 0 or above the largest code, luma is black or white, and chroma stays as it is."""
    codes = np.tile(np.array([0, 16, 128, 235, 255], np.uint8), (4, 4))
    picture = Picture("yuv444p", 20, 4, (codes, codes, codes))
    evened = even_light(picture, FrameCorrection(local_offset=(0.1, 0, 0, 0, 0)), full_range=False)
    luma, *chroma = evened.planes
    assert (int(luma[0, 0]), int(luma[0, 19])) == (0, 4095)
    assert (np.diff(luma[0, 2::5].astype(int)) > 0).all()
    assert all(np.array_equal(plane, codes * np.uint16(16)) for plane in chroma)


def test_the_terms_of_the_field_are_orthonormal() -> None:
    """Each has the mean 0 and the mean square 1, and none has a part of another one."""
    fields = np.array(terms((90, 120))).reshape(5, -1)
    assert np.abs(fields.mean(axis=1)).max() < 1e-3
    assert np.abs(fields @ fields.T / fields.shape[1] - np.eye(5)).max() < 2e-3


@pytest.mark.parametrize("correction", [CORRECTION, LOCAL, ADDED], ids=["whole", "parts", "added to parts"])
def test_black_and_white_stays_without_tint_when_its_light_is_evened_out(correction: FrameCorrection) -> None:
    """Neutral chroma is exactly neutral afterwards."""
    gray = np.full((4, 4), 128, np.uint8)
    evened = even_light(Picture("yuv444p", 4, 4, (gray, gray, gray)), correction, full_range=False)
    assert {int(code) for plane in evened.planes[1:] for code in plane.ravel()} == {2048}


@pytest.mark.parametrize("shift", [(1.0, 0.0), (0.0, -3.0), (0.37, -0.81), (-2.5, 4.25)])
def test_a_picture_is_moved_right_and_down(shift: tuple[float, float]) -> None:
    """A moved wave is the wave that was drawn at the other location."""

    def wave(right: float, down: float) -> Luma:
        rows, columns = np.indices((120, 160))
        drawn = 0.5 + 0.2 * np.sin((columns - right) / 7) + 0.2 * np.sin((rows - down) / 9)
        return np.asarray(drawn, np.float32)

    assert np.abs(move(wave(0, 0), Move(*shift)) - wave(*shift))[16:-16, 16:-16].max() < 0.003


@pytest.mark.parametrize("shift", [(1.0, 0.0), (0.0, -3.0), (0.37, -0.81), (-2.5, 4.25)])
def test_an_enlarged_picture_is_moved_and_keeps_its_detail(shift: tuple[float, float]) -> None:
    """Moved there and back, the picture differs by less than half a level of 255, except at its rim."""
    luma = np.asarray(cv2.resize(texture(60, 80), (160, 120), interpolation=cv2.INTER_CUBIC), np.float32)
    back = move(move(luma, Move(*shift)), Move(-shift[0], -shift[1]))
    assert np.sqrt(np.mean((back - luma)[16:-16, 16:-16] ** 2)) < 0.5


def test_what_a_moved_picture_uncovers_is_filled_with_its_rim() -> None:
    """No black border comes in: the outermost samples go on."""
    moved = move(np.full((20, 30), 0.5, np.float32), Move(3.3, -7.6))
    assert np.abs(moved - 0.5).max() < 1e-6


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv444p"])
def test_chroma_is_moved_with_luma(name: str) -> None:
    """Moving by whole luma samples that are whole chroma samples moves enlarged chroma by twice as much."""
    source = pixel_format(name)
    plane = scene(2, name, 64, 48).planes[1]
    enlarged = partial(enlarge_chroma, plane, source=source, target=source, size=(128, 96), scale=2, gain=1.0)
    still, moved = enlarged(), enlarged(moved=Move(4, -2))
    right, down = 8 >> source.chroma_width_shift, -4 >> source.chroma_height_shift
    assert np.array_equal(moved[: down - 2, right + 2 :], still[-down:-2, 2 : still.shape[1] - right])


def test_a_correction_survives_the_wire() -> None:
    """A frame's record is the same after it was a message; so is one without a correction."""
    corrections = TURNED, ADDED, None
    for record in (FrameRecord(pts=1, duration=1, correction=each) for each in corrections):
        assert frame_from_wire(FrameInfo.FromString(frame_to_wire(record).SerializeToString())) == record


@pytest.mark.parametrize(
    "field", ["gain", "offset", "move_right", "move_rotation", "rotation", "level", "local_x", "local_yy", "local_lift"]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e9])
def test_a_hostile_correction_is_refused(field: str, value: float) -> None:
    """Figures that no decoder sends do not reach a picture."""
    info = FrameInfo(correction=CorrectionInfo(**{**CORRECTION.model_dump(), field: value}))
    with pytest.raises(CorruptPayload, match=field):
        frame_from_wire(info)


@pytest.mark.parametrize("values", [[float("nan")] * 5, [0.2] * 5, [0.01] * 4, [0.01] * 6])
def test_a_hostile_local_offset_is_refused(values: list[float]) -> None:
    """It has five terms within their range, or none."""
    info = FrameInfo(correction=CorrectionInfo(gain=1, local_offset=values))
    with pytest.raises(CorruptPayload, match="local_offset"):
        frame_from_wire(info)


def test_a_batch_without_the_corrections_that_its_recipe_needs_is_refused() -> None:
    """Frames and halo frames each need one, or the film would be steadied in parts."""
    correction = CorrectionInfo(gain=1.0)
    batch = FrameBatch(
        frames=[FrameInfo(correction=correction)],
        work=Work(scale=2, recipe_keys=["deflicker"]),
        payload=Payload(pix_fmt="gray", width=2, height=2, frames=3),
        halo_before=1,
        halo_after=1,
    )
    with pytest.raises(UnusableMessage, match="1 and 0 corrections"):
        check_batch(batch, 1 << 20)
    batch.halo_corrections.extend([CorrectionInfo(gain=0.9), CorrectionInfo(gain=1.2)])
    check_batch(batch, 1 << 20)
    assert [each.gain for each in corrections_of(batch)] == [0.9, 1.0, 1.2]


def test_a_shots_steadiness_is_measured_before_and_after() -> None:
    """Weave, flicker and rotation are deviations from the mean over a second, part by part; short shots have none."""
    swing = [(-1.0) ** index for index in range(24)]

    def record(segment: int, starts: tuple[int, ...], frames: int) -> SegmentRecord:
        before = [
            FrameCorrection(
                right=100 + 2 * index + 0.5 * swing[index],
                light=4 * swing[index],
                level=100,
                rotation=3 + 0.1 * index + 0.2 * swing[index],
            )
            for index in range(frames)
        ]
        after = [
            ScenePlace(right=2 * index + 0.05 * swing[index], level=100, rotation=0.02 * swing[index])
            for index in range(frames)
        ]
        return SegmentRecord(
            segment=segment,
            first_frame=0,
            frames=tuple(
                FrameRecord(pts=index, duration=1, shot_start=index in starts, correction=each)
                for index, each in enumerate(before)
            ),
            frame_digests=(),
            file_sha256="",
            file_bytes=0,
            engine="",
            seconds={},
            scene=tuple(after),
        )

    account = SteadinessAccount()
    for each in (record(0, (0, 20), 24), record(1, (), 24)):
        account.add(each)
    first, second = account.shots()
    assert first is not None
    assert second is not None
    assert first.weave_before == pytest.approx(0.5, rel=0.15)
    assert second.weave_after == pytest.approx(0.05, rel=0.15)
    assert first.flicker_before == pytest.approx(4, rel=0.15)
    assert first.flicker_after == 0
    assert first.rotation_before == pytest.approx(0.2, rel=0.15)
    assert second.rotation_after == pytest.approx(0.02, rel=0.15)
    lonely = SteadinessAccount()
    lonely.add(record(0, (0,), 6))
    assert lonely.shots() == [None]
