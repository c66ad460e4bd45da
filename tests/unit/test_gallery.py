"""The gallery of the docs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.gallery.__main__ import PAGE, PICTURES, page
from tests.gallery.exhibits import EXHIBITS
from tests.gallery.films import Films
from tests.gallery.pictures import MOST_BYTES, MOST_BYTES_IN_ALL, Part, curves, side_by_side, time_slices, write_jpeg
from tests.gallery.restored_frames import restored_frames, source_frames, write_clip
from tests.support.aged_scenes import STEADY
from tests.support.scenes import scene


def test_the_page_is_what_the_exhibits_say() -> None:
    """docs/gallery.md has the text of each exhibit."""
    assert PAGE.read_text() == page()


def test_each_picture_is_small() -> None:
    """The folder of the pictures holds those of the exhibits, each within its limit and all within theirs."""
    sizes = {path.name: path.stat().st_size for path in PICTURES.iterdir()}
    assert set(sizes) == {f"{exhibit.name}.jpg" for exhibit in EXHIBITS}
    assert max(sizes.values()) <= MOST_BYTES
    assert sum(sizes.values()) <= MOST_BYTES_IN_ALL


def test_parts_stand_side_by_side() -> None:
    """Parts of several images are put beside each other with a white line between them."""
    images = [np.full((20, 30, 3), level, np.uint8) for level in (10, 90)]
    image = side_by_side(images, Part(5, 2, 8, 10))
    assert image.shape == (10, 8 + 4 + 8, 3)
    assert [int(image[0, column, 0]) for column in (0, 10, 19)] == [10, 255, 90]


def test_a_time_slice_has_a_column_of_each_frame() -> None:
    """A slice over time shows one column of each frame, from left to right."""
    frames = [np.full((20, 30, 3), level, np.uint8) for level in (10, 50, 90)]
    image = time_slices([frames, frames], Part(5, 2, 1, 10), (2, 3))
    assert image.shape == (30 + 4 + 30, 6, 3)
    assert image[0, ::2, 0].tolist() == [10, 50, 90]


def test_curves_have_the_width_that_was_asked_for() -> None:
    """Curves are as wide as the slices above them."""
    assert curves({"off": [1, 5, 2], "on": [2, 2, 2]}, ("frame", "brightness"), 800).shape[1] == 800


def test_a_picture_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """A picture that exceeds the limit is not written."""
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    with pytest.raises(ValueError, match="show a smaller part"):
        write_jpeg(tmp_path / "large.jpg", noise)
    assert not list(tmp_path.iterdir())


def test_chosen_frames_are_restored(tmp_path: Path) -> None:
    """Frames of a clip are restored by their numbers, with the steps of the recipe."""
    pictures = [scene(number, "yuv420p", 64, 48) for number in range(6)]
    clip = write_clip(tmp_path / "clip.mkv", pictures)
    first, second = restored_frames(clip, STEADY, [1, 4])
    assert (first.width, first.height) == (128, 96)
    reduced = cv2.resize(second.planes[0], (64, 48), interpolation=cv2.INTER_AREA)
    assert np.mean(np.abs(reduced.astype(float) - source_frames(clip)[4].planes[0])) < 8


def test_a_missing_clip_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the clips that the pictures were chosen for nothing is drawn."""
    monkeypatch.setattr("tests.gallery.films.SHARED_CLIPS", tmp_path)
    with pytest.raises(FileNotFoundError, match="chaplin"):
        Films(tmp_path)
