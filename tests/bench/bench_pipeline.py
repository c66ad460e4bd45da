"""Measures the cost of the pipeline: each stage alone, then the whole restoration, in one run on one machine.

CPU seconds are those that the operating system counts for this process and for the restoration's process, so that they
include the time between the stages.
"""

from __future__ import annotations

import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from reelwright.media.encode import SegmentEncoder
from reelwright.media.film_format import film_format
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.profiles import profile_spec
from reelwright.media.reader import FrameReader
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.titles.recipe import Recipe
from tests.support.films import whole_film

CORES = os.cpu_count() or 1
REELWRIGHT = Path(sys.executable).with_name("reelwright")
_ALONE_FRAMES = 60


@dataclass(frozen=True)
class PipelineFigures:
    """The measured figures.

    Attributes:
        frames: number of frames of the film.
        size: width x height of a frame.
        decode, network, encode: CPU seconds per frame of each stage alone.
        whole: CPU seconds per frame of the whole restoration.
        wall: wall seconds of the whole restoration.
        first_commit: wall seconds from its start to the first committed segment.
    """

    frames: int
    size: str
    decode: float
    network: float
    encode: float
    whole: float
    wall: float
    first_commit: float

    @property
    def outside(self) -> float:
        """Share of the CPU time that is spent outside of decode, network and encode, 0 to 1."""
        return 1 - (self.decode + self.network + self.encode) / self.whole

    @property
    def efficiency(self) -> float:
        """Speed of the restoration divided by the speed that the cores allow for the three stages alone."""
        allowed = CORES / (self.decode + self.network + self.encode)
        return self.frames / self.wall / allowed


def write_looped(source: Path, target: Path, times: int) -> None:
    """Repeats a film's video `times` times by copying packets."""
    with av.open(str(source)) as first, av.open(str(target), "w") as film:
        stream = film.add_stream_from_template(first.streams.video[0])
        span = int(first.streams.video[0].duration or 0)
        for copy in range(times):
            first.seek(0)
            for packet in first.demux(first.streams.video[0]):
                if packet.size:
                    assert packet.pts is not None
                    assert packet.dts is not None
                    packet.pts, packet.dts = packet.pts + copy * span, packet.dts + copy * span
                    packet.stream = stream
                    film.mux(packet)


def measure(film: Path) -> PipelineFigures:
    """Measures decode, network and encode alone, then `reelwright restore`."""
    info = probe(str(film))
    pictures = [frame.picture for frame in itertools.islice(FrameReader(info, Recipe()), _ALONE_FRAMES)]
    engine = create_engine("openvino", resolve_model("reel-s"), threads=CORES, streams=CORES)
    restorer = Restorer(engine, 2, Recipe().grain.keep)
    each = -(-len(pictures) // CORES)
    shares = [pictures[first : first + each] for first in range(0, len(pictures), each)]

    def restore(share: list[Picture]) -> list[Picture]:
        # Flows between adjacent frames are computed where a window is made, so windows are part of what is measured.
        shot = FrameWindows(share, 0, [True] + [False] * (len(share) - 1))
        return [
            restorer.restore(picture, "yuv420p", window=shot.window(index)).picture
            for index, picture in enumerate(share)
        ]

    restored = restore(pictures)

    def stages() -> tuple[float, float, float]:
        with ThreadPoolExecutor(CORES) as pool:
            network = _per_frame(lambda: sum(map(len, pool.map(restore, shares))))
        decode = _per_frame(lambda: sum(1 for _ in FrameReader(info, Recipe())))
        return decode, network, _per_frame(lambda: _encode(restored, info.video.average_rate))

    # Other work on the machine makes a core slower. What the stages cost alone is measured on both sides of the whole.
    before = stages()
    with tempfile.TemporaryDirectory() as folder:
        whole, wall, first = _restore(film, Path(folder))
    decode, network, encode = (statistics.fmean(pair) for pair in zip(before, stages(), strict=True))
    count = sum(1 for _ in FrameReader(info, Recipe()))
    size = f"{pictures[0].width}x{pictures[0].height}"
    return PipelineFigures(count, size, decode, network, encode, whole / count, wall, first)


def _per_frame(work: Callable[[], int]) -> float:
    """CPU seconds of this process for each of the frames that `work` counts."""
    before = time.process_time()
    count = work()
    return (time.process_time() - before) / count


def _encode(pictures: list[Picture], rate: Fraction) -> int:
    first = pictures[0]
    video = probe(str(whole_film("chaplin"))).video.model_copy(update={"average_rate": rate})
    film = film_format(video, first.width, first.height, first.pix_fmt)
    with tempfile.TemporaryDirectory() as folder:
        encoder = SegmentEncoder(Path(folder) / "segment.mkv", profile_spec("web"), film)
        for picture in pictures:
            encoder.add(picture)
        encoder.finish()
    return len(pictures)


def _restore(film: Path, folder: Path) -> tuple[float, float, float]:
    """Restores a film; CPU seconds, wall seconds, and wall seconds to the first committed segment."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    first = 0.0
    command = [str(REELWRIGHT), "restore", str(film), "-o", str(folder / "out.mp4")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if not first and any(_records(folder)):
                first = time.monotonic() - started
            time.sleep(0.05)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, first


def _records(folder: Path) -> Iterator[Path]:
    return folder.glob(".reelwright/*/segments/*.json")


def main(times: int = 6) -> PipelineFigures:
    """Measures a real film, repeated `times` times, and prints a table."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        write_looped(whole_film("chaplin"), film, times)
        found = measure(film)
    print(f"pipeline: {found.frames} frames of {found.size}, x2, {CORES} cores")
    for name in ("decode", "network", "encode", "whole"):
        print(f"  {name:<8} {1000 * getattr(found, name):7.1f} ms CPU per frame")
    print(f"  outside decode, network and encode: {100 * found.outside:.1f} % of the CPU (goal: at most 5)")
    print(f"  speed: {found.frames / found.wall:.2f} fps, {found.efficiency:.2f} of what the cores allow (goal: 0.9)")
    print(f"  first committed segment after {found.first_commit:.1f} s (goal: under 10)")
    return found


if __name__ == "__main__":
    main()
