"""FFmpeg's denoisers, and VMAF and XPSNR, by the static FFmpeg of imageio-ffmpeg."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]

_RATE = 25
# Units of the filters' strengths for a level of grain: the best of eleven settings on one piece with grain of 8 levels.
_NLMEANS, _ATADENOISE, _BM3D = 0.65, 0.015, 3.0


class Likeness(NamedTuple):
    """How alike two clips are to a viewer.

    Attributes:
        vmaf: mean of the frames, 0 to 100 (Netflix's vmaf_v0.6.1).
        xpsnr: of luma, in dB (Helmrich et al. 2020).
    """

    vmaf: float
    xpsnr: float


def denoisers(grain: float) -> dict[str, str]:
    """Filter graphs by name, each told the strength of the grain.

    Args:
        grain: sigma in levels of 255. Without grain each filter has its default strength.
    """
    graphs = {"nlmeans": "nlmeans", "atadenoise": "atadenoise", "bm3d": "bm3d"}
    if grain:
        graphs["nlmeans"] = f"nlmeans=s={grain * _NLMEANS:g}"
        graphs["atadenoise"] = f"atadenoise=0a={grain * _ATADENOISE:g}:0b={2 * grain * _ATADENOISE:g}"
        graphs["bm3d"] = f"bm3d=sigma={grain * _BM3D:g}"
    return graphs


def filtered(clip: Codes, graph: str) -> Codes:
    """A clip (n, rows, columns) uint8 after a filter graph that keeps its size and number of frames."""
    raw = _run(
        [*_input("-", clip.shape, "gray"), "-vf", graph, "-f", "rawvideo", "-pix_fmt", "gray", "-"], clip.tobytes()
    )
    return np.frombuffer(raw, np.uint8).reshape(clip.shape)


def likeness(found: Codes, truth: Codes) -> Likeness:
    """How alike a clip is to its truth, both (n, rows, columns) uint8 luma of adjacent frames."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("found", "truth")]
        for path, clip in zip(paths, (found, truth), strict=True):
            # Luma passes as it is, with neutral chroma: a conversion from gray would change its range.
            neutral = np.full(found[0].size // 2, 128, np.uint8).tobytes()
            path.write_bytes(b"".join(frame.tobytes() + neutral for frame in clip))
        inputs = [word for path in paths for word in _input(str(path), found.shape, "yuv420p")]
        graph = "[0]split[a][b];[1]split[c][d];[a][c]libvmaf=n_threads=1[v];[b][d]xpsnr[x]"
        ends = [word for label in ("[v]", "[x]") for word in ("-map", label, "-f", "null", "-")]
        said = _run([*inputs, "-filter_complex", graph, *ends], b"", log=True).decode()
    vmaf = re.search(r"VMAF score: ([0-9.]+)", said)
    xpsnr = re.search(r"XPSNR +y: *([0-9.]+|inf)", said)
    if vmaf is None or xpsnr is None:
        raise SystemExit(f"FFmpeg measured nothing: {said[-500:]}")
    return Likeness(float(vmaf[1]), min(float(xpsnr[1]), 100.0))


def _input(source: str, shape: Sequence[int], pix_fmt: str) -> list[str]:
    _, rows, columns = shape
    size = ["-video_size", f"{columns}x{rows}", "-framerate", str(_RATE)]
    return ["-f", "rawvideo", "-pix_fmt", pix_fmt, *size, "-i", source]


def _run(words: Sequence[str], content: bytes, *, log: bool = False) -> bytes:
    level = "info" if log else "error"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostats", "-v", level, "-threads", "1", *words]
    done = subprocess.run(command, input=content, capture_output=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise SystemExit(f"FFmpeg failed: {done.stderr.decode()[-500:]}")
    return done.stderr if log else done.stdout
