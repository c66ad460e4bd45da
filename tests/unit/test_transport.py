"""Transport codecs are lossless, and damaged payloads raise CorruptPayload."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from reelwright.media.picture import PIXEL_FORMATS, Picture
from reelwright.media.transport import choose_codec, decode_payload, encode_payload
from reelwright.titles.errors import CorruptPayload
from reelwright.wire.frames_pb2 import Payload

CODECS = ["raw", "zstd", "delta-zstd", "auto"]


def noise(pix_fmt: str, width: int, height: int, seed: int) -> Picture:
    """A picture of random samples, which cannot be compressed."""
    layout = PIXEL_FORMATS[pix_fmt]
    rng = np.random.default_rng(seed)
    planes = tuple(
        rng.integers(0, 1 << layout.depth, layout.plane_shape(p, width, height)).astype(layout.dtype)
        for p in range(layout.planes)
    )
    return Picture(pix_fmt, width, height, planes)  # type: ignore[arg-type]


def flat(pix_fmt: str, width: int, height: int) -> Picture:
    """A picture with one mid-gray level."""
    layout = PIXEL_FORMATS[pix_fmt]
    shapes = [layout.plane_shape(p, width, height) for p in range(layout.planes)]
    planes = tuple(np.full(shape, layout.neutral, layout.dtype) for shape in shapes)
    return Picture(pix_fmt, width, height, planes)  # type: ignore[arg-type]


@given(
    pix_fmt=st.sampled_from(sorted(PIXEL_FORMATS)),
    width=st.integers(1, 33),
    height=st.integers(1, 17),
    frames=st.integers(1, 4),
    codec=st.sampled_from(CODECS),
    seed=st.integers(0, 1000),
)
def test_payloads_decode_to_the_encoded_pictures(
    pix_fmt: str, width: int, height: int, frames: int, codec: str, seed: int
) -> None:
    """Every format, size and codec returns the same samples."""
    pictures = [noise(pix_fmt, width, height, seed + i) for i in range(frames)]
    back = decode_payload(Payload.FromString(encode_payload(pictures, codec).SerializeToString()))
    assert [p.digest() for p in back] == [p.digest() for p in pictures]
    assert all(
        a.shape == b.shape and a.dtype == b.dtype and a.flags.c_contiguous
        for p, q in zip(back, pictures, strict=True)
        for a, b in zip(p.planes, q.planes, strict=True)
    )


@given(
    pix_fmt=st.sampled_from([*sorted(PIXEL_FORMATS), "", "rgb24"]),
    width=st.integers(0, 2**32 - 1),
    height=st.integers(0, 2**32 - 1),
    frames=st.integers(0, 2**32 - 1),
    codec=st.sampled_from(["raw", "zstd", "delta-zstd", "auto", "", "lzma"]),
    content=st.binary(max_size=64),
    valid_digest=st.booleans(),
)
def test_an_arbitrary_payload_is_decoded_or_refused(
    pix_fmt: str, width: int, height: int, frames: int, codec: str, content: bytes, valid_digest: bool
) -> None:
    """A payload of any field values and bytes decodes to the frames it describes or raises CorruptPayload."""
    digest = hashlib.sha256(content).digest() if valid_digest else b"?"
    payload = Payload(
        pix_fmt=pix_fmt, width=width, height=height, frames=frames, codec=codec, digest=digest, inline=content
    )
    try:
        pictures = decode_payload(payload)
    except CorruptPayload:
        return
    assert valid_digest
    assert len(pictures) == frames


@given(codec=st.sampled_from(["raw", "zstd", "delta-zstd"]), cut=st.integers(0, 400), flip=st.integers(0, 10**6))
def test_damaged_bytes_are_refused(codec: str, cut: int, flip: int) -> None:
    """Truncated or flipped bytes are refused; truncated ones also when the digest matches them."""
    pictures = [noise("yuv420p10le", 24, 16, flip % 7)]
    payload = encode_payload(pictures, codec)
    damaged = bytearray(payload.inline)
    damaged[flip % len(damaged)] ^= 1 + flip % 255
    damaged = damaged[: max(0, len(damaged) - cut)]
    payload.inline = bytes(damaged)
    with pytest.raises(CorruptPayload):
        decode_payload(payload)
    payload.digest = hashlib.sha256(payload.inline).digest()
    if cut:
        with pytest.raises(CorruptPayload):
            decode_payload(payload)


@pytest.mark.parametrize("codec", ["raw", "zstd", "delta-zstd"])
def test_extra_bytes_are_refused(codec: str) -> None:
    """A payload with bytes after its samples is refused."""
    payload = encode_payload([noise("gray", 8, 8, 0)], codec)
    payload.inline += b"\0"
    payload.digest = hashlib.sha256(payload.inline).digest()
    with pytest.raises(CorruptPayload):
        decode_payload(payload)


def test_a_huge_claimed_size_is_not_allocated() -> None:
    """A payload that claims terabytes is refused before memory is allocated."""
    small = zstandard.ZstdCompressor(level=1).compress(b"\0" * 64)
    payload = Payload(
        pix_fmt="gray",
        width=1 << 20,
        height=1 << 20,
        frames=1,
        codec="zstd",
        digest=hashlib.sha256(small).digest(),
        inline=small,
    )
    with pytest.raises(CorruptPayload, match="claims"):
        decode_payload(payload)


def test_bytes_from_the_store_are_decoded_and_checked() -> None:
    """A claim-checked payload is decoded from the store's bytes, with the same check of its digest."""
    pictures = [noise("yuv422p", 10, 6, 3)]
    payload = encode_payload(pictures, "delta-zstd")
    coded = payload.inline
    payload.reference = "memory://batch"
    assert decode_payload(payload, coded)[0].digest() == pictures[0].digest()
    with pytest.raises(CorruptPayload):
        decode_payload(payload, coded[:-1])


def test_auto_chooses_the_fastest_codec() -> None:
    """A slow link gets compressible pictures compressed; noise, and pictures within one process, stay raw."""
    assert choose_codec(flat("gray", 640, 360), link=50e6) != "raw"
    assert choose_codec(noise("gray", 640, 360, 0), link=125e6) == "raw"
    assert choose_codec(flat("gray", 640, 360), link=math.inf) == "raw"
    steps = np.random.default_rng(0).integers(-1, 2, (360, 640))
    gradient = np.cumsum(steps, axis=1).astype(np.uint8)
    assert choose_codec(Picture("gray", 640, 360, (gradient,)), link=50e6) == "delta-zstd"


def test_invalid_arguments_raise_value_error() -> None:
    """Mixed sizes, no pictures and an unknown codec raise ValueError, not CorruptPayload."""
    for pictures, codec in (
        ([], "raw"),
        ([flat("gray", 4, 4), flat("gray", 4, 6)], "raw"),
        ([flat("gray", 4, 4)], "gzip"),
    ):
        with pytest.raises(ValueError, match=r"picture|unknown"):
            encode_payload(pictures, codec)


def test_transport_needs_no_ffmpeg() -> None:
    """The module can be imported without FFmpeg."""
    script = "import sys; sys.modules['av'] = None; import reelwright.media.transport"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
