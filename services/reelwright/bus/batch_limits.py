"""What a batch may claim: a few bytes can claim gigabytes of pictures, so claims are checked before allocation."""

from __future__ import annotations

from typing import get_args

from reelwright.titles.errors import UnusableMessage
from reelwright.titles.recipe import GrainMode
from reelwright.wire.frames_pb2 import FrameBatch, Payload, Work

# Several times what the decoder puts into a batch and around it.
MAX_FRAMES = 64
MAX_HALO_FRAMES = 16
MAX_SCALE = 4
# Keys of a recipe by which each frame has a correction.
STEADYING = frozenset({"deflicker", "stabilise", "stabilise_rotation"})
# Keys by which each frame has its tone.
OPENING = frozenset({"tone.glare", "tone.shadows"})
# The first chroma sample is at most 1.5 luma samples away from the first luma sample (4:1:1).
_MAX_SITING = 2.0
# Three planes without subsampling, 16 bits a sample: no pixel format has more.
_MAX_PIXEL_BYTES = 6


def claimed_bytes(payload: Payload) -> int:
    """Upper bound of the bytes that a payload's pictures take when they are decoded, by what its message says."""
    return payload.width * payload.height * payload.frames * _MAX_PIXEL_BYTES


def max_coded_bytes(payload: Payload) -> int:
    """Upper bound of the coded bytes of a payload, by what its message says.

    zstd makes incompressible data larger by up to 1/256 and some bytes (ZSTD_COMPRESSBOUND in zstd.h).
    """
    claimed = claimed_bytes(payload)
    return claimed + claimed // 128 + 1024


def check_batch(batch: FrameBatch, max_bytes: int) -> None:
    """Checks what a batch says about itself. Reads no picture.

    Args:
        batch: the batch.
        max_bytes: most bytes that its pictures may take.

    Raises:
        UnusableMessage: it has no or too many frames, another number of pictures, more bytes, not the corrections, the
            tone or the contrast that its recipe needs, or asks for a result that no recipe has.
    """
    payload, work = batch.payload, batch.work
    if max(batch.halo_before, batch.halo_after) > MAX_HALO_FRAMES:
        raise UnusableMessage(f"a batch with {batch.halo_before} and {batch.halo_after} halo frames")
    check_frame_count(len(batch.frames), payload, batch.halo_before + batch.halo_after)
    if claimed_bytes(payload) > max_bytes:
        size = f"{payload.frames} pictures of {payload.width}x{payload.height}"
        raise UnusableMessage(f"the payload claims {size}, more than {max_bytes} bytes; raise max_batch_bytes")
    if not 1 <= work.scale <= MAX_SCALE:
        raise UnusableMessage(f"the batch asks for scale {work.scale}, at most {MAX_SCALE}")
    if STEADYING.intersection(work.recipe_keys):
        corrected = sum(frame.HasField("correction") for frame in batch.frames)
        if (corrected, len(batch.halo_corrections)) != (len(batch.frames), batch.halo_before + batch.halo_after):
            raise UnusableMessage(f"a batch with {corrected} and {len(batch.halo_corrections)} corrections")
    toned = sum(frame.HasField("tone") for frame in batch.frames)
    if OPENING.intersection(work.recipe_keys) and toned != len(batch.frames):
        raise UnusableMessage(f"a batch of {len(batch.frames)} frames, {toned} of them with their tone")
    even = sum(frame.HasField("fading") for frame in batch.frames)
    if "fading" in work.recipe_keys and even != len(batch.frames):
        raise UnusableMessage(f"a batch of {len(batch.frames)} frames, {even} of them with their contrast")
    if work.HasField("limits") and not (work.limits.unsupported >= 0 and work.limits.coarse_difference >= 0):
        limits = f"{work.limits.unsupported:g} and {work.limits.coarse_difference:g}"
        raise UnusableMessage(f"the batch has limits of {limits} levels, from 0")
    _check_shares(work)


def _check_shares(work: Work) -> None:
    if not 0 <= work.grain_keep <= 1:
        raise UnusableMessage(f"the batch asks for grain {work.grain_keep}, from 0 to 1")
    if work.grain_mode not in {"", *get_args(GrainMode)}:
        raise UnusableMessage(f"the batch asks for grain of the mode {work.grain_mode!r}")
    if work.temporal_filter not in {"", "off", "on"}:
        raise UnusableMessage(f"the batch asks for a temporal filter {work.temporal_filter!r}")
    if not (abs(work.chroma_x) <= _MAX_SITING and abs(work.chroma_y) <= _MAX_SITING):
        raise UnusableMessage(f"the batch asks for chroma at {work.chroma_x:g} and {work.chroma_y:g}, within 2")
    if not 0 <= work.detail <= 1:
        raise UnusableMessage(f"the batch asks for detail {work.detail}, from 0 to 1")


def check_frame_count(frames: int, payload: Payload, halo_frames: int = 0) -> None:
    """Checks the number of frames of a batch, restored or not.

    Args:
        frames: how many the batch has.
        payload: their pictures, with those of the halo frames.
        halo_frames: how many halo frames it has beside them.

    Raises:
        UnusableMessage: it has no or too many frames, or another number of pictures.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise UnusableMessage(f"a batch of {frames} frames, at most {MAX_FRAMES}")
    if payload.frames != frames + halo_frames:
        raise UnusableMessage(f"{payload.frames} pictures for {frames + halo_frames} frames")
