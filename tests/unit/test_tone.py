"""Glare is taken off and shadows are opened, and the rest of the film stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import cv2
import numpy as np
import pytest

from reelwright.bus.batch_limits import check_batch
from reelwright.bus.conversion import (
    frame_from_wire,
    frame_to_wire,
    tone_change_from_wire,
    tone_change_to_wire,
)
from reelwright.decoder.tone_curves import with_tone
from reelwright.ledger.manifest import ShotEntry
from reelwright.ledger.report import formatting
from reelwright.media.frame_correction import FrameTone, ToneChange
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.picture import PIXEL_FORMATS, Picture
from reelwright.media.tone_measurement import level_range
from reelwright.restoration.restore import RestoredFrame, Restorer
from reelwright.restoration.tone import tone_map
from reelwright.titles.errors import CorruptPayload, UnusableMessage
from reelwright.titles.recipe import Recipe, Tone
from reelwright.titles.recipe_parsing import load_recipe
from reelwright.wire.frames_pb2 import FrameBatch, FrameInfo, Payload, ToneInfo, Work
from tests.support.aged_scenes import COLUMNS, ROWS, Codes, decoded, shot
from tests.support.scenes import scene
from tests.support.veiled_scenes import bloomed, compare, crushed, opened, tones

BOTH = Recipe(tone=Tone(glare=1, shadows=1))
TONE = FrameTone(white=0.9, shadows=1.2, highlights=0.8, veil=0.3, detail=2)


class Bicubic:
    """An engine without a network, which removes no grain."""

    identity, halo_frames = "bicubic", 0
    scales: tuple[int, ...] = (2,)

    def upscale(self, luma: np.ndarray, window: object, scale: int) -> np.ndarray:
        """A bicubic enlargement."""
        assert window is None
        return np.asarray(cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)


def street(count: int = 8) -> Codes:
    """A pan over a scene with dark and bright parts in studio range; its shadows lie as in uncrushed film."""
    light = shot(count, pan=[2.0 * index for index in range(count)]).frames.astype(np.float32)
    lamps = np.zeros((ROWS, COLUMNS), np.float32)
    for place in ((50, 60), (120, 90), (200, 40)):
        cv2.circle(lamps, place, 14, (150.0,), -1)
    dark = np.linspace(0.4, 1, COLUMNS, dtype=np.float32)
    found = 16 + (light - 30) * dark + cv2.GaussianBlur(lamps, (0, 0), 2)
    return np.asarray(np.clip(np.rint(found), 20, 235), np.uint8)


@pytest.mark.parametrize(
    ("damage", "opening"),
    [
        (partial(bloomed, amount=0.5), {"glare": 1.0}),
        (partial(crushed, power=1.3), {"shadows": 1.0}),
        (partial(crushed, power=2.2), {"shadows": 1.0}),
    ],
    ids=["bloom", "slightly crushed shadows", "crushed shadows"],
)
def test_damage_goes(damage: Callable[[Codes], Codes], opening: dict[str, float]) -> None:
    """Its error falls by 30 %, mid-tones stay within 1 %, the rest within noise, and nothing flickers more."""
    truth = street()
    damaged = damage(truth)
    found = compare(truth, damaged, opened(damaged, **opening))
    assert found.after < 0.7 * found.before
    assert abs(found.midtones) < 1
    assert found.elsewhere_after < found.elsewhere_before + 1.5
    assert found.flicker_after < found.flicker_before + 0.02


def test_an_edge_has_no_halo() -> None:
    """A dark area beside a bright one is opened evenly up to five samples from the edge."""
    luma = np.full((160, 240), 200 / 255, np.float32)
    luma[:, :120] = 45 / 255
    found = tone_map(luma, FrameTone(shadows=1.5), level_range(8, full_range=False)).apply(luma.copy()) * 255
    assert found[80, 5] > 50
    assert np.abs(found[80, :115] - found[80, 5]).max() < 2
    assert np.abs(found[80, 125:] - 200).max() < 2


def test_mid_tones_beside_dark_parts_stay() -> None:
    """Neither do fine mid-tones in a dark part rise with it, nor does a darker sample become lighter than they are."""
    rng = np.random.default_rng(4)
    luma = np.asarray(rng.uniform(16, 175, (96, 128)) / 255, np.float32)
    luma[:, ::7] = 115 / 255
    found = tone_map(luma, FrameTone(shadows=1.1, detail=2), level_range(8, full_range=False)).apply(luma.copy())
    level, opened_level = (level_range(8, full_range=False).levels(each) for each in (luma, found))
    middle = level >= 0.4
    assert (opened_level[middle] <= level[middle] + 1e-6).all()
    assert opened_level[~middle].max() <= 0.4 + 1e-6
    assert (opened_level - level)[~middle].mean() > 0.01


def test_a_dark_shot_is_opened_as_far_as_a_light_one() -> None:
    """Levels do not tell crushed shadows from a dark scene, so the recipe alone says how far shadows are opened."""
    shots = (street(3), crushed(street(3), 2.5), np.minimum(235, street(3) + np.uint8(20)), street(3) // 2 + 8)
    assert {tone.shadows for frames in shots for tone in tones(frames, BOTH)} == {1.1}


def test_highlights_close_to_white_are_opened_further() -> None:
    """The further, the closer to white their median lies, between two limits."""
    ramp = np.tile(np.linspace(16, 235, COLUMNS), (3, ROWS, 1))
    part = np.clip((ramp - 158) / 77, 0, 1)
    shots = [np.where(ramp > 158, 158 + 77 * part**power, ramp) for power in (1, 0.6, 0.5)]
    slopes = [tones(np.rint(frames).astype(np.uint8), BOTH)[1].highlights for frames in shots]
    assert slopes[0] == 0.7
    assert 0.7 < slopes[1] < 1.2
    assert slopes[2] == 1.2


def test_grain_is_not_lifted() -> None:
    """In opened shadows grain keeps its strength, and where much of it is left, detail is not enhanced."""
    noise = np.random.default_rng(3).normal(0, 5, (8, ROWS, COLUMNS))
    dark = np.clip(np.rint(50 + noise), 0, 255).astype(np.uint8)
    assert [tone.detail for tone in tones(dark, BOTH)] == [1.0] * 8
    assert opened(dark, shadows=1)[4].std() < 1.02 * dark[4].std()
    assert opened(dark, shadows=1).mean() > dark.mean() + 1


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv444p12le"])
def test_colour_follows_luma(name: str) -> None:
    """A flat colour has the same ratio of chroma to luma afterwards, and neutral chroma stays exactly neutral."""
    layout = PIXEL_FORMATS[name]
    step = 1 << (layout.depth - 8)
    codes = (60 * step, layout.neutral + 12 * step, layout.neutral)
    planes = [np.full(layout.plane_shape(i, 96, 64), code, layout.dtype) for i, code in enumerate(codes)]
    picture = Picture(name, 96, 64, tuple(planes))  # type: ignore[arg-type]
    luma, blue, red = restored(picture, FrameTone(shadows=1.5)).picture.planes
    lifted = (int(luma[64, 96]) / step - 16) / (60 - 16)
    assert lifted > 1.2
    assert (int(blue[8, 8]) - layout.neutral) / (12 * step) == pytest.approx(lifted, abs=0.06)
    assert (red == layout.neutral).all()


def test_without_a_tone_nothing_changes() -> None:
    """With both keys 0 frames get no tone, and a tone of nothing changes no sample."""
    frames = decoded(street(2))
    assert list(with_tone(frames, Recipe(), 1, full_range=False)) == frames
    picture = scene(0, "yuv420p", 96, 64)
    left, nothing = restored(picture, None), restored(picture, FrameTone())
    assert left.tone_change is None
    assert left.picture.digest() == nothing.picture.digest()


def restored(picture: Picture, tone: FrameTone | None) -> RestoredFrame:
    """A picture with its tone, twice as large."""
    return Restorer(Bicubic(), 2, 0.4).restore(picture, picture.pix_fmt, tone=tone)


@pytest.mark.parametrize("level", [0, 16, 235, 255])
@pytest.mark.parametrize("count", [1, 6])
def test_black_and_white_frames_stay(level: int, count: int) -> None:
    """All black and all white are left as they are, in a shot of one frame too."""
    frames = np.full((count, 48, 64), level, np.uint8)
    assert np.array_equal(opened(frames, glare=1, shadows=1), frames)


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (2, 40), (40, 2), (17, 33)])
def test_tiny_pictures_are_opened(rows: int, columns: int) -> None:
    """A picture of a few samples has a tone as well."""
    frames = np.random.default_rng(1).integers(16, 236, (2, rows, columns), np.uint8)
    assert opened(frames, glare=1, shadows=1).shape == frames.shape


def test_codes_above_the_depth_do_no_harm() -> None:
    """A damaged picture of ten bits with codes of sixteen is opened and clipped like any other."""
    wild = np.random.default_rng(2).integers(0, 1 << 16, (48, 64), np.uint16)
    found = restored(Picture("gray10le", 64, 48, (wild,)), TONE)
    assert found.picture.planes[0].max() <= 1023


def test_a_shot_of_one_frame_is_opened() -> None:
    """One frame is a shot like any other."""
    damaged = crushed(street(1), 1.7)
    found = compare(street(1), damaged, opened(damaged, shadows=1))
    assert found.after < 0.7 * found.before


def test_a_strobe_does_not_make_the_curve_flicker() -> None:
    """Where every other frame is nearly black, all frames of the shot have nearly the same tone."""
    frames = street(24)
    frames[1::2] = 16 + (frames[1::2] - 16) // 8
    found = np.array([[tone.shadows, tone.highlights, tone.veil, tone.white] for tone in tones(frames, BOTH)])
    assert np.abs(np.diff(found, axis=0)).max() < 0.03


def test_a_title_card_stays() -> None:
    """Fine white lines on black keep their code values: nothing glows, and black is not lifted."""
    card = np.full((6, ROWS, COLUMNS), 16, np.uint8)
    card[:, 60:64, 40:200] = card[:, 90:91, 40:200] = card[:, 50:120, 100:101] = 235
    found = opened(card, glare=1, shadows=1)
    assert np.abs(found.astype(int) - card).max() <= 2


def test_shots_have_their_own_curves() -> None:
    """A shot's tones are the same whatever the shots before and after it are."""
    first, second = crushed(street(6), 1.5), bloomed(street(5), 0.4)
    together = tones(np.concatenate([first, second]), BOTH, (0, 6))
    assert together == [*tones(first, BOTH), *tones(second, BOTH)]


