"""Light that leaks into parts of a real film goes, whether its restoration is killed or not."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.cli.main import run
from reelwright.decoder import local_flicker
from reelwright.decoder.look_ahead import look_ahead
from reelwright.media.frame_correction import FrameCorrection
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.restoration.deflicker import even_light
from reelwright.titles.recipe import Recipe
from tests.support.aged_scenes import uneven_fields
from tests.support.clipmaker import Film, write_film
from tests.support.clips import F
from tests.support.commands import kill_after_commits, manifest_of, sha256
from tests.support.films import small_network, whole_film

# Two shots of a clip that is on every machine.
FIRST, FRAMES, CUT = 30, 90, 46
STEPS = ("deflicker=on", "profile=master", f"model={small_network()}")
Numbers = NDArray[np.float64]


def clean() -> Numbers:
    """Luma of the clip's frames, made half as large."""
    frames = islice(FrameReader(probe(str(whole_film("bikes"))), Recipe()), FIRST, FIRST + FRAMES)
    lumas = (frame.picture.planes[0] for frame in frames)
    size = (320, 136)
    return np.stack([cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in lumas]).astype(np.float64)


def leaking(frames: Numbers, levels: float) -> Numbers:
    """Frames of which one part gets more and another one less light, new in each frame: a veil that flickers."""
    veil = np.tensordot(np.random.default_rng(2).standard_normal((len(frames), 3)), uneven_fields((136, 320)), 1)
    return np.clip(np.rint(frames + levels * veil), 0, 255)


def decoded(frames: Numbers) -> list[DecodedFrame]:
    """Frames as the decoder's reader gives them."""
    return [
        DecodedFrame(
            index,
            FrameRecord(pts=index, duration=1, shot_start=index in {0, CUT}),
            Picture("gray", frame.shape[1], frame.shape[0], (np.rint(frame).astype(np.uint8),)),
        )
        for index, frame in enumerate(frames)
    ]


def corrections(frames: Numbers) -> list[FrameCorrection]:
    """What the look-ahead says of each frame."""
    steadied = look_ahead(decoded(frames), Recipe(deflicker="on"), frames[0].size, full_range=False)
    return [each.record.correction for each in steadied if each.record.correction is not None]


def left(frames: Numbers, steady: Numbers) -> float:
    """What parts change from frame to frame against the steady frames and the frame's mean, in levels."""
    cells = np.stack([cv2.resize(each, (40, 17), interpolation=cv2.INTER_AREA) for each in frames - steady])
    changes = np.diff(cells[:CUT], axis=0)
    return float(np.sqrt(np.square(changes - changes.mean(axis=(1, 2), keepdims=True)).mean() / 2))


def evened(frames: Numbers) -> Numbers:
    """Frames after the worker's step, in levels."""
    found = zip(decoded(frames), corrections(frames), strict=True)
    return np.stack([even_light(each.picture, how, full_range=False).planes[0] / 16 for each, how in found])


def test_added_light_is_evened_out_by_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a veil of 2.5 levels the step leaves a third, and 37 % less at least than if its fields were gains alone."""
    steady = clean()
    veiled = leaking(steady, 2.5)
    assert all(each.local_offset for each in corrections(veiled)[:CUT])
    found = left(evened(veiled), steady)
    assert found < left(veiled, steady) / 3
    monkeypatch.setattr(local_flicker, "BETTER", 0.0)
    assert found < 0.63 * left(evened(veiled), steady)


def test_multiplied_light_is_evened_out_as_by_gains_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where parts flicker by a share of their light, no offset is added, and the gains are the same to the bit."""
    frames = clean()
    fields = np.tensordot(np.random.default_rng(2).standard_normal((FRAMES, 3)), uneven_fields((136, 320)), 1)
    lit = np.clip(np.rint((frames - 16) * (1 + 0.03 * fields) + 16), 0, 255)
    found = corrections(lit)
    assert any(any(each.local) for each in found)
    assert not any(each.local_offset for each in found)
    monkeypatch.setattr(local_flicker, "BETTER", 0.0)
    assert corrections(lit) == found


def test_real_film_without_flicker_of_parts_is_left() -> None:
    """No part is multiplied or added to, where a camera in the hand follows what moves."""
    assert {(each.local, each.local_offset) for each in corrections(clean())} == {((0.0,) * 5, ())}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The film with a veil that flickers, and that film restored."""
    folder = tmp_path_factory.mktemp("leak")
    film, output = folder / "veiled.mkv", folder / "restored.mkv"
    pictures = [frame.picture for frame in decoded(leaking(clean(), 3.0))]
    write_film(film, Film([(F(index, 25), each) for index, each in enumerate(pictures)], codec="ffv1"))
    assert run(["restore", str(film), "-o", str(output), *settings()]) == 0
    return film, output


def settings() -> list[str]:
    """The options of `restore`."""
    return [f"--set={setting}" for setting in STEPS]


def test_certificate_and_edit_list_say_what_was_added(films: tuple[Path, Path]) -> None:
    """Flicker of parts falls to a fifth at most in the certificate, and the list has the frames with their levels."""
    _, output = films
    manifest: dict[str, Any] = manifest_of(output)
    for shot in manifest["shots"]:
        assert shot["fidelity"]["local_flicker_after"] < shot["fidelity"]["local_flicker_before"] / 5
    (edit,) = (edit for edit in manifest["edits"] if edit["step"] == "deflicker")
    assert sum(last - first + 1 for first, last, _ in edit["ranges"]) > FRAMES * 0.9
    assert all(2 < strength < 4 for *_, strength in edit["ranges"])
    assert run(["verify", str(output)]) == 0


def test_a_killed_restoration_adds_the_same(films: tuple[Path, Path], tmp_path: Path) -> None:
    """After SIGKILL behind a commit and a resume the film is bit-identical."""
    film, undisturbed = films
    output = tmp_path / "restored.mkv"
    arguments = ("-o", str(output), *settings())
    kill_after_commits(tmp_path, "restore", film, *arguments, commits=1)
    assert run(["restore", str(film), *arguments]) == 0
    assert sha256(output) == sha256(undisturbed)
