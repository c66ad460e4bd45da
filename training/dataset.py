"""The photographs that `reel` networks learn from: fetched from Debian packages, read as luma.

`python -m training.dataset` downloads the packages with apt and unpacks them, installing nothing.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Photograph = NDArray[np.uint8]

PACKAGES = ("lomiri-wallpapers", "plasma-workspace-wallpapers", "mate-backgrounds")
FOLDER = Path(__file__).resolve().parent / "data" / "apt"
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
# Smaller pictures in these packages are icons and previews of the others.
_SMALLEST_FILE = 512
# Photographs are shrunk to about this many samples on the shorter side, where every one of them is sharp.
_SHORT_SIDE = 1000
# The second size shows the same things smaller, as a film's long shots do.
_SECOND_SIZE = 1.7
_SMALLEST = 160


def fetch(folder: Path = FOLDER) -> None:
    """Downloads the packages and unpacks their files into `folder`.

    Raises:
        SystemExit: this is not a Debian system, or a package cannot be had.
    """
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg")
    if apt is None or dpkg is None:
        raise SystemExit("the photographs come from Debian packages: run this where apt-get and dpkg are")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as downloads:
        fetched = subprocess.run([apt, "download", *PACKAGES], cwd=downloads, check=False)  # noqa: S603 - fixed names
        if fetched.returncode:
            raise SystemExit("apt-get cannot download the packages; try `apt-get update` first")
        for package in sorted(Path(downloads).glob("*.deb")):
            subprocess.run([dpkg, "-x", str(package), str(folder)], check=True)  # noqa: S603 - what apt just verified


def photographs(folder: Path = FOLDER) -> list[Photograph]:
    """Every photograph under `folder` in two sizes, in the order of their paths.

    Returns:
        Luma, (rows, columns) uint8, each side at least 160.

    Raises:
        SystemExit: there are none.
    """
    # Links are other names for the same pictures; followed, they would be drawn many times over.
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and not p.is_symlink())
    found = [size for path in paths for size in _sizes(path)]
    if not found:
        raise SystemExit(f"no photographs in {folder}: run `python -m training.dataset` first")
    return found


def _sizes(path: Path) -> list[Photograph]:
    luma = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if luma is None or min(luma.shape) < _SMALLEST_FILE:
        return []
    factor = max(2, round(min(luma.shape) / _SHORT_SIDE))
    sizes = [_shrunk(luma, factor * more) for more in (1, _SECOND_SIZE)]
    return [size for size in sizes if min(size.shape) >= _SMALLEST]


def _shrunk(luma: NDArray[np.generic], factor: float) -> Photograph:
    small = cv2.resize(np.asarray(luma, np.uint8), None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


if __name__ == "__main__":
    fetch()
    print(f"{len(photographs())} photographs")
