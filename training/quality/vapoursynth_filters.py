"""VapourSynth's filters, run in a Python of their own."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
Luma = NDArray[np.float32]

_SCRIPT = Path(__file__).resolve().parents[1] / "peers" / "filter_clip.py"
# MVTools' threshold for a level of grain: the best of 40 settings on three pieces with grain of 8 and of 4 levels.
_THSAD = 100
_THSAD_WITHOUT_GRAIN = 400


def degrained(clip: Codes, python: Path, grain: float) -> Luma:
    """A clip (n, rows, columns) uint8 after MVTools' Degrain, float32 in [0, 1].

    Args:
        clip: luma.
        python: see `environment.vapoursynth_python`.
        grain: sigma in levels of 255, which the filter is told. Without grain it has its default strength.
    """
    return _filtered(clip, python, "degrain", str(round(grain * _THSAD) or _THSAD_WITHOUT_GRAIN))


def repaired(clip: Codes, python: Path) -> Luma:
    """A clip (n, rows, columns) uint8 after DeScratch and a median of motion-compensated frames, float32 in [0, 1]."""
    return _filtered(clip, python, "repair")


def check(python: Path) -> None:
    """Filters a made clip, so that a peer that is not set up well is not taken for a bad one.

    Raises:
        SystemExit: grain, dust or scratch stay.
    """
    still = np.tile(np.linspace(60, 180, 192, dtype=np.float32), (11, 128, 1))
    noise = np.random.default_rng(0).normal(0, 8, still.shape)
    grainy, dirty = np.rint(still + noise).astype(np.uint8), np.rint(still).astype(np.uint8)
    dirty[5, 40:46, 50:56] = 20
    dirty[:, :, 120:122] += 12
    clean, repaired_ = degrained(grainy, python, 8.0)[5] * 255, repaired(dirty, python)[5] * 255
    left = np.abs(repaired_ - still[5])
    if (clean - still[5]).std() > 4 or left[40:46, 50:56].max() > 4 or left[:, 120:122].mean() > 4:
        raise SystemExit("VapourSynth's filters do not remove what they should")


def _filtered(clip: Codes, python: Path, step: str, *strength: str) -> Luma:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.npy", Path(folder) / "target.npy"
        np.save(source, clip)
        command = [str(python), str(_SCRIPT), step, str(source), str(target), *strength]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        if done.returncode:
            raise SystemExit(f"VapourSynth failed: {done.stderr[-500:]}")
        found: Luma = np.load(target)
        return found
