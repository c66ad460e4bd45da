"""Measures `reelwright restore` against the same network in a native VapourSynth pipeline, in turn on the same film.

The native pipeline is what a restorer would write without Reelwright: BestSource reads the film, the network runs by
vs-mlrt's OpenVINO plugin, a bicubic enlargement is added to its result, and the frames are piped to x264 veryfast, crf
18. It has the window network of `reel-s` with its weights, so the same multiply-adds, but reads the five frames as they
are: nothing is aligned, measured, repaired or certified, no grain is put back and no report is made. Ours does all of
that. Both compute in the precision that the processor offers. Processes are started for each run, and their start
counts.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from reelwright.restoration.models import resolve_model
from reelwright.restoration.weight_sets import blend, split_scales
from reelwright.restoration.window_network import FIGURES, channel_factors
from tests.bench.bench_pipeline import CORES, REELWRIGHT
from tests.support.films import whole_film
from training.peers.environment import PeerMissing, vapoursynth_python

_PEERS = Path(__file__).resolve().parents[2] / "training" / "peers"
_COLUMNS, _ROWS = 480, 360
_FEW_FRAMES = 5


@dataclass(frozen=True)
class RunCost:
    """What a run took.

    Attributes:
        cpu: CPU seconds of all its processes.
        wall: seconds from its start to its end.
    """

    cpu: float
    wall: float


def write_film(target: Path, *, frames: int) -> None:
    """A real film of 480x360 without sound, repeated until it has so many frames."""
    shape = f"scale=-2:{_ROWS},crop={_COLUMNS}:{_ROWS}"
    source = ["-stream_loop", "-1", "-i", str(whole_film("chaplin")), "-an", "-vf", shape, "-frames:v", str(frames)]
    _ffmpeg([*source, "-c:v", "libx264", "-crf", "16", "-pix_fmt", "yuv420p", str(target)])


def network_weights() -> dict[str, NDArray[np.float32]]:
    """The convolutions of `reel-s` x2 for damaged film, as `training/peers/build_onnx.py` reads them."""
    model = resolve_model("reel-s")
    assert model.networks
    tensors = {name: tensor.astype(np.float32) for name, tensor in load_file(str(model.path)).items()}
    weights = split_scales(model.networks, tensors)[2]
    named = blend(weights, 0, 0.0)
    factors = np.split(channel_factors(named, np.zeros(FIGURES, np.float32)), np.cumsum(weights.network.widths)[:-1])
    found = {}
    for layer, factor in enumerate(factors):
        found[f"conv{layer}.weight"] = named[f"conv{layer}.weight"] * factor[:, None, None, None]
        found[f"conv{layer}.bias"] = named[f"conv{layer}.bias"] * factor
    return found


def measure(film: Path, folder: Path, python: Path, pairs: int) -> list[tuple[RunCost, RunCost]]:
    """Restores a film in turn by both.

    Args:
        film: of 480x360, 8-bit 4:2:0.
        folder: for films and network.
        python: has VapourSynth, see `environment.vapoursynth_python`.
        pairs: number of runs of each.

    Returns:
        Ours and the native pipeline's, in order.
    """
    weights, network = folder / "weights.npz", folder / "network.onnx"
    np.savez(weights, allow_pickle=False, **network_weights())
    build = [str(python), str(_PEERS / "build_onnx.py"), str(weights), str(network), str(_ROWS), str(_COLUMNS)]
    subprocess.run(build, check=True)

    def native() -> None:
        enlarge = [str(python), str(_PEERS / "enlarge_film.py"), str(film), str(network), str(CORES)]
        encode = ["-f", "yuv4mpegpipe", "-i", "-", "-c:v", "libx264", "-preset", "veryfast", "-crf", "18"]
        with subprocess.Popen(enlarge, stdout=subprocess.PIPE) as source:
            _ffmpeg([*encode, str(folder / "native.mp4")], source=source)
        assert source.returncode == 0

    return [(cost_of(lambda: restore(film, folder)), cost_of(native)) for _ in range(pairs)]


def restore(film: Path, folder: Path) -> None:
    """Restores a film by the command; nothing is left of it."""
    output = folder / "ours.mp4"
    command = [str(REELWRIGHT), "restore", str(film), "-o", str(output)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for path in folder.glob("ours.*"):
        path.unlink()


def cost_of(work: Callable[[], None]) -> RunCost:
    """What the processes cost that are started and end within a call."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    work()
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return RunCost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def _ffmpeg(words: list[str], source: subprocess.Popen[bytes] | None = None) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *words]
    subprocess.run(command, check=True, stdin=source.stdout if source else subprocess.DEVNULL)


def main(seconds: int = 10, pairs: int = 3) -> None:
    """Measures a film of so many seconds, then five frames, and prints ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = folder / "few.mp4"
        write_film(few, frames=_FEW_FRAMES)
        starts = [cost_of(lambda: restore(few, folder)) for _ in range(3)]
        wall, cpu = (statistics.median(values) for values in zip(*((s.wall, s.cpu) for s in starts), strict=True))
        print(
            f"start: {_FEW_FRAMES} frames of {_COLUMNS}x{_ROWS} took {wall:.1f} s, {cpu:.1f} s of CPU time (goal: 3 s)"
        )
        try:
            python = vapoursynth_python()
        except PeerMissing as missing:
            print(f"native: left out: {missing}")
            return
        film = folder / "film.mp4"
        write_film(film, frames=25 * seconds)
        found = measure(film, folder, python, pairs)
    print(f"native: {25 * seconds} frames of {_COLUMNS}x{_ROWS}, x2, {os.cpu_count()} cores, {pairs} pairs")
    for what in ("cpu", "wall"):
        ratios = [getattr(ours, what) / getattr(native, what) for ours, native in found]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"  {what:<4} ours / native: {statistics.median(ratios):.2f} (goal: 1.0; {each})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="length of the film")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each")
    given = parser.parse_args()
    main(given.seconds, given.pairs)
