"""What a frame costs on the bus by transport codec, on real films and generated clips."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.transport import choose_codec, decode_payload, encode_payload
from reelwright.titles.recipe import Recipe
from tests.support import clips
from tests.support.films import REAL, gray_in_colour, whole_film

CODECS = ("raw", "zstd", "delta-zstd")
_FRAMES, _BATCH, _SKIP = 24, 4, 24


@dataclass(frozen=True)
class Transport:
    """A film's frames as transport codes them.

    Attributes:
        film: its name.
        kind: size and pixel format of its frames.
        chosen: what `auto` takes.
        bytes_per_frame: by codec.
        speeds: bytes of samples coded and decoded a second on one core, by codec.
    """

    film: str
    kind: str
    chosen: str
    bytes_per_frame: dict[str, float]
    speeds: dict[str, tuple[float, float]]


def measure() -> Iterator[Transport]:
    """Codes some frames of each film with each codec, batch by batch."""
    films = {path.stem: path for path in (*map(whole_film, REAL), gray_in_colour(), clips.clip("yuv420p10"))}
    for name, path in films.items():
        yield _transport(name, path)


def _transport(name: str, path: Path) -> Transport:
    frames = itertools.islice(FrameReader(probe(str(path)), Recipe()), _SKIP, _SKIP + _FRAMES)
    pictures = [frame.picture for frame in frames]
    first = pictures[0]
    found = {codec: _coded(pictures, codec) for codec in CODECS}
    return Transport(
        film=name,
        kind=f"{first.width}x{first.height} {first.pix_fmt}",
        chosen=choose_codec(first),
        bytes_per_frame={codec: size / len(pictures) for codec, (size, _, _) in found.items()},
        speeds={
            codec: (found["raw"][0] / coding, found["raw"][0] / back) for codec, (_, coding, back) in found.items()
        },
    )


def _coded(pictures: list[Picture], codec: str) -> tuple[int, float, float]:
    """Bytes, and CPU seconds of coding and decoding."""
    began = time.thread_time()
    batches = [pictures[at : at + _BATCH] for at in range(0, len(pictures), _BATCH)]
    payloads = [encode_payload(batch, codec) for batch in batches]
    coded = time.thread_time()
    for payload in payloads:
        decode_payload(payload)
    return sum(len(payload.inline) for payload in payloads), coded - began, time.thread_time() - coded
