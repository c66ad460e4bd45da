"""Contrast that a shot lost against an earlier shot of the same view is brought back, and the rest stays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.bus.batch_limits import check_batch
from reelwright.bus.conversion import frame_from_wire, frame_to_wire
from reelwright.decoder.fading import with_fading
from reelwright.media.fading import contrast_points, even_contrast
from reelwright.media.frame_correction import FrameFading
from reelwright.media.frame_record import FrameRecord
from reelwright.media.picture import PIXEL_FORMATS, Picture, Plane
from reelwright.titles.errors import CorruptPayload, UnusableMessage
from reelwright.titles.recipe import Recipe
from reelwright.wire.frames_pb2 import FrameBatch, Payload, Work
from tests.support.aged_scenes import shot
from tests.support.faded_films import FRAME_BYTES, faded, film_of, mended, with_curves

RAISED = FrameFading(black=0.2, white=0.7, from_black=0.2, from_white=0.7, to_black=0.05, to_white=0.9)


def gray(luma: np.ndarray) -> Picture:
    """A gray picture of this luma."""
    return Picture("gray", luma.shape[1], luma.shape[0], (np.ascontiguousarray(luma, np.uint8),))


def view(number: int, count: int = 12) -> list[Picture]:
    """A shot of the view of this number, with grain; views differ in what lies where."""
    frames = shot(count, pan=[0.5 * index for index in range(count)], grain=2).frames
    placed = np.roll(frames[:, ::-1] if number % 2 else frames, 61 * number, axis=2)
    return [gray(frame) for frame in placed]


def _stored(codes: np.ndarray, depth: int) -> Plane:
    return codes.astype(np.uint8) if depth == 8 else codes.astype(np.uint16)


def gains(shots: Sequence[Sequence[Picture]], strength: float = 1.0) -> list[float]:
    """The factor of the contrast of each shot of a film."""
    frames = with_curves(film_of(shots), strength)
    return [frame.record.fading.gain for frame in frames if frame.record.fading and frame.record.shot_start]


def test_lost_contrast_is_brought_back() -> None:
    """A shot that has faded gets dark and bright end of an earlier shot of its view; others stay as they are."""
    pale = [faded(picture, 0.7, 0.08) for picture in view(0)]
    shots = [view(0), view(1), pale, view(1)]
    frames = mended(film_of(shots))
    truth, before, after = (
        contrast_points(each, full_range=False) for each in (view(0)[4], pale[4], frames[28].picture)
    )
    assert abs(before.black - truth.black) > 0.04
    assert abs(before.white - truth.white) > 0.05
    assert abs(after.black - truth.black) < 0.01
    assert abs(after.white - truth.white) < 0.01
    found = gains(shots)
    assert found[:2] + found[3:] == [1, 1, 1]
    assert found[2] == pytest.approx(1 / 0.7, rel=0.03)
    assert gains(shots, 0.5)[2] - 1 == pytest.approx((found[2] - 1) / 2, rel=0.05)
    same = [frame.picture for frame in frames[:12]]
    assert all(np.array_equal(a.planes[0], b.planes[0]) for a, b in zip(same, view(0), strict=True))


def moving_scene() -> list[list[Picture]]:
    """A pan that is cut into three shots of 20 frames, none of which begins with the view of another."""
    frames = shot(60, pan=np.linspace(-30, 30, 60), grain=2).frames
    return [[gray(frame) for frame in frames[first : first + 20]] for first in (0, 20, 40)]


def test_a_scene_is_followed_while_the_camera_moves() -> None:
    """Shots that go on where an earlier one was cut off get its contrast, through one that was faded itself."""
    one, two, three = moving_scene()
    pale, paler = [faded(each, 0.8, 0.05) for each in two], [faded(each, 0.65, 0.1) for each in three]
    shots = [one, view(1), pale, view(1), paler, view(1)]
    found = gains(shots)
    assert (found[0], found[1], found[3], found[5]) == (1, 1, 1, 1)
    assert found[2] == pytest.approx(1 / 0.8, rel=0.05)
    assert found[4] == pytest.approx(1 / 0.65, rel=0.06)
    assert set(gains([one, view(1), two, view(1), three, view(1)])) == {1}


def test_light_that_changes_within_a_scene_stays() -> None:
    """A shot that is cut to from the end of the same view, or that ended in a fade, is in another light."""
    one, two, _ = moving_scene()
    pale = [faded(each, 0.8, 0.05) for each in two]
    assert set(gains([one, pale])) == {1}
    dawn = [faded(each, 0.6 + 0.02 * at, 0) for at, each in enumerate(one)]
    assert set(gains([dawn, view(1), pale, view(1)])) == {1}


@pytest.mark.parametrize(
    "shots",
    [
        pytest.param([[gray(np.full((48, 64), 16))] * 20] * 3, id="all black"),
        pytest.param([[gray(np.full((48, 64), 255))] * 20] * 3, id="all white"),
        pytest.param([[gray(np.zeros((48, 64)))], [gray(np.full((48, 64), 200))]] * 3, id="shots of one frame"),
        pytest.param([view(0, 1)] * 3 + [[faded(view(0, 1)[0], 0.7, 0.05)]], id="shots too short to judge"),
        pytest.param([view(0) * 30], id="one long shot"),
        pytest.param([view(0), [faded(each, 0.4, 0.1) for each in view(0)]], id="another light"),
        pytest.param([view(0), [faded(each, 0.2, 0.0) for each in view(0)]], id="night"),
        pytest.param([view(0), [faded(each, (at + 1) / 12, 0) for at, each in enumerate(view(0))]], id="fade in"),
        pytest.param([view(0), [faded(each, 0.7, 0.08) for each in view(1)]], id="another view"),
        pytest.param([[faded(each, 0.7, 0.08) for each in view(0)], view(0)], id="the faded one first"),
    ],
)
def test_nothing_else_is_changed(shots: list[list[Picture]]) -> None:
    """Shots without a picture, of another view or light, fades and shots of a few frames keep their contrast."""
    assert set(gains(shots)) == {1.0}


def test_title_cards_are_not_pulled_up() -> None:
    """A dim card of bright letters on black stays dim beside a bright one."""
    card = np.full((96, 128), 16)
    card[40:50, 20:100:3] = 220
    dim = np.where(card == 16, 16, 120)
    assert set(gains([[gray(card)] * 12, [gray(dim)] * 12])) == {1.0}


def test_off_passes_the_frames_on() -> None:
    """Without the key no frame is measured or changed."""
    frames = film_of([view(0), [faded(each, 0.7, 0.08) for each in view(0)]])
    assert list(with_fading(frames, Recipe(), FRAME_BYTES, full_range=False)) == frames
    assert '"fading"' not in Recipe().canonical()
    assert Recipe(fading=0.5).changed_keys() == ["fading"]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30), st.floats(0.5, 1), st.floats(0, 0.15)), max_size=6),
    st.sampled_from([FRAME_BYTES, 16 << 20]),
)
def test_a_shot_depends_on_itself_and_those_before(
    shots: list[tuple[int, int, float, float]], frame_bytes: int
) -> None:
    """Every frame is there once and in order, with numbers that no later shot changes and one curve for each shot."""
    whole = film_of([[faded(each, gain, lift) for each in view(number, count)] for number, count, gain, lift in shots])
    found = list(with_fading(whole, Recipe(fading=1), frame_bytes, full_range=False))
    assert [frame.index for frame in found] == [frame.index for frame in whole]
    starts = [frame.index for frame in whole if frame.record.shot_start]
    for start in starts[1:]:
        earlier = list(with_fading(whole[:start], Recipe(fading=1), frame_bytes, full_range=False))
        assert [frame.record for frame in earlier] == [frame.record for frame in found[:start]]
    for frame, after in pairwise(found):
        one, other = frame.record.fading, after.record.fading
        assert one is not None
        assert other is not None
        assert after.record.shot_start or (one.from_black, one.gain) == (other.from_black, other.gain)
        assert 1 <= one.gain < 2


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("name", sorted(PIXEL_FORMATS))
def test_the_curve_keeps_order_black_and_white(name: str, full_range: bool) -> None:
    """Of every code; no two levels change places, and the format's black, white and neutral chroma stay."""
    fmt = PIXEL_FORMATS[name]
    codes = np.arange(1 << fmt.depth).reshape(16, -1)
    width = codes.shape[1]
    planes: list[Plane] = [_stored(codes, fmt.depth)]
    shapes = [fmt.plane_shape(at, width, 16) for at in range(1, fmt.planes)]
    planes += [_stored(np.full(shape, fmt.neutral), fmt.depth) for shape in shapes]
    found = even_contrast(Picture(name, width, 16, tuple(planes)), RAISED, full_range=full_range)
    luma = found.planes[0].ravel().astype(int)
    assert (np.diff(luma) >= 0).all()
    unit = 1 << (fmt.depth - 8)
    ends = ((0, 0), ((1 << fmt.depth) - 1, 4095)) if full_range else ((16 * unit, 256), (235 * unit, 3760))
    assert [luma[code] for code, _ in ends] == [code for _, code in ends]
    assert all((plane == found.format.neutral).all() for plane in found.planes[1:])


def test_the_contrast_travels_with_its_frame() -> None:
    """The message gives the same numbers; numbers out of range and a batch without them are refused."""
    record = FrameRecord(pts=1, duration=1, fading=RAISED)
    info = frame_to_wire(record)
    assert frame_from_wire(info) == record
    payload = Payload(pix_fmt="gray", width=8, height=8, frames=1)
    batch = FrameBatch(frames=[info], payload=payload, work=Work(scale=2, recipe_keys=["fading"]))
    check_batch(batch, 1 << 20)
    batch.frames[0].ClearField("fading")
    with pytest.raises(UnusableMessage, match="their contrast"):
        check_batch(batch, 1 << 20)
    info.fading.to_white = 9
    with pytest.raises(CorruptPayload, match="to_white"):
        frame_from_wire(info)
