"""What a message claims is checked before memory is taken for it."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from reelwright.bus.batch_limits import MAX_FRAMES, check_batch
from reelwright.bus.claim_check import ClaimCheck
from reelwright.store.folder import Folder
from reelwright.titles.errors import CorruptPayload, UnusableMessage
from reelwright.wire.frames_pb2 import FrameBatch, FrameInfo
from tests.support.dispatch_harness import batch
from tests.support.ledgers import RUN

MIB = 1 << 20

# A worker's and an encoder's way of a payload of 30 kB that claims and holds 960 MiB of pictures.
BOMB = """
import hashlib, resource, sys
from pathlib import Path
import zstandard
from reelwright.bus.batch_limits import check_batch
from reelwright.bus.claim_check import ClaimCheck
from reelwright.encoder.encoder_budget import EncoderBudget
from reelwright.encoder.segment_builder import SegmentBuilder
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.run_ledger import RunLedger
from reelwright.titles.errors import UnusableMessage
from reelwright.wire.frames_pb2 import FrameBatch, FrameInfo, Payload, RestoredBatch, Work
from tests.support.ledgers import RUN, title_of

frames, side = 60, 4096
coder = zstandard.ZstdCompressor(level=1).compressobj(size=frames * side * side)
coded = b"".join(coder.compress(bytes(1 << 20)) for _ in range(frames * side * side >> 20)) + coder.flush()
payload = Payload(pix_fmt="gray", width=side, height=side, frames=frames, codec="zstd", inline=coded,
                  digest=hashlib.sha256(coded).digest())
infos = [FrameInfo(pts=index) for index in range(frames)]
place = Path(sys.argv[1])
ledger, claims = RunLedger(sys.argv[1], RUN), ClaimCheck(None, 1)
work = CrashGuard(0).begin(ledger, "encode-000000", "encoding")
builder = SegmentBuilder(0, title_of(), ledger, engine="test", claims=claims, scratch=place, work=work,
                         budget=EncoderBudget(1, 0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for use in (
    lambda: check_batch(FrameBatch(run=RUN, frames=infos, payload=payload, work=Work(scale=2)), 512 << 20),
    lambda: builder.encode_batch(RestoredBatch(run=RUN, frames=infos, payload=payload)),
):
    try:
        use()
    except UnusableMessage as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
builder.close()
"""


def test_a_bomb_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    """A small payload that holds a gigabyte of pictures is refused by worker and encoder without decoding any of it."""
    command = [sys.executable, "-c", BOMB, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    worker, encoder, grown_kib = done.stdout.splitlines()
    assert worker.startswith("the payload claims 60 pictures of 4096x4096, more than ")
    assert encoder == "pictures of 4096x4096 'gray', the title's are 8x8 'yuv420p'"
    assert int(grown_kib) < 64 << 10


def changed(**payload: int) -> FrameBatch:
    message = batch(RUN, 0, 0)
    for name, value in payload.items():
        setattr(message.payload, name, value)
    return message


def test_an_ordinary_batch_is_accepted() -> None:
    """A batch as the decoder publishes it passes, and so does a picture of the largest size with its halo."""
    check_batch(batch(RUN, 0, 0), 512 * MIB)
    largest = changed(width=4096, height=4096, frames=5)
    del largest.frames[1:]
    largest.halo_before = largest.halo_after = 2
    check_batch(largest, 512 * MIB)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (changed(width=100_000, height=100_000), "claims 2 pictures of 100000x100000"),
        (changed(width=2**32 - 1, height=2**32 - 1), "claims 2 pictures"),
        (changed(frames=2**32 - 1), "4294967295 pictures for 2 frames"),
        (changed(frames=0), "0 pictures for 2 frames"),
        (FrameBatch(run=RUN, halo_before=2**32 - 1), "a batch with 4294967295 and 0 halo frames"),
        (FrameBatch(run=RUN), "a batch of 0 frames"),
        (FrameBatch(run=RUN, frames=[FrameInfo()] * (MAX_FRAMES + 1)), "a batch of 65 frames"),
    ],
)
def test_a_batch_that_claims_too_much_is_unusable(message: FrameBatch, reason: str) -> None:
    """Sizes and counts that no decoder publishes are refused with a reason."""
    with pytest.raises(UnusableMessage, match=reason):
        check_batch(message, 512 * MIB)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scale", 0),
        ("scale", 1000),
        ("grain_keep", -1),
        ("grain_keep", math.nan),
        ("detail", 1.5),
        ("chroma_x", math.nan),
        ("chroma_x", -2.5),
        ("chroma_y", math.inf),
        ("temporal_filter", "always"),
    ],
)
def test_work_that_no_recipe_asks_for_is_unusable(field: str, value: float) -> None:
    """An enlargement, a share of grain or a place of chroma that is outside of what a recipe may ask for is refused."""
    message = batch(RUN, 0, 0)
    setattr(message.work, field, value)
    with pytest.raises(UnusableMessage, match="the batch asks for"):
        check_batch(message, 512 * MIB)


def test_a_stored_payload_is_read_no_further_than_its_pictures_can_take(tmp_path: Path) -> None:
    """A file in the place of a payload that is larger than the pictures can be is not read whole."""
    claims, message = ClaimCheck(str(tmp_path), 0), batch(RUN, 0, 0)
    stored = claims.store_if_large(message.payload, RUN, 0)
    with (tmp_path / stored.reference).open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CorruptPayload, match="more than the"):
        claims.load(stored, RUN, 0)
    Folder(str(tmp_path)).replace(stored.reference, b"")
    assert claims.load(stored, RUN, 0) == b""
