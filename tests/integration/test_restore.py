"""Restored films, read with PyAV only: frames, times, black and white, borders and sound."""

from __future__ import annotations

import json
import struct
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

from reelwright.cli.main import run
from tests.support import clips
from tests.support.clipmaker import Film, write_film
from tests.support.films import REAL, gray_in_colour, real_film, small_network
from tests.support.pyav import in_seconds
from tests.support.scenes import scene


def restore(source: Path, output: Path, *options: str) -> dict[str, object]:
    """Restores a film with the command `restore`; returns its manifest."""
    assert run(["restore", str(source), "-o", str(output), *options]) == 0
    return dict(json.loads(output.with_name(output.name + ".manifest.json").read_text()))


def restore_quickly(source: Path, output: Path, *options: str) -> dict[str, object]:
    """As `restore`, with a small network: 48 frames take 1.5 s of CPU time instead of 5 s."""
    return restore(source, output, "--set", f"model={small_network()}", *options)


def shown(path: Path) -> list[Fraction]:
    """Presentation times in seconds of every decoded frame of the first video stream."""
    with av.open(str(path)) as film:
        stream = next(s for s in film.streams.video if not s.disposition & av.stream.Disposition.attached_pic)
        return [in_seconds(frame.pts, stream.time_base) for frame in film.decode(stream)]


def resolution(path: Path) -> Fraction:
    """Length of a tick of the film's container, in seconds."""
    with av.open(str(path)) as film:
        return in_seconds(1, film.streams.video[0].time_base)


def test_transparency_that_is_left_out_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What was found in the source is printed after the restoration, too, and is in the report."""
    restore_quickly(clips.clip("alpha"), tmp_path / "out.mp4")
    assert "note    transparency is left out (yuv420p)" in capfd.readouterr().out
    assert "transparency is left out" in (tmp_path / "out.mp4.report.html").read_text()


@pytest.mark.parametrize("name", clips.FILMS)
def test_the_film_has_every_frame_once_in_order_at_its_time(name: str, tmp_path: Path) -> None:
    """The film has every frame of the source, each at the time at which a player shows it in the source."""
    source, output = clips.clip(name), tmp_path / "out.mp4"
    manifest = restore_quickly(source, output)
    wanted, found = clips.truth(name).times, shown(output)
    assert manifest["frames_in"] == manifest["frames_out"] == len(wanted) == len(found)
    # Matroska has rounded the times of the source to milliseconds.
    tick = max(resolution(source), resolution(output))
    start = found[0] - wanted[0]
    # A container that cannot begin late or before 0 may shift picture and sound, but only together.
    assert all(abs(f - w - start) <= tick for f, w in zip(found, wanted, strict=True))
    assert run(["verify", str(output)]) == 0


@pytest.mark.parametrize("name", ["vfr_mkv", "yuv422p10_prores", "gray", "hdr", "streams_mkv", "odd_444"])
def test_the_master_is_lossless_and_verified_frame_by_frame(name: str, tmp_path: Path) -> None:
    """FFV1 keeps every restored sample, and `verify` decodes them all."""
    output = tmp_path / "out.mkv"
    manifest = restore_quickly(clips.clip(name), output, "--profile", "master")
    assert manifest["lossless"] is True
    assert len(manifest["frame_digests"]) == len(clips.truth(name).times)  # type: ignore[arg-type]
    assert run(["verify", str(output)]) == 0


@pytest.mark.parametrize(("profile", "suffix"), [("hevc10", "mp4"), ("av1", "mp4"), ("prores", "mov")])
def test_every_profile_keeps_the_time_of_every_frame(profile: str, suffix: str, tmp_path: Path) -> None:
    """Each codec and container keeps the times of a source with a variable frame rate and B-frames."""
    output = tmp_path / f"out.{suffix}"
    restore_quickly(clips.clip("vfr_mp4"), output, "--profile", profile)
    wanted, found = clips.truth("vfr_mp4").times, shown(output)
    tick = resolution(output)
    assert len(wanted) == len(found)
    assert all(abs(f - w) <= tick for f, w in zip(found, wanted, strict=True))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_picture_is_larger_by_the_scale(scale: int, tmp_path: Path) -> None:
    """Width and height are the source's times the scale."""
    output = tmp_path / "out.mp4"
    manifest = restore(clips.clip("rate_25"), output, "--scale", str(scale))
    assert (manifest["width"], manifest["height"]) == (160 * scale, 120 * scale)


def test_frames_that_are_closer_than_a_film_can_tell_are_moved_apart(tmp_path: Path) -> None:
    """Frames of a damaged clock, 7 ns apart, become frames in order, and the manifest says that they were moved."""
    source, output = tmp_path / "fast.avi", tmp_path / "out.mp4"
    write_film(source, Film([(Fraction(i, 25), scene(i, width=64, height=48)) for i in range(5)], codec="ffv1"))
    content = bytearray(source.read_bytes())
    # The stream header's scale and rate.
    header = content.index(b"strh")
    content[header + 28 : header + 36] = struct.pack("<II", 1, 134217753)
    source.write_bytes(content)
    manifest = restore_quickly(source, output)
    assert manifest["frames_in"] == manifest["frames_out"] == len(shown(output)) == 5
    assert "4 frames had no time of their own" in str(manifest["notes"])
    assert run(["verify", str(output)]) == 0


