"""Makes films of more than 4 GiB in Matroska, AVI and MP4, and probes, reads and verifies each.

    python -m scripts.large_films FOLDER

The files are sparse: each picture is a small JPEG with zeros behind it, and zeros take no space on the disk. A film is
removed before the next one is made. Prints a Markdown table with the seconds that each step took.
"""

from __future__ import annotations

import sys
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet

from reelwright.media.finished_film import read_timeline
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.titles.recipe import Recipe

# 300 pictures at 25 a second; the last ones lie behind 4 GiB.
_COUNT, _RATE, _PADDING = 300, 25, 15 << 20
_SOUND_RATE = 48_000
_CONTAINERS = (("Matroska", ".mkv", "matroska"), ("AVI (OpenDML)", ".avi", "avi"), ("MP4 (co64)", ".mp4", "mp4"))


class SparseFile:
    """A file that steps over blocks of zeros in place of writing them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.name, self.tell, self.seek = str(path), self._file.tell, self._file.seek

    def write(self, data: bytes) -> int:
        """Writes a block."""
        if len(data) < 4096 or data.count(0) < len(data):
            return self._file.write(data)
        self._file.seek(len(data), 1)
        return len(data)

    def close(self) -> None:
        """Completes the file."""
        self._file.truncate(max(self._file.seek(0, 2), self._file.tell()))
        self._file.close()


def main() -> None:
    """Makes and tries a film of each container."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    print("| container | bytes | probe | times of packets | all pictures decoded | result |\n|---|---|---|---|---|---|")
    for name, suffix, form in _CONTAINERS:
        path = folder / f"large{suffix}"
        try:
            write_film(path, form)
            print(f"| {name} | {path.stat().st_size} | {' | '.join(tried(path))} |", flush=True)
        finally:
            path.unlink(missing_ok=True)


def write_film(path: Path, form: str) -> None:
    """Pictures that become brighter, and silence."""
    output = SparseFile(path)
    with av.open(output, "w", format=form, buffer_size=1 << 20) as out:
        video: Any = out.add_stream("mjpeg", rate=_RATE)
        video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p"
        sound: Any = out.add_stream("mp2", rate=_SOUND_RATE)
        sound.layout = "mono"
        samples = _SOUND_RATE // _RATE
        for number in range(_COUNT):
            for packet in video.encode(_picture(number)):
                padded: Packet[Any] = Packet(bytes(packet) + bytes(_PADDING))
                padded.stream, padded.time_base, padded.is_keyframe = video, packet.time_base, True
                padded.pts, padded.dts, padded.duration = packet.pts, packet.dts, packet.duration
                out.mux(padded)
            silence = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.int16), "s16", "mono")
            silence.pts, silence.sample_rate = number * samples, _SOUND_RATE
            silence.time_base = Fraction(1, _SOUND_RATE)
            out.mux(sound.encode(silence))
        out.mux(video.encode(None))
        out.mux(sound.encode(None))
    output.close()


def tried(path: Path) -> list[str]:
    """Seconds of probing, of reading the times of all packets and of decoding all pictures; and what is wrong."""
    clocks = [time.monotonic()]
    info = probe(str(path))
    clocks.append(time.monotonic())
    timeline = read_timeline(path)
    clocks.append(time.monotonic())
    unit, reader = info.video.time_base, FrameReader(info, Recipe(bars="ignore"))
    frames = [(frame.record.pts * unit, frame.picture) for frame in reader]
    clocks.append(time.monotonic())
    expected = [Fraction(number, _RATE) for number in range(_COUNT)]
    sound = timeline.streams[0].times
    wrong = []
    if [pts * timeline.time_base for pts in timeline.pts] != expected:
        wrong.append("times of pictures")
    if [at for at, _ in frames] != expected:
        wrong.append("times of decoded pictures")
    if abs(int(frames[-1][1].planes[0].mean()) - _level(_COUNT - 1)) > 2:
        wrong.append("the last picture")
    if abs(max(sound.starts) * sound.unit - Fraction(_COUNT, _RATE)) > Fraction(1, 10):
        wrong.append("the end of the sound")
    if info.notes:
        wrong.append("; ".join(info.notes))
    seconds = [f"{after - before:.1f} s" for before, after in pairwise(clocks)]
    return [*seconds, ", ".join(wrong) or "right"]


def _picture(number: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.full((48, 64), _level(number), np.uint8), "gray").reformat(format="yuvj420p")
    frame.pts, frame.time_base = number, Fraction(1, _RATE)
    return frame


def _level(number: int) -> int:
    return 40 + number // 2


if __name__ == "__main__":
    main()
