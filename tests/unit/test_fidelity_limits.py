"""A frame that departs too far from its source uses less of the network's work, and says so."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.bus.batch_limits import check_batch
from reelwright.media.picture import Picture
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.fidelity_limits import FidelityLimits
from reelwright.restoration.frame_windows import FrameWindow, FrameWindows
from reelwright.restoration.grain import GrainWanted
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import RestoredFrame, Restorer
from reelwright.titles.errors import UnusableMessage
from reelwright.titles.recipe import Recipe, RecipeLimits
from reelwright.titles.recipe_parsing import load_recipe
from reelwright.wire.frames_pb2 import FrameBatch, FrameInfo, LimitsInfo, Payload, Work
from tests.support.films import small_network
from tests.support.ledgers import fidelity_of
from tests.support.scenes import scene

DEFAULT = FidelityLimits(**RecipeLimits().model_dump())


class Inventing:
    """An engine that adds a pattern of so many levels to a bicubic enlargement, and lightens it by as many.

    Args:
        levels: of the pattern.
    """

    identity, halo_frames = "inventing", 0
    scales: tuple[int, ...] = (2, 3, 4)

    def __init__(self, levels: float) -> None:
        self._levels = np.float32(levels / 255)

    def upscale(self, luma: NDArray[np.float32], window: object, scale: int) -> NDArray[np.float32]:
        """A bicubic enlargement with the pattern."""
        assert window is None
        enlarged = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        y, x = np.indices(enlarged.shape)
        return np.asarray(enlarged + self._levels * (2 - 2 * ((x + y) % 2)), np.float32)


PLAIN = fidelity_of(unsupported=0, coarse_difference=0)
GREY = Picture("gray12le", 64, 48, (np.full((48, 64), 1600, np.uint16),))


REEL = create_engine("auto", resolve_model("reel-s"), threads=1)


def grainy_window() -> FrameWindow:
    """A scene with grain of six levels."""
    random, pictures = np.random.default_rng(0), []
    for _ in range(5):
        luma = scene(0, "gray", 240, 134).planes[0] + random.normal(0, 6, (134, 240))
        pictures.append(Picture("gray", 240, 134, (np.clip(luma, 0, 255).astype(np.uint8),)))
    return FrameWindows(pictures, 0, [True] + [False] * 4).window(2)


def restored(levels: float, limits: FidelityLimits | None, picture: Picture = GREY) -> RestoredFrame:
    return Restorer(Inventing(levels), 2, 0.0, limits=limits).restore(picture, "gray12le")


@pytest.mark.parametrize(
    ("unsupported", "difference", "share"),
    [(3, 5, 0), (4, 5, 0), (8, 5, 0.5), (4, 10, 0.5), (8, 20, 0.75), (12, 5, 0.6667), (4.002, 0, 0.0005)],
)
def test_as_much_is_held_back_as_the_limit_needs(unsupported: float, difference: float, share: float) -> None:
    """The figure that is further past its limit decides; the share is rounded up."""
    found = fidelity_of(unsupported=unsupported, coarse_difference=difference)
    assert FidelityLimits(4, 5).held_back(found, PLAIN) == share


def test_with_a_limit_of_nothing_nothing_is_left() -> None:
    """A limit of 0 takes all of the network's work back, if there is any."""
    assert FidelityLimits(0, 9).held_back(fidelity_of(unsupported=0.1), PLAIN) == 1
    assert FidelityLimits(0, 0).held_back(PLAIN, PLAIN) == 0
    plain = restored(6, FidelityLimits(0, 0)).picture.planes[0]
    assert np.array_equal(plain, restored(0, None).picture.planes[0])


@pytest.mark.parametrize("limits", [FidelityLimits(2, 100), FidelityLimits(100, 2)])
def test_a_frame_past_a_limit_keeps_it(limits: FidelityLimits) -> None:
    """A third of the work is left, in the picture as in its figures; the frame says how much was taken back."""
    found, full, plain = restored(6, limits), restored(6, None), restored(0, None)
    assert found.fidelity is not None
    assert full.fidelity is not None
    assert (full.fidelity.unsupported, full.fidelity.coarse_difference, full.fidelity.held_back) == (6, 6, 0)
    assert found.fidelity.held_back == pytest.approx(2 / 3, abs=2e-4)
    assert found.fidelity.unsupported == found.fidelity.coarse_difference == pytest.approx(2, abs=0.01)
    base = plain.picture.planes[0].astype(int)
    left, all_of_it = found.picture.planes[0] - base, full.picture.planes[0] - base
    assert left.max() == pytest.approx(all_of_it.max() / 3, abs=1)


