"""Mutates small films at random but repeatably, and checks how the product handles each mutation."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from reelwright.cli.main import run
from reelwright.media.probe import probe
from reelwright.media.profiles import profile_spec
from reelwright.media.reader import FrameReader
from reelwright.media.source_info import SourceInfo
from reelwright.titles.errors import InputError, OneLineError
from reelwright.titles.recipe import Recipe
from tests.support.clipmaker import Film, write_film
from tests.support.scenes import scene

FRAMES = 12
WIDTH, HEIGHT = 64, 48
_LENGTHS = (1, 2, 4, 16, 64, 256, 2048)
# Values at the limits of integer types.
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)

# One small film for each demuxer and decoder that old films commonly need.
FILMS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"options": {"bf": "2"}, "audio": "aac", "chapters": 2, "subtitles": "mov_text"},
    "fragmented.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "4"}},
    "h264.mkv": {"options": {"bf": "2"}, "audio": "aac", "chapters": 2, "subtitles": "subrip", "attachment": True},
    "h264.ts": {"options": {"bf": "2"}, "audio": "mp2", "start": Fraction(10), "audio_start": Fraction(10)},
    "hevc.mkv": {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=0"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12", "svtav1-params": "lp=1"}},
    "ffv1.mkv": {"codec": "ffv1", "options": {"level": "3", "slicecrc": "1", "slices": "4"}},
    "prores.mov": {"codec": "prores_ks", "fmt": "yuv422p10le", "options": {"profile": "0"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2", "b": "500k"}, "start": Fraction(1)},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"bf": "2", "b": "500k"}},
    "mpeg2.mxf": {"codec": "mpeg2video", "options": {"b": "500k"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2", "b": "500k"}, "audio": "mp2"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "raw.avi": {"codec": "rawvideo", "fmt": "yuv420p"},
    "wmv2.asf": {"codec": "wmv2", "options": {"b": "500k"}},
    "flv1.flv": {"codec": "flv", "options": {"b": "500k"}},
}


class Finding(AssertionError):
    """The product handled a mutated film in a way that must not happen."""


def make_films(folder: Path) -> None:
    """Writes every film of FILMS into `folder`."""
    for name, film in FILMS.items():
        options = dict(film)
        fmt, start = options.pop("fmt", "yuv420p"), options.pop("start", Fraction(0))
        shots = [(start + Fraction(i, 25), scene(i, fmt, WIDTH, HEIGHT)) for i in range(FRAMES)]
        write_film(folder / name, Film(shots, **options))


def mutate_film(films: Path, seed: int, number: int) -> tuple[str, bytes]:
    """Makes one mutation.

    Args:
        films: folder of `make_films`.
        seed: of the random generator.
        number: of the mutation; the same seed and number give the same mutation.

    Returns:
        The film's name with the mutations that were applied, and the mutated bytes.
    """
    rng = random.Random(f"{seed}/{number}")
    name = list(FILMS)[number % len(FILMS)]
    data = bytearray((films / name).read_bytes())
    steps = []
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        kind = rng.choice(list(_MUTATIONS))
        _MUTATIONS[kind](rng, data)
        steps.append(kind)
    return f"{name} ({', '.join(steps)})", bytes(data)


def check_film(path: Path, *, restore: bool, profile: str = "web") -> str:
    """Probes and reads a film, and if `restore` is set restores and verifies it.

    Args:
        path: of the film.
        restore: a film that cannot be read must be refused by `restore` too.
        profile: of the restored film.

    Returns:
        refused (by `probe`), unreadable, damaged (readable with concealed frames), or undamaged.

    Raises:
        Finding: the result is neither a correct film nor an error of one line.
    """
    try:
        info = probe(str(path))
        times = _read(info, "fail")
    except OneLineError as error:
        _check_line(error)
        times = None
        if "info" not in locals():
            if restore:
                _check_refusal(path, profile)
            return "refused"
    concealed = _read_concealing(info)
    if times is not None and concealed != times:
        raise Finding(f"with concealment an undamaged film reads differently: {times} became {concealed}")
    if restore and concealed:
        _restore(path, profile, len(concealed), "fail" if times else "conceal")
    elif restore:
        _check_refusal(path, profile)
    return "undamaged" if times is not None else "damaged" if concealed else "unreadable"


def _read_concealing(info: SourceInfo) -> list[int] | None:
    try:
        return _read(info, "conceal")
    except InputError as error:
        _check_line(error)
        return None


def _read(info: SourceInfo, on_damage: Literal["fail", "conceal"]) -> list[int]:
    """Reads every frame and checks its order and format; the PTS."""
    bars = info.video.bars
    size = (info.video.width - bars.left - bars.right, info.video.height - bars.top - bars.bottom)
    times: list[int] = []
    for frame in FrameReader(info, Recipe(on_damage=on_damage)):
        if frame.index != len(times):
            raise Finding(f"frame {frame.index} came in place of {len(times)}")
        if times and frame.record.pts <= times[-1]:
            raise Finding(f"frame {frame.index} at {frame.record.pts} follows {times[-1]}")
        if (frame.picture.width, frame.picture.height) != size or frame.picture.pix_fmt != info.video.pix_fmt:
            raise Finding(f"frame {frame.index} is not {size} {info.video.pix_fmt}")
        if frame.record.concealed and on_damage == "fail":
            raise Finding(f"frame {frame.index} was concealed although on_damage is fail")
        times.append(frame.record.pts)
    return times


def _check_line(error: OneLineError) -> None:
    line = str(error)
    if not line or "\n" in line or "Errno" in line:
        raise Finding(f"not one clear line: {line!r}")


def _check_refusal(path: Path, profile: str) -> None:
    """Restores a film of which nothing can be read: that is the file's fault, told in one line."""
    code, output_text = _run(_restoration(path, profile, "conceal"))
    lines = [line for line in output_text.splitlines() if line.startswith("reelwright: ")]
    if code != 2 or len(lines) != 1 or "Traceback" in output_text:
        raise Finding(f"not refused in one line, exit code {code}: {output_text}")