def test_a_tone_depends_on_a_bounded_number_of_later_frames() -> None:
    """Frames are yielded while the shot goes on, and what comes later changes none of them."""
    frames, taken = np.concatenate([street(20), crushed(street(20), 2)]), 0
    # Of frames so large eight are looked ahead.
    frame_bytes = (96 << 20) // 8

    def counted() -> Iterator[DecodedFrame]:
        nonlocal taken
        for frame in decoded(frames):
            taken += 1
            yield frame

    stream = with_tone(counted(), BOTH, frame_bytes, full_range=False)
    first = [next(stream).record.tone for _ in range(12)]
    assert taken == 12 + 8
    again = with_tone(iter(decoded(frames[:20])), BOTH, frame_bytes, full_range=False)
    assert first == [next(again).record.tone for _ in range(12)]


def test_tones_and_changes_survive_the_wire() -> None:
    """A frame's tone and what was changed are the same after they were messages."""
    for record in (FrameRecord(pts=1, duration=1, tone=TONE), FrameRecord(pts=1, duration=1)):
        assert frame_from_wire(FrameInfo.FromString(frame_to_wire(record).SerializeToString())) == record
    change = ToneChange(brightness=-1.25, changed=0.4, recovered=0.002)
    assert tone_change_from_wire(tone_change_to_wire(change)) == change