def test_what_the_bicubic_enlargement_loses_is_counted() -> None:
    """A figure falls to that of the bicubic enlargement at most, which may itself be past a limit."""
    found, plain = fidelity_of(coarse_difference=1.5), fidelity_of(unsupported=0, coarse_difference=0.5)
    assert [FidelityLimits(8, limit).held_back(found, plain) for limit in (1.5, 1, 0.5, 0.2)] == [0, 0.5, 1, 1]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("limit", [0.3, 0.2])
def test_a_frame_of_film_keeps_its_limit(scale: int, limit: float) -> None:
    """Grain of which the bicubic enlargement loses a part too: no frame ends above the limit."""
    window, limits = grainy_window(), FidelityLimits(8, limit)
    full = Restorer(REEL, scale, 0.0).restore(window.picture, "gray", window=window).fidelity
    found = Restorer(REEL, scale, 0.0, limits=limits).restore(window.picture, "gray", window=window).fidelity
    assert full is not None
    assert found is not None
    assert full.coarse_difference > limit >= found.coarse_difference
    assert 0 < found.held_back < 1


def test_players_add_the_grain_that_a_limit_did_not_put_back() -> None:
    """With `grain.mode=table` the table of a frame that was held back has as much less grain as the frame has more."""
    window, wanted = grainy_window(), GrainWanted(0, is_measured=True)
    strengths = []
    for limits in (None, FidelityLimits(8, 0.3), FidelityLimits(8, 0)):
        found = Restorer(REEL, 2, wanted, limits=limits).restore(window.picture, "gray", window=window)
        assert found.grain is not None
        strengths.append(max(found.grain.strength))
    assert strengths[0] > 1.5 * strengths[1] > 1.5 * strengths[2]


def test_near_the_limit_nothing_jumps() -> None:
    """Just below and just above a limit the frames are nearly the same."""
    below, above = (restored(levels, FidelityLimits(4, 100)).picture.planes[0].astype(int) for levels in (3.99, 4.01))
    assert np.abs(above - below).max() <= 1


@pytest.mark.parametrize("model", ["reel-s", "small"])
@pytest.mark.parametrize("scale", [2, 4])
def test_the_default_limits_change_no_bit(model: str, scale: int) -> None:
    """Neither of the network that ships nor of one with random weights."""
    engine = create_engine("auto", resolve_model(str(small_network()) if model == "small" else model), threads=1)
    for index in (0, 24):
        picture = scene(index, "gray", 96, 80)
        limited = Restorer(engine, scale, 0.4, limits=DEFAULT).restore(picture, "gray")
        assert np.array_equal(
            limited.picture.planes[0], Restorer(engine, scale, 0.4).restore(picture, "gray").picture.planes[0]
        )
        assert limited.fidelity is not None
        assert limited.fidelity.held_back == 0


def test_the_recipe_writes_its_limits_only_when_they_are_others() -> None:
    """So processes that do not know the keys take the titles that do not use them, and recipes keep their identity."""
    assert "limits" not in load_recipe("faithful").canonical()
    assert Recipe().changed_keys() == []
    used = load_recipe("faithful", {"limits.unsupported": "0.5"})
    assert used.changed_keys() == ["limits.unsupported"]
    assert '"limits":{"unsupported":0.5}' in used.canonical()


@pytest.mark.parametrize("wrong", [{"unsupported": -1}, {"coarse_difference": float("nan")}])
def test_a_batch_with_limits_that_are_none_is_refused(wrong: dict[str, float]) -> None:
    """Before anything of it is decoded; a batch without limits is of an earlier decoder."""
    payload = Payload(pix_fmt="gray", width=8, height=8, frames=1)
    batch = FrameBatch(run="r1", frames=[FrameInfo()], payload=payload, work=Work(scale=2))
    check_batch(batch, 1 << 20)
    batch.work.limits.CopyFrom(LimitsInfo(**wrong))
    with pytest.raises(UnusableMessage, match="the batch has limits of"):
        check_batch(batch, 1 << 20)
