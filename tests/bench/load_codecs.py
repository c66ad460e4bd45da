"""Measures the bytes of a frame by transport codec, on real films and generated clips."""

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
class TransportFigures:
    """The sizes and speeds of one film's frames.

    Attributes:
        film: name of the film.
        kind: size and pixel format of its frames.
        chosen: the codec that `auto` chooses.
        bytes_per_frame: coded bytes by codec.
        speeds: bytes of samples that one core encodes and decodes per second, by codec.
    """

    film: str
    kind: str
    chosen: str
    bytes_per_frame: dict[str, float]
    speeds: dict[str, tuple[float, float]]


def measure() -> Iterator[TransportFigures]:
    """Encodes some frames of each film with each codec, in batches."""
    films = {path.stem: path for path in (*map(whole_film, REAL), gray_in_colour(), clips.clip("yuv420p10"))}
    for name, path in films.items():
        yield _measure_film(name, path)


def _measure_film(name: str, path: Path) -> TransportFigures:
    frames = itertools.islice(FrameReader(probe(str(path)), Recipe()), _SKIP, _SKIP + _FRAMES)
    pictures = [frame.picture for frame in frames]
    first = pictures[0]
    results = {codec: _encode_and_decode(pictures, codec) for codec in CODECS}
    return TransportFigures(
        film=name,
        kind=f"{first.width}x{first.height} {first.pix_fmt}",
        chosen=choose_codec(first),
        bytes_per_frame={codec: size / len(pictures) for codec, (size, _, _) in results.items()},
        speeds={
            codec: (results["raw"][0] / encoding, results["raw"][0] / decoding)
            for codec, (_, encoding, decoding) in results.items()
        },
    )


def _encode_and_decode(pictures: list[Picture], codec: str) -> tuple[int, float, float]:
    """Coded bytes, CPU seconds of encoding, and CPU seconds of decoding."""
    began = time.thread_time()
    batches = [pictures[start : start + _BATCH] for start in range(0, len(pictures), _BATCH)]
    payloads = [encode_payload(batch, codec) for batch in batches]
    coded = time.thread_time()
    for payload in payloads:
        decode_payload(payload)
    return sum(len(payload.inline) for payload in payloads), coded - began, time.thread_time() - coded