@pytest.mark.parametrize("field", ["white", "shadows", "highlights", "veil", "detail"])
@pytest.mark.parametrize("value", [float("nan"), -1.0, 1e9])
def test_a_hostile_tone_is_refused(field: str, value: float) -> None:
    """Figures that no decoder sends do not reach a picture."""
    with pytest.raises(CorruptPayload, match=field):
        frame_from_wire(FrameInfo(tone=ToneInfo(**{**TONE.model_dump(), field: value})))


def test_a_batch_without_the_tone_that_its_recipe_needs_is_refused() -> None:
    """Each frame needs one, or parts of the film would stay as they were."""
    batch = FrameBatch(
        frames=[FrameInfo(), FrameInfo(tone=ToneInfo(**TONE.model_dump()))],
        work=Work(scale=2, recipe_keys=["tone.glare"]),
        payload=Payload(pix_fmt="gray", width=2, height=2, frames=2),
    )
    with pytest.raises(UnusableMessage, match="1 of them with their tone"):
        check_batch(batch, 1 << 20)
    batch.frames[0].tone.CopyFrom(batch.frames[1].tone)
    check_batch(batch, 1 << 20)


def test_the_recipe_writes_its_tone_only_when_it_is_used() -> None:
    """So processes that do not know the keys take the titles that do not use them."""
    assert "tone" not in load_recipe("faithful").canonical()
    used = load_recipe("faithful", {"tone.glare": "0.5"})
    assert used.changed_keys() == ["tone.glare"]
    assert '"tone":{"glare":0.5}' in used.canonical()


def test_tone_in_words() -> None:
    """A shot's sentence says how far its brightness moved, and how much of the picture changed; a film has the mean."""
    shot = ShotEntry(first_frame=0, frames=3, preview_frame=0, tone_change=ToneChange(brightness=-1.24, changed=0.307))
    other = ShotEntry(first_frame=3, frames=1, preview_frame=3, tone_change=ToneChange(brightness=2.76, changed=0.107))
    unchanged = ShotEntry(first_frame=4, frames=9, preview_frame=4)
    assert formatting.shot_sentence(shot) == "brightness -1.2 %, 31 % of the picture changed"
    mean = formatting.tone_change_of([shot, other, unchanged])
    assert mean is not None
    assert mean.brightness == pytest.approx(-0.24)
    assert mean.changed == pytest.approx(0.257)
    assert formatting.tone_change_of([unchanged]) is None
    recovered = formatting.tone_sentence(ToneChange(brightness=0, changed=0.1, recovered=0.0034))
    assert recovered == "brightness +0.0 %, 10 % of the picture changed, detail of other frames put back in 0.34 %"
