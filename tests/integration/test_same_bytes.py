"""A film is the same to the bit whatever its batches, segments and threads, and whatever was in memory before."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from reelwright.decoder import segmenter, title_decoder
from tests.support.commands import manifest_of
from tests.support.damaged_files import broken
from tests.support.films import one_sided_film, small_film, turning_film, uneven_film, unsteady_film
from tests.support.pipeline_harness import pipeline_harness, request_for

_ENCODE = """
import sys
from fractions import Fraction
from pathlib import Path
from reelwright.media.film_format import FilmFormat
from reelwright.media.encode import SegmentEncoder
from reelwright.media.profiles import profile_spec
from tests.support.scenes import scene

path, profile, pix_fmt, width = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
rates = {"time_base": Fraction(1, 25), "average_rate": Fraction(25)}
film = FilmFormat(width=width, height=112, pix_fmt=pix_fmt, **rates)
encoder = SegmentEncoder(path, profile_spec(profile), film)
for index in range(18):
    encoder.add(scene(index, pix_fmt, width, 112))
encoder.finish()
"""


# 144 and 320 are not multiples of 128, so vector code reads beyond the end of a row.
@pytest.mark.parametrize(
    ("profile", "pix_fmt", "width"),
    [
        ("web", "yuv420p", 144),
        ("web", "yuv420p", 320),
        ("master", "yuv420p", 144),
        ("hevc10", "yuv420p10le", 144),
        ("av1", "yuv420p10le", 144),
        ("prores", "yuv422p10le", 144),
    ],
)
def test_stale_memory_does_not_reach_the_film(profile: str, pix_fmt: str, width: int, tmp_path: Path) -> None:
    """A segment's file does not depend on uninitialised memory."""
    files = []
    for fill in ("0", "1"):
        path = tmp_path / f"{fill}.mkv"
        arguments = [sys.executable, "-c", _ENCODE, str(path), profile, pix_fmt, str(width)]
        # glibc fills allocated memory with the complement of this number; 0 leaves it unchanged.
        environment = {**os.environ, "MALLOC_PERTURB_": fill}
        subprocess.run(arguments, check=True, env=environment, capture_output=True)
        files.append(path.read_bytes())
    assert files[0] == files[1]


# Cuts inside batches, and a last shot of one frame.
SHOTS = (10, 7, 9, 1)


@cache
def films() -> tuple[Path, ...]:
    """Films of one to five frames, one with cuts inside batches, one with damage, four unsteady ones.

    The last one is the one with cuts again. Its frames are averaged along the motion.
    """
    small = (small_film(frames) for frames in range(1, 6))
    return (*small, uneven_film(*SHOTS), broken("ffv1", 13), *unsteady_films(), uneven_film(*SHOTS))


def unsteady_films() -> tuple[Path, ...]:
    """One with weave, two of which the sides flicker by a gain and by an offset, one that turns."""
    return unsteady_film(44), one_sided_film(40), one_sided_film(40, added=True), turning_film(44)


def restored(folder: Path, *, parallel: int = 1) -> list[dict[str, Any]]:
    """Restores all films; their manifests."""
    folder.mkdir()
    manifests: list[dict[str, Any]] = []
    with pipeline_harness(str(folder / "ledger"), parallel=parallel) as harness:
        for number, source in enumerate(films()):
            output = folder / f"{number}.mp4"
            step = "on" if source in unsteady_films() else "off"
            turn = "on" if source == turning_film(44) else "off"
            tone = {"glare": 0.7, "shadows": 1} if source in {unsteady_film(44), uneven_film(*SHOTS)} else {}
            # Several frames of the film with tone are past such a limit, others are not.
            limits = {"coarse_difference": 0.265} if source == uneven_film(*SHOTS) else {}
            steps = {"deflicker": step, "stabilise": step, "stabilise_rotation": turn, "tone": tone, "limits": limits}
            filtered = number == len(films()) - 1
            steps["temporal_filter"] = "on" if filtered else "off"
            request = request_for(source, output, on_damage="conceal", **steps)
            assert request.halo_frames == 2 + filtered
            harness.submit(request)
            event = harness.wait(request)
            assert event.WhichOneof("event") == "title_finished", event
            manifests.append(manifest_of(output))
    return manifests


def test_the_borders_of_batches_and_segments_change_no_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 1, 5 and 12 frames, short segments and several threads give the same frames."""
    manifests = restored(tmp_path / "whole")
    assert [shot["frames"] for shot in manifests[5]["shots"]] == list(SHOTS)
    assert manifests[6]["concealed"]
    steadied, *_ = manifests[7]["shots"]
    assert all(shot["tone_change"]["changed"] > 0 for shot in (*manifests[5]["shots"], steadied))
    assert steadied["steadiness"]["flicker_after"] < steadied["steadiness"]["flicker_before"] / 3
    for manifest in manifests[8:10]:
        # The mean luma of these films changes by 0.04 levels; the others are those of their sides.
        assert all(edit["ranges"][0][2] > 1 for edit in manifest["edits"] if edit["step"] == "deflicker")
        one_sided = manifest["shots"][0]["fidelity"]
        assert one_sided["local_flicker_after"] < one_sided["local_flicker_before"] / 5
        assert "deflicker" in {edit["step"] for edit in manifest["edits"]}
    (turned,) = manifests[10]["shots"]
    assert 0 < turned["steadiness"]["rotation_after"] < turned["steadiness"]["rotation_before"] / 3
    pairs = zip(manifests[5]["frame_digests"], manifests[11]["frame_digests"], strict=True)
    # Nothing is averaged over a cut, and the last shot has one frame.
    assert [one == other for one, other in pairs] == [False] * sum(SHOTS[:-1]) + [True]
    held_back = manifests[5]["frame_fidelity"]["held_back"]
    assert 0 < sum(share > 0 for share in held_back) < sum(SHOTS)
    wanted = [manifest["frame_digests"] for manifest in manifests]
    for batch, segment, parallel in ((1, 48, 3), (5, 7, 2)):
        monkeypatch.setattr(segmenter, "BATCH_MAX_FRAMES", batch)
        monkeypatch.setattr(segmenter, "SEGMENT_MAX_FRAMES", segment)
        found = restored(tmp_path / str(batch), parallel=parallel)
        assert [manifest["frame_digests"] for manifest in found] == wanted
        # Steadiness is measured segment by segment, so its figures alone depend on their length.
        assert [_without_steadiness(manifest) for manifest in found] == [_without_steadiness(m) for m in manifests]
        for name in ("edits", "frame_fidelity", "notes"):
            assert [manifest[name] for manifest in found] == [manifest[name] for manifest in manifests]


def _without_steadiness(manifest: dict[str, Any]) -> list[dict[str, object]]:
    return [{key: value for key, value in shot.items() if key != "steadiness"} for shot in manifest["shots"]]


def test_without_halo_frames_the_borders_would_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames at the borders of short batches differ when no halo frames are sent, so the test above can fail."""
    monkeypatch.setattr(segmenter, "BATCH_MAX_FRAMES", 5)
    with_halo = restored(tmp_path / "with")[5]["frame_digests"]
    cut = segmenter.batches
    monkeypatch.setattr(
        title_decoder, "batches", lambda frames, most, batch, _halo, **begin: cut(frames, most, batch, **begin)
    )
    assert restored(tmp_path / "without")[5]["frame_digests"] != with_halo
