"""Checks a finished film from outside: by PyAV and hashes alone, without a line of the product."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av


@dataclass(frozen=True, slots=True)
class Seen:
    """What a player finds in a film.

    Attributes:
        sha256: of the file.
        times: of each frame in the order in which they are decoded, in seconds.
        frames: digest of each frame's samples.
        tick: unit of the times, in seconds.
        sound: time in seconds and digest of each sound packet.
    """

    sha256: str
    times: tuple[Fraction, ...]
    frames: tuple[str, ...]
    tick: Fraction
    sound: tuple[tuple[Fraction, str], ...]


@dataclass
class Verdict:
    """What is wrong with a film.

    Attributes:
        frames: in the source.
        lost: frames of the undisturbed film that this one has not, or has altered.
        doubled: frames that it has more often.
        faults: one line for each thing that is not as it should be.
    """

    frames: int = 0
    lost: int = 0
    doubled: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def look(path: Path) -> Seen:
    """Decodes a film's frames and demuxes its sound."""
    times, frames = [], []
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        tick = Fraction(video.time_base or 0)
        for frame in container.decode(video):
            times.append((frame.pts or 0) * tick)
            frames.append(_digest(frame))
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Seen(sha256, tuple(times), tuple(frames), tick, tuple(_sound(path)))


def _sound(path: Path) -> Iterator[tuple[Fraction, str]]:
    with av.open(str(path)) as container:
        for stream in container.streams.audio[:1]:
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    yield packet.pts * packet.time_base, hashlib.sha256(bytes(packet)).hexdigest()


def judge(film: Seen, undisturbed: Seen, source: Seen) -> Verdict:
    """Holds a film to its source (times, number of frames, sound) and to an undisturbed restoration (every bit)."""
    verdict = Verdict(frames=len(source.frames))
    found, wanted = Counter(film.frames), Counter(undisturbed.frames)
    verdict.lost = max((wanted - found).total(), len(source.frames) - len(film.frames))
    surplus = found - wanted
    verdict.doubled = max(sum(surplus[digest] for digest in wanted), len(film.frames) - len(source.frames))
    # A film with a frame at the same time twice shows one of them only.
    verdict.doubled = max(verdict.doubled, len(film.times) - len(set(film.times)))
    verdict.faults = [line for line in _complaints(film, undisturbed, source, surplus) if line]
    if verdict.lost or verdict.doubled:
        verdict.faults.append(f"{verdict.lost} frames lost, {verdict.doubled} doubled")
    return verdict


def _complaints(film: Seen, undisturbed: Seen, source: Seen, surplus: Counter[str]) -> list[str]:
    known = set(undisturbed.frames)
    altered = sum(count for digest, count in surplus.items() if digest not in known)
    unit = max(film.tick, source.tick)
    return [
        _unless(len(film.frames) == len(source.frames), f"{len(film.frames)} frames of {len(source.frames)}"),
        _unless(film.frames == undisturbed.frames, f"frames differ from the undisturbed film's; {altered} are altered"),
        _unless(film.times == undisturbed.times, "times differ from the undisturbed film's"),
        _unless(list(film.times) == sorted(set(film.times)), "frames are not in order"),
        _unless(_near(film.times, source.times, unit), "times differ from the source's"),
        _unless(film.sound == undisturbed.sound, "sound differs from the undisturbed film's"),
        _unless([d for _, d in film.sound] == [d for _, d in source.sound], "sound differs from the source's"),
        _unless(film.sha256 == undisturbed.sha256, "the file's bytes differ from the undisturbed film's"),
    ]


def _unless(holds: bool, complaint: str) -> str:
    return "" if holds else complaint


def _near(film: tuple[Fraction, ...], source: tuple[Fraction, ...], unit: Fraction) -> bool:
    """Whether each frame is shown when the source shows it, as nearly as the coarser of the two clocks can tell."""
    return all(abs(ours - theirs) < unit for ours, theirs in zip(film, source, strict=False))


def _digest(frame: av.VideoFrame) -> str:
    sha = hashlib.sha256(f"{frame.format.name} {frame.width}x{frame.height}".encode())
    for plane in frame.planes:
        rows = memoryview(plane).cast("B")
        wide = plane.width * (1 + (max(c.bits for c in frame.format.components) > 8))
        for row in range(plane.height):
            sha.update(rows[row * plane.line_size : row * plane.line_size + wide])
    return sha.hexdigest()
