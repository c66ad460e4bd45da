"""Tries every film in a folder: what is read, what is refused and why, and whether any frame has a wrong time.

    python -m scripts.try_films FOLDER [--restore COUNT]

Prints a Markdown table with a line for each file and the counts at its end. A frame's time is compared with the one
that plain decoding by PyAV gives. With `--restore`, the first COUNT small films that are read are also
restored and verified.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import av

from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.source_info import SourceInfo
from reelwright.titles.errors import ReelwrightError, one_line
from reelwright.titles.recipe import Recipe

SUFFIXES = {
    ".3g2",
    ".3gp",
    ".asf",
    ".avi",
    ".dv",
    ".flv",
    ".gxf",
    ".ivf",
    ".m2ts",
    ".m2v",
    ".m4v",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".mts",
    ".mxf",
    ".nut",
}
SUFFIXES |= {".ogg", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
# A long film shows no more than its beginning.
MAX_FRAMES = 100
# Samples in a film that is restored, so that a try takes seconds.
MAX_RESTORED = 3_000_000
COMMAND = Path(sys.executable).with_name("reelwright")


def main() -> None:
    """Tries the films and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--restore", type=int, default=0, metavar="COUNT")
    arguments = parser.parse_args()
    films = sorted(path for path in arguments.folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    counts: Counter[str] = Counter()
    left = arguments.restore
    print("| file | outcome | details |\n|---|---|---|")
    for path in films:
        if _is_text(path):
            continue
        outcome, details, samples = try_film(path)
        if outcome == "read" and left and samples <= MAX_RESTORED:
            left -= 1
            outcome, details = restore(path) or (outcome, f"{details}; restored and verified")
        counts[outcome] += 1
        print(f"| {path.relative_to(arguments.folder)} | {outcome} | {details} |", flush=True)
    print("\n" + ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())))


def try_film(path: Path) -> tuple[str, str, int]:
    """Probes and reads a film.

    Returns:
        `read`, `refused`, `wrong times` or `traceback`, what there is to say about it, and its luma samples.
    """
    try:
        info = probe(str(path))
        reader = FrameReader(info, Recipe(bars="ignore"))
        times = []
        for frame in reader:
            times.append(frame.record.pts)
            if len(times) == MAX_FRAMES:
                break
    except ReelwrightError as error:
        return "refused", one_line(str(error).replace(str(path), "").strip(" :")), 0
    except Exception as error:  # noqa: BLE001 - finding these is the purpose
        traceback.print_exc()
        return "traceback", f"{type(error).__name__}: {error}", 0
    notes = "; ".join(dict.fromkeys((*info.notes, *reader.notes)))
    facts = f"{info.video.codec} {info.video.width}x{info.video.height}, {len(times)} frames"
    difference = _difference(times, _decoded_times(path, info))
    details = "; ".join(filter(None, (facts, difference, notes)))
    return ("wrong times" if difference else "read"), details, info.video.width * info.video.height * len(times)


def restore(path: Path) -> tuple[str, str] | None:
    """Restores and verifies a film; None where both succeed."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        for words in (("restore", str(path), "-o", str(film)), ("verify", str(film))):
            done = subprocess.run([str(COMMAND), *words], capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or [""])[-1]
                return ("refused" if done.returncode == 2 else "traceback"), f"{words[0]}: {last}"
    return None


def _decoded_times(path: Path, info: SourceInfo) -> list[int | None]:
    """PTS of the frames that FFmpeg decodes, in its order."""
    times: list[int | None] = []
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams[info.video.index]
        for packet in container.demux(stream):
            try:
                times += [frame.pts for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
            except av.FFmpegError:
                continue
            if len(times) > 2 * MAX_FRAMES:
                break
    return times


def _difference(ours: list[int], theirs: list[int | None]) -> str:
    """How our times differ from FFmpeg's; empty where they do not. FFmpeg's frames in front may be left out."""
    stated = [time for time in theirs if time is not None]
    if not stated or not ours:
        return ""
    start = stated.index(ours[0]) if ours[0] in stated else 0
    expected = stated[start : start + len(ours)]
    if ours == expected or len(stated) != len(theirs):
        return ""
    wrong = sum(own != other for own, other in zip(ours, expected, strict=False)) + abs(len(ours) - len(expected))
    return f"{wrong} of {len(ours)} times differ from FFmpeg's"


def _is_text(path: Path) -> bool:
    """Whether a file is no film but source code with a film's suffix (TypeScript, translations)."""
    head = path.read_bytes()[:512]
    return bool(head) and all(byte >= 32 or byte in b"\t\r\n\f" for byte in head)


if __name__ == "__main__":
    main()