def _restoration(path: Path, profile: str, on_damage: str) -> list[str]:
    # The film of the mutation before this one stands there.
    options = ["--overwrite", "--threads", "1", "--profile", profile, "--set", f"on_damage={on_damage}"]
    return ["restore", str(path), "-o", str(_output(path, profile)), *options]


def _output(path: Path, profile: str) -> Path:
    return path.with_name(f"restored{profile_spec(profile).suffix}")


def _restore(path: Path, profile: str, frames: int, on_damage: str) -> None:
    """Restores a readable film and checks that the result has every frame of it."""
    output = _output(path, profile)
    code, output_text = _run(_restoration(path, profile, on_damage))
    if code != 0:
        raise Finding(f"exit code {code}: {output_text}")
    manifest = json.loads(output.with_name(output.name + ".manifest.json").read_text())
    if not manifest["frames_in"] == manifest["frames_out"] == frames:
        raise Finding(f"{frames} frames became {manifest['frames_in']} and {manifest['frames_out']}")
    code, output_text = _run(["verify", str(output)])
    if code != 0:
        raise Finding(f"verify: {output_text}")


def _run(arguments: list[str]) -> tuple[int, str]:
    output_text = io.StringIO()
    with redirect_stderr(output_text), redirect_stdout(output_text):
        code = run(arguments)
    return code, output_text.getvalue()


def _flip_bits(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice((1, 3, 20))):
        data[_random_offset(rng, data)] ^= 1 << rng.randrange(8)


def _zero(rng: random.Random, data: bytearray) -> None:
    start = _random_offset(rng, data)
    end = min(len(data), start + rng.choice(_LENGTHS))
    data[start:end] = bytes(end - start)


def _noise(rng: random.Random, data: bytearray) -> None:
    start = _random_offset(rng, data)
    end = min(len(data), start + rng.choice(_LENGTHS))
    data[start:end] = rng.randbytes(end - start)


def _delete(rng: random.Random, data: bytearray) -> None:
    start = _random_offset(rng, data)
    del data[start : start + rng.choice(_LENGTHS)]


def _insert(rng: random.Random, data: bytearray) -> None:
    start = _random_offset(rng, data)
    data[start:start] = rng.randbytes(rng.choice(_LENGTHS))


def _truncate(rng: random.Random, data: bytearray) -> None:
    del data[_random_offset(rng, data) :]


def _overwrite_number(rng: random.Random, data: bytearray) -> None:
    """Overwrites some bytes, mostly of a header, with a number at the limits of an integer type."""
    width = rng.choice((1, 2, 4, 8))
    start = _random_offset(rng, data)
    value = rng.choice(_NUMBERS) % (1 << (8 * width))
    data[start : start + width] = value.to_bytes(width, rng.choice(("big", "little")))


def _duplicate(rng: random.Random, data: bytearray) -> None:
    """Inserts a copy of a part of the film at another place in it."""
    start, target = _random_offset(rng, data), _random_offset(rng, data)
    data[target:target] = data[start : start + rng.choice((64, 512, 4096))]


def _random_offset(rng: random.Random, data: bytearray) -> int:
    """An offset: anywhere, or near one end, where most files have their headers."""
    if not data:
        data += b"\0"
    near = min(len(data), 1500)
    return rng.choice((rng.randrange(len(data)), rng.randrange(near), len(data) - 1 - rng.randrange(near)))


_MUTATIONS: dict[str, Callable[[random.Random, bytearray], None]] = {
    "bits": _flip_bits,
    "zeros": _zero,
    "noise": _noise,
    "deletion": _delete,
    "insertion": _insert,
    "truncation": _truncate,
    "number": _overwrite_number,
    "splice": _duplicate,
}
