"""One film in, one restored film out, and every frame accounted for: read back with plain PyAV alone."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reelwright.cli.main import run
from tests.support import clips
from tests.support.films import REAL, gray_in_colour, real_film
from tests.support.pyav import in_seconds


def restore(source: Path, output: Path, *options: str) -> dict[str, object]:
    """Restores through the command line's own entry and returns the manifest."""
    assert run(["restore", str(source), "-o", str(output), *options]) == 0
    return dict(json.loads(output.with_name(output.name + ".manifest.json").read_text()))


def shown(path: Path) -> list[Fraction]:
    """Presentation times in seconds of every decoded frame of the first video stream."""
    with av.open(str(path)) as film:
        stream = next(s for s in film.streams.video if not s.disposition & av.stream.Disposition.attached_pic)
        return [in_seconds(frame.pts, stream.time_base) for frame in film.decode(stream)]


def resolution(path: Path) -> Fraction:
    """Seconds per tick of the film's own container."""
    with av.open(str(path)) as film:
        return in_seconds(1, film.streams.video[0].time_base)


@pytest.mark.parametrize("name", clips.FILMS)
def test_every_frame_comes_back_once_in_order_at_its_own_time(name: str, tmp_path: Path) -> None:
    """Frames out are frames in, each at the time at which a player shows it in the source."""
    source, output = clips.clip(name), tmp_path / "out.mp4"
    manifest = restore(source, output)
    wanted, found = clips.truth(name).times, shown(output)
    assert manifest["frames_in"] == manifest["frames_out"] == len(wanted) == len(found)
    # Matroska rounds what was written to its milliseconds before it ever reaches us.
    tick = max(resolution(source), resolution(output))
    start = found[0] - wanted[0]
    # A container without room for a late or negative start may shift picture and sound together, never one alone.
    assert all(abs(f - w - start) <= tick for f, w in zip(found, wanted, strict=True))
    assert run(["verify", str(output)]) == 0


@pytest.mark.parametrize("name", ["vfr_mkv", "yuv422p10_prores", "gray", "hdr", "streams_mkv", "odd_444"])
def test_the_master_is_lossless_and_verified_frame_by_frame(name: str, tmp_path: Path) -> None:
    """FFV1 keeps every restored sample, and `verify` decodes them all."""
    output = tmp_path / "out.mkv"
    manifest = restore(clips.clip(name), output, "--profile", "master")
    assert manifest["lossless"] is True
    assert len(manifest["frame_digests"]) == len(clips.truth(name).times)  # type: ignore[arg-type]
    assert run(["verify", str(output)]) == 0


@pytest.mark.parametrize(("profile", "suffix"), [("hevc10", "mp4"), ("av1", "mp4"), ("prores", "mov")])
def test_every_profile_keeps_the_time_of_every_frame(profile: str, suffix: str, tmp_path: Path) -> None:
    """A variable frame rate with B-frames survives each codec and container."""
    output = tmp_path / f"out.{suffix}"
    restore(clips.clip("vfr_mp4"), output, "--profile", profile)
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


def test_black_and_white_gets_no_tint(tmp_path: Path) -> None:
    """Every chroma sample of a restored black-and-white film is exactly neutral."""
    output = tmp_path / "out.mkv"
    restore(gray_in_colour(), output, "--profile", "master")
    with av.open(str(output)) as film:
        for frame in film.decode(video=0):
            samples = frame.to_ndarray()
            chroma = samples[frame.height :]
            assert int(chroma.min()) == int(chroma.max()) == 1 << (frame.format.components[0].bits - 1)


def test_bars_are_put_back_where_they_were(tmp_path: Path) -> None:
    """Black borders come back black and at their scaled place; cropping leaves them off."""
    kept, cropped = tmp_path / "kept.mkv", tmp_path / "cropped.mkv"
    manifest = restore(clips.clip("pillarbox"), kept, "--profile", "master")
    assert (manifest["width"], manifest["height"]) == (640, 480)
    with av.open(str(kept)) as film:
        luma = next(film.decode(video=0)).to_ndarray()[:480]
    assert int(np.ptp(luma[:, :78])) == 0
    assert int(np.ptp(luma[:, 84:556])) > 100
    manifest = restore(clips.clip("pillarbox"), cropped, "--profile", "master", "--set", "bars=crop")
    assert (manifest["width"], manifest["height"]) == (480, 480)


def test_the_same_request_again_costs_nothing(tmp_path: Path) -> None:
    """A finished film is recognised and left as it is."""
    output = tmp_path / "out.mp4"
    restore(clips.clip("rate_25"), output)
    before = output.stat()
    restore(clips.clip("rate_25"), output)
    assert output.stat() == before
    assert not (tmp_path / ".reelwright").exists()


@pytest.mark.parametrize("name", REAL)
def test_a_real_film_keeps_frames_and_sound(name: str, tmp_path: Path) -> None:
    """Real films come back whole: picture times and every packet of sound."""
    source, output = real_film(name), tmp_path / "out.mp4"
    manifest = restore(source, output)
    wanted, found = shown(source), shown(output)
    assert manifest["frames_out"] == len(wanted) == len(found)
    assert all(abs(f - w) <= resolution(output) for f, w in zip(found, wanted, strict=True))
    assert sounds(output) == sounds(source)


def test_no_flicker_is_added(tmp_path: Path) -> None:
    """The mean brightness of every restored frame is its source frame's."""
    source, output = real_film("chaplin"), tmp_path / "out.mp4"
    restore(source, output)
    difference = np.array(brightness(output)) - np.array(brightness(source))
    assert float(np.abs(difference).max()) < 0.75


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
