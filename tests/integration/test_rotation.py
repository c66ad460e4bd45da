"""A film that turned in the gate is turned back, whether its restoration is killed or not."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.aging import Ager, age_preset
from reelwright.cli.main import run
from reelwright.media.picture import Picture, eight_bits
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.registration import small_luma
from reelwright.titles.recipe import Recipe
from tests.support.aged_scenes import shot, turn_between, turning
from tests.support.clipmaker import Film, write_film
from tests.support.clips import F
from tests.support.commands import kill_after_commits, manifest_of, sha256
from tests.support.films import SHARED_CLIPS, small_network, whole_film

FRAMES, DEGREES = 96, 0.12
STEPS = ("stabilise=on", "stabilise_rotation=on", "deflicker=on", "profile=master")


def settings() -> list[str]:
    """The options of `restore`."""
    return [f"--set={setting}" for setting in (*STEPS, f"model={small_network()}")]


def pictures_of(path: Path, count: int = FRAMES) -> list[Picture]:
    """The first pictures of a film."""
    return [frame.picture for frame in islice(FrameReader(probe(str(path)), Recipe()), count)]


def gray(luma: NDArray[Any]) -> Picture:
    """A picture of luma alone."""
    rows, columns = luma.shape
    return Picture("gray", columns, rows, (np.ascontiguousarray(luma, np.uint8),))


def clean_frames() -> list[NDArray[Any]]:
    """Frames of a real film at half its size; of a drawn shot where that film is not on the machine."""
    film = whole_film("chaplin")
    if film.parent != SHARED_CLIPS:
        return list(shot(FRAMES).frames)
    return [
        np.asarray(cv2.resize(luma, (luma.shape[1] // 4 * 2, luma.shape[0] // 4 * 2), interpolation=cv2.INTER_AREA))
        for luma in (eight_bits(each.planes[0], each.format.depth) for each in pictures_of(film))
    ]


def clean_and_turned(folder: Path) -> tuple[list[Picture], Path]:
    """The clean frames, and the film that has them turned and aged."""
    small = clean_frames()
    rows, columns = small[0].shape
    rng, ager = np.random.default_rng(5), Ager(age_preset("print-1940"), 5, columns, rows)
    pictures = []
    for index, luma in enumerate(small):
        turn = turning(float(rng.normal(0, DEGREES)), (columns, rows))
        turned = cv2.warpAffine(luma, turn, (columns, rows), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)
        pictures.append(gray(ager.age(index, (np.asarray(turned, np.uint8),))[0]))
    path = folder / "turned.mkv"
    write_film(path, Film([(F(index, 25), picture) for index, picture in enumerate(pictures)], codec="ffv1"))
    return [gray(each) for each in small], path


def rotations(pictures: list[Picture], clean: list[Picture]) -> NDArray[np.float64]:
    """By how many degrees pictures are turned against those that are not, from frame to frame."""
    pairs = ((small_luma(other), small_luma(each)) for each, other in zip(pictures, clean, strict=True))
    return np.diff([turn_between(*pair).rotation for pair in pairs])


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Picture], Path, Path]:
    """The clean frames, the turned film, and that film restored."""
    folder = tmp_path_factory.mktemp("rotation")
    clean, film = clean_and_turned(folder)
    output = folder / "restored.mkv"
    assert run(["restore", str(film), "-o", str(output), *settings()]) == 0
    return clean, film, output


def test_a_film_is_turned_back(films: tuple[list[Picture], Path, Path]) -> None:
    """Of the rotation from frame to frame 40 % is left at most, and manifest and edit list say how much there was."""
    clean, film, output = films
    large = [gray(cv2.resize(each.planes[0], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)) for each in clean]
    restored = [gray(eight_bits(each.planes[0], each.format.depth)) for each in pictures_of(output)]
    before, after = rotations(pictures_of(film), clean).std(), rotations(restored, large).std()
    assert after < 0.4 * before
    manifest = manifest_of(output)
    steadiness = max((shot["steadiness"] for shot in manifest["shots"]), key=lambda each: each["rotation_before"])
    assert steadiness["rotation_before"] == pytest.approx(DEGREES, rel=0.3)
    assert steadiness["rotation_after"] < 0.4 * steadiness["rotation_before"]
    assert "stabilise_rotation" in {edit["step"] for edit in manifest["edits"]}
    assert run(["verify", str(output)]) == 0


def test_a_killed_restoration_turns_the_same(films: tuple[list[Picture], Path, Path], tmp_path: Path) -> None:
    """After SIGKILL behind a commit and a resume the film is bit-identical."""
    _, film, undisturbed = films
    output = tmp_path / "restored.mkv"
    arguments = ("-o", str(output), *settings())
    kill_after_commits(tmp_path, "restore", film, *arguments, commits=1)
    assert run(["restore", str(film), *arguments]) == 0
    assert sha256(output) == sha256(undisturbed)
