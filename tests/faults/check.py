"""Checks a finished film with PyAV and hashes alone. Nothing of the product is imported, so its errors cannot hide."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

SOURCE_CHANGED = "the source was changed"


@dataclass(frozen=True, slots=True)
class FilmContent:
    """What a player reads from a film.

    Attributes:
        sha256: digest of the file, in hex.
        times: presentation time of each frame in decoding order, in seconds.
        frames: SHA-256 of each frame's samples, in hex.
        time_base: unit of the times, in seconds.
        sound: presentation time in seconds and SHA-256 of each packet of the first audio stream.
    """

    sha256: str
    times: tuple[Fraction, ...]
    frames: tuple[str, ...]
    time_base: Fraction
    sound: tuple[tuple[Fraction, str], ...]


@dataclass
class CheckResult:
    """What is wrong with a film.

    Attributes:
        frames: number of frames in the source.
        lost: frames of the reference film that are missing or changed in this one.
        doubled: frames that this film has more often than the reference film.
        problems: one line for each check that failed.
    """

    frames: int = 0
    lost: int = 0
    doubled: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """Whether every check passed."""
        return not self.problems


def read_film(path: Path) -> FilmContent:
    """Decodes a film's frames and demultiplexes its sound."""
    times, frames = [], []
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        time_base = Fraction(video.time_base or 0)
        for frame in container.decode(video):
            times.append((frame.pts or 0) * time_base)
            frames.append(_frame_digest(frame))
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return FilmContent(sha256, tuple(times), tuple(frames), time_base, tuple(_sound_packets(path)))


def _sound_packets(path: Path) -> Iterator[tuple[Fraction, str]]:
    with av.open(str(path)) as container:
        for stream in container.streams.audio[:1]:
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    yield packet.pts * packet.time_base, hashlib.sha256(bytes(packet)).hexdigest()


def check_film(film: FilmContent, reference: FilmContent, source: FilmContent) -> CheckResult:
    """Compares a film with its source and with a reference film.

    Args:
        film: the film that the cluster delivered.
        reference: the same request restored without faults; every bit of the film must be equal to it.
        source: the source; the film must have its number of frames, its times and its sound.
    """
    result = CheckResult(frames=len(source.frames))
    found, wanted = Counter(film.frames), Counter(reference.frames)
    result.lost = max((wanted - found).total(), len(source.frames) - len(film.frames))
    surplus = found - wanted
    result.doubled = max(sum(surplus[digest] for digest in wanted), len(film.frames) - len(source.frames))
    # Of two frames with the same time, a player shows only one.
    result.doubled = max(result.doubled, len(film.times) - len(set(film.times)))
    result.problems = [line for line in _problems(film, reference, source, surplus) if line]
    if result.lost or result.doubled:
        result.problems.append(f"{result.lost} frames lost, {result.doubled} doubled")
    return result


def _problems(film: FilmContent, reference: FilmContent, source: FilmContent, surplus: Counter[str]) -> list[str]:
    known = set(reference.frames)
    altered = sum(count for digest, count in surplus.items() if digest not in known)
    unit = max(film.time_base, source.time_base)
    return [
        _unless(len(film.frames) == len(source.frames), f"{len(film.frames)} frames of {len(source.frames)}"),
        _unless(film.frames == reference.frames, f"frames differ from the reference film's; {altered} are altered"),
        _unless(film.times == reference.times, "times differ from the reference film's"),
        _unless(list(film.times) == sorted(set(film.times)), "frames are not in order"),
        _unless(_close(film.times, source.times, unit), "times differ from the source's"),
        _unless(film.sound == reference.sound, "sound differs from the reference film's"),
        _unless([d for _, d in film.sound] == [d for _, d in source.sound], "sound differs from the source's"),
        _unless(film.sha256 == reference.sha256, "the file's bytes differ from the reference film's"),
    ]


def _unless(holds: bool, problem: str) -> str:
    return "" if holds else problem


def _close(film: tuple[Fraction, ...], source: tuple[Fraction, ...], unit: Fraction) -> bool:
    """Whether each frame's time is within one tick of the coarser time base of the source's."""
    return all(abs(ours - theirs) < unit for ours, theirs in zip(film, source, strict=False))


def _frame_digest(frame: av.VideoFrame) -> str:
    sha = hashlib.sha256(f"{frame.format.name} {frame.width}x{frame.height}".encode())
    for plane in frame.planes:
        rows = memoryview(plane).cast("B")
        row_bytes = plane.width * (1 + (max(c.bits for c in frame.format.components) > 8))
        for row in range(plane.height):
            sha.update(rows[row * plane.line_size : row * plane.line_size + row_bytes])
    return sha.hexdigest()