def test_black_and_white_gets_no_tint(tmp_path: Path) -> None:
    """Every chroma sample of a restored black-and-white film is exactly neutral."""
    output = tmp_path / "out.mkv"
    manifest = restore(gray_in_colour(), output, "--profile", "master")
    shots = cast("list[dict[str, Any]]", manifest["shots"])
    assert [shot["fidelity"]["tint"] for shot in shots] == [0] * len(shots)
    with av.open(str(output)) as film:
        for frame in film.decode(video=0):
            samples = frame.to_ndarray()
            chroma = samples[frame.height :]
            assert int(chroma.min()) == int(chroma.max()) == 1 << (frame.format.components[0].bits - 1)


def test_bars_are_put_back_where_they_were(tmp_path: Path) -> None:
    """The film has the source's black borders, enlarged by the scale; with `bars=crop` it has none."""
    kept, cropped = tmp_path / "kept.mkv", tmp_path / "cropped.mkv"
    manifest = restore_quickly(clips.clip("pillarbox"), kept, "--profile", "master")
    assert (manifest["width"], manifest["height"]) == (640, 480)
    with av.open(str(kept)) as film:
        luma = next(film.decode(video=0)).to_ndarray()[:480]
    assert int(np.ptp(luma[:, :78])) == 0
    assert int(np.ptp(luma[:, 84:556])) > 100
    manifest = restore_quickly(clips.clip("pillarbox"), cropped, "--profile", "master", "--set", "bars=crop")
    assert (manifest["width"], manifest["height"]) == (480, 480)


def test_a_temporary_folder_may_have_a_long_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A film is restored where the path of TMPDIR is longer than that of a Unix socket may be."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert restore_quickly(clips.clip("rate_25"), tmp_path / "out.mp4")["frames_out"] == len(
        clips.truth("rate_25").times
    )


def test_the_same_request_again_costs_nothing(tmp_path: Path) -> None:
    """A film that is finished is not changed."""
    output = tmp_path / "out.mp4"
    restore_quickly(clips.clip("rate_25"), output)
    before = output.stat()
    restore_quickly(clips.clip("rate_25"), output)
    assert output.stat() == before
    assert not (tmp_path / ".reelwright").exists()


@cache
def restored_real_film(name: str) -> tuple[Path, dict[str, object]]:
    """The restoration of a real film, made once, and its manifest."""
    output = clips.clip_folder() / f"restored-{name}" / "out.mp4"
    output.parent.mkdir()
    return output, restore(real_film(name), output)


@pytest.mark.parametrize("name", REAL)
def test_a_real_film_keeps_frames_and_sound(name: str) -> None:
    """A real film keeps the times of its pictures and every packet of its sound."""
    source, (output, manifest) = real_film(name), restored_real_film(name)
    wanted, found = shown(source), shown(output)
    assert manifest["frames_out"] == len(wanted) == len(found)
    assert all(abs(f - w) <= resolution(output) for f, w in zip(found, wanted, strict=True))
    assert sounds(output) == sounds(source)


def test_no_flicker_is_added() -> None:
    """Every restored frame has the mean brightness of its source frame."""
    source, (output, _) = real_film("chaplin"), restored_real_film("chaplin")
    difference = np.array(brightness(output)) - np.array(brightness(source))
    assert float(np.abs(difference).max()) < 0.75


@pytest.mark.parametrize("name", REAL)
def test_a_real_film_has_a_certificate(name: str) -> None:
    """Each shot agrees with its source: the same colour and brightness, and detail within reason."""
    _, manifest = restored_real_film(name)
    for shot in cast("list[dict[str, Any]]", manifest["shots"]):
        found = shot["fidelity"]
        assert abs(found["brightness"]) <= 0.5 / 100 * 219
        assert found["coarse_difference"] < 1
        assert found["unsupported"] < 1
        assert found["tint"] < 1
        assert abs(found["flicker_after"] - found["flicker_before"]) < 0.1
        assert shot["first_frame"] <= found["worst_frame"] < shot["first_frame"] + shot["frames"]


def test_past_a_limit_the_film_falls_back_and_says_so(tmp_path: Path) -> None:
    """Frames past a limit of the recipe keep it, edit list and note name them; without limits the film is the same."""
    film, (_, manifest) = real_film("chaplin"), restored_real_film("chaplin")
    assert not any(step["step"] == "limits" for step in cast("list[dict[str, Any]]", manifest["edits"]))
    free = restore(film, tmp_path / "free.mp4", *set_limits(255))
    assert free["frame_digests"] == manifest["frame_digests"]
    found = cast("dict[str, Any]", restore(film, tmp_path / "limited.mp4", *set_limits(0.02)))
    (limits,) = (step for step in found["edits"] if step["step"] == "limits")
    frames = sum(last - first + 1 for first, last, _ in limits["ranges"])
    assert 0 < frames < found["frames_out"]
    assert found["frame_digests"] != manifest["frame_digests"]
    assert max(found["frame_fidelity"]["unsupported"]) <= 2
    assert [note for note in found["notes"] if note.startswith(f"in {frames} frames of 1 shot the network's work went")]


def set_limits(levels: float) -> tuple[str, ...]:
    """Options that set the limits."""
    return ("--set", f"limits.unsupported={levels}", "--set", "limits.coarse_difference=255")


def brightness(path: Path) -> list[float]:
    """Mean luma code value of every frame."""
    with av.open(str(path)) as film:
        return [float(frame.to_ndarray()[: frame.height].mean()) for frame in film.decode(video=0)]


def sounds(path: Path) -> list[tuple[Fraction, bytes]]:
    """Time in seconds, to the nearest millisecond, and bytes of every audio packet."""
    with av.open(str(path)) as film:
        if not film.streams.audio:
            return []
        packets = [p for p in film.demux(film.streams.audio[0]) if p.size]
        return [(Fraction(round(in_seconds(p.pts, p.time_base) * 1000), 1000), bytes(p)) for p in packets]
