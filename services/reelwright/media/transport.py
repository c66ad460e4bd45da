"""Encodes pictures into the bytes of a wire Payload and decodes them. Needs no FFmpeg: inference pods have none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import zstandard
from numpy.typing import NDArray

from reelwright.media.picture import PIXEL_FORMATS, Picture, PixelFormat, Plane
from reelwright.titles.errors import CorruptPayload
from reelwright.wire.frames_pb2 import Payload

# A protobuf message has less than 2 GiB. A payload that claims more samples is damaged and must not be allocated.
_MAX_BYTES = (1 << 31) - 1
_ZSTD_LEVEL = 1


@dataclass(frozen=True, slots=True)
class _Codec:
    """A way to encode samples.

    The speeds are nominal: rounded measurements on one core at 2.5 GHz. If they were measured at run time, the choice
    of a codec would depend on the load of the machine.

    Attributes:
        encode: samples to bytes.
        decode: bytes to `count` samples of a dtype.
        encode_speed, decode_speed: bytes of samples per second.
    """

    encode: Callable[[NDArray[np.generic]], bytes]
    decode: Callable[[bytes, int, np.dtype[np.generic]], NDArray[np.generic]]
    encode_speed: float
    decode_speed: float


def _encode_raw(samples: NDArray[np.generic]) -> bytes:
    return samples.tobytes()


def _decode_raw(coded: bytes, count: int, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    if len(coded) != count * dtype.itemsize:
        raise CorruptPayload(f"payload has {len(coded)} bytes, its frames need {count * dtype.itemsize}")
    return np.frombuffer(coded, dtype)


def _encode_zstd(samples: NDArray[np.generic]) -> bytes:
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(samples.view(np.uint8).data)


def _decode_zstd(coded: bytes, count: int, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    size = count * dtype.itemsize
    try:
        if zstandard.frame_content_size(coded) != size:
            raise CorruptPayload(f"compressed payload does not have the {size} bytes that its frames need")
        decompressed = zstandard.ZstdDecompressor().decompress(coded, max_output_size=size, allow_extra_data=False)
    except (zstandard.ZstdError, MemoryError) as error:
        raise CorruptPayload(f"payload does not decompress: {error}") from None
    return _decode_raw(decompressed, count, dtype)


def _encode_delta(samples: NDArray[np.generic]) -> bytes:
    # Differences of unsigned samples wrap around, and the cumulative sum wraps back, so no wider type is needed.
    delta = np.empty_like(samples)
    delta[:1] = samples[:1]
    np.subtract(samples[1:], samples[:-1], out=delta[1:])
    return _encode_zstd(delta)


def _decode_delta(coded: bytes, count: int, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    return np.cumsum(_decode_zstd(coded, count, dtype), dtype=dtype)


_CODECS = {
    "raw": _Codec(_encode_raw, _decode_raw, 15e9, 15e9),
    "zstd": _Codec(_encode_zstd, _decode_zstd, 450e6, 1100e6),
    "delta-zstd": _Codec(_encode_delta, _decode_delta, 600e6, 370e6),
}
CODECS = (*_CODECS, "auto")


def encode_payload(pictures: Sequence[Picture], codec: str) -> Payload:
    """Encodes pictures of one format and size, in order, into a Payload with inline bytes.

    Args:
        pictures: at least one picture.
        codec: raw, zstd, delta-zstd, or auto (see `choose_codec`).

    Raises:
        ValueError: no pictures, pictures that differ in format or size, or an unknown codec.
    """
    if not pictures:
        raise ValueError("a payload needs at least one picture")
    first = pictures[0]
    if any((p.pix_fmt, p.width, p.height) != (first.pix_fmt, first.width, first.height) for p in pictures):
        raise ValueError("the pictures of a payload must share format and size")
    if codec == "auto":
        codec = choose_codec(first)
    if codec not in _CODECS:
        raise ValueError(f"unknown transport codec {codec!r}; known: {', '.join(CODECS)}")
    if codec == "raw":
        coded = b"".join(np.ascontiguousarray(plane).data for p in pictures for plane in p.planes)
    else:
        coded = _CODECS[codec].encode(_samples(pictures))
    return Payload(
        pix_fmt=first.pix_fmt,
        width=first.width,
        height=first.height,
        frames=len(pictures),
        codec=codec,
        digest=hashlib.sha256(coded).digest(),
        inline=coded,
    )


def decode_payload(payload: Payload, content: bytes | None = None) -> list[Picture]:
    """Decodes the pictures of a payload, in order. Their planes are views of one buffer and may be read-only.

    Args:
        payload: a payload from `encode_payload`.
        content: the coded bytes, if the payload has only a reference to them.

    Raises:
        CorruptPayload: the bytes do not match their digest, or are not the frames that the payload describes.
    """
    coded = payload.inline if content is None else content
    if hashlib.sha256(coded).digest() != payload.digest:
        raise CorruptPayload("payload does not match its digest")
    layout, codec = PIXEL_FORMATS.get(payload.pix_fmt), _CODECS.get(payload.codec)
    if layout is None or codec is None:
        raise CorruptPayload(f"payload of unknown kind: {payload.pix_fmt!r} coded as {payload.codec!r}")
    if not (payload.width and payload.height and payload.frames):
        raise CorruptPayload("payload without samples")
    size = layout.frame_bytes(payload.width, payload.height) * payload.frames
    if size > _MAX_BYTES:
        raise CorruptPayload(f"payload claims {size} bytes of samples")
    dtype = np.dtype(layout.dtype)
    samples = codec.decode(coded, size // dtype.itemsize, dtype)
    return _pictures(samples, layout, payload)


def choose_codec(picture: Picture, link: float = 125e6) -> str:
    """The codec with the shortest total time to encode, send and decode pictures like this one.

    Args:
        picture: a typical picture; it is encoded with every codec to measure its size.
        link: bytes per second to the receiver; 125e6 is 1 Gbit/s. Infinite within one process.
    """
    size = picture.format.frame_bytes(picture.width, picture.height)
    samples = _samples([picture])

    def seconds(codec: _Codec) -> float:
        return size / codec.encode_speed + len(codec.encode(samples)) / link + size / codec.decode_speed

    return min(_CODECS, key=lambda name: seconds(_CODECS[name]))


def _samples(pictures: Sequence[Picture]) -> NDArray[np.generic]:
    return np.concatenate([plane.reshape(-1) for p in pictures for plane in p.planes])


def _pictures(samples: NDArray[np.generic], layout: PixelFormat, payload: Payload) -> list[Picture]:
    width, height = payload.width, payload.height
    shapes = [layout.plane_shape(plane, width, height) for plane in range(layout.planes)]
    pictures, offset = [], 0
    for _ in range(payload.frames):
        planes: list[Plane] = []
        for rows, columns in shapes:
            planes.append(samples[offset : offset + rows * columns].reshape(rows, columns))  # type: ignore[arg-type]
            offset += rows * columns
        pictures.append(Picture(layout.name, width, height, tuple(planes)))
    return pictures
