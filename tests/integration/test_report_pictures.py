"""What a film's report shows of its repairs and of its motion, from a real restoration."""

from __future__ import annotations

import base64
import re
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.cli.main import run
from reelwright.media.picture import Picture
from tests.support.aged_scenes import shot
from tests.support.clipmaker import Film, write_film
from tests.support.commands import kill_after_commits, manifest_of
from tests.support.films import small_network

FRAMES, SPECK_ROWS, SPECK_COLUMNS = 30, 8, 10


def speck(index: int) -> tuple[int, int]:
    """Row and column of the first sample of the speck in a frame."""
    return 20 + 41 * index % 120, 15 + 67 * index % 190


def dirty_film(path: Path) -> NDArray[np.uint8]:
    """Writes a shot that pans, with a dark speck in each frame at another place; its frames."""
    frames = shot(FRAMES, pan=[1.5 * index for index in range(FRAMES)], grain=1).frames.copy()
    for index, frame in enumerate(frames):
        row, column = speck(index)
        frame[row : row + SPECK_ROWS, column : column + SPECK_COLUMNS] = 0
    pictures = [Picture("gray", frames.shape[2], frames.shape[1], (frame,)) for frame in frames]
    write_film(path, Film([(Fraction(index, 25), picture) for index, picture in enumerate(pictures)], codec="ffv1"))
    return frames


def embedded(uri: str) -> NDArray[np.uint8]:
    """The picture of a data URI with all its channels."""
    found = cv2.imdecode(np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return np.asarray(found, np.uint8)


def shown_in(film: Path) -> list[str]:
    """The masks, the pictures that lie below them, and the strips with their words, of a film's report."""
    text = Path(f"{film}.report.html").read_text()
    pictures = re.findall(r'data-before="([^"]+)" data-after="([^"]+)" data-marked="([^"]+)" data-mask="([^"]+)"', text)
    strips = re.findall(r'class="frames"><img src="([^"]+)" alt="([^"]+)".*?<img src="([^"]+)"', text)
    return [*chain.from_iterable(pictures), *chain.from_iterable(strips)]


def test_the_report_shows_the_worst_frame(tmp_path: Path) -> None:
    """The mask is its speck, its size that of the manifest, and the strips are the frames around it."""
    source, output = tmp_path / "dirty.mkv", tmp_path / "film.mkv"
    frames = dirty_film(source)
    options = [f"--set=model={small_network()}", "--set=scale=2", "--profile=master"]
    assert run(["restore", str(source), "-o", str(output), *options]) == 0
    before, after, _, uri, first, alt, second = shown_in(output)
    measured, (entry,) = (manifest_of(output)[name] for name in ("frame_fidelity", "shots"))
    worst = entry["fidelity"]["worst_frame"]
    segment = range(24) if worst < 24 else range(24, FRAMES)
    mask = embedded(uri)
    assert mask.shape[:2] == frames.shape[1:]
    # Magenta and cyan.
    dust, scratched = ((mask[..., 3] > 0) & (mask[..., channel] > 200) for channel in (2, 1))
    for name, found in (("repaired", dust), ("scratched", scratched)):
        assert found.mean() * 1e6 == pytest.approx(measured[name][worst], abs=1)
    row, column = speck(worst)
    assert dust[row : row + SPECK_ROWS, column : column + SPECK_COLUMNS].mean() > 0.9
    shown = range(max(segment.start, worst - 2), min(segment.stop, worst + 3))
    assert alt == f"Frames {shown[0]} to {shown[-1]} of the source"
    strips = [embedded(each) for each in (first, second)]
    assert [strip.shape[:2] for strip in strips] == [(120, len(shown) * 160), (240, len(shown) * 320)]
    # A crop of the strip lies somewhere in its frame; all of them lie at one place.
    crops = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in np.split(strips[0], len(shown), axis=1)]
    places = []
    for crop, index in zip(crops, shown, strict=True):
        places.append(cv2.minMaxLoc(cv2.matchTemplate(frames[index], crop, cv2.TM_SQDIFF))[2])
    assert len(set(places)) == 1
    assert np.abs(frames[worst].astype(int) - embedded(before)).mean() < 3
    assert embedded(after).shape[:2] == (2 * frames.shape[1], 2 * frames.shape[2])


def test_a_killed_restoration_shows_the_same(tmp_path: Path) -> None:
    """After SIGKILL the report has the pictures of an undisturbed restoration, with another number of threads."""
    source, output = tmp_path / "dirty.mkv", tmp_path / "film.mp4"
    dirty_film(source)
    options = [f"--set=model={small_network()}", "--set=deflicker=on"]
    kill_after_commits(tmp_path, "restore", source, "-o", output, *options, "--threads=1")
    assert not output.exists()
    for film, threads in ((output, 1), (tmp_path / "undisturbed.mp4", 2)):
        assert run(["restore", str(source), "-o", str(film), *options, f"--threads={threads}"]) == 0
    assert len(shown_in(output)) == 7
    assert shown_in(output) == shown_in(tmp_path / "undisturbed.mp4")
