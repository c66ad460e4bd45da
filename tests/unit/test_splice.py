"""Messages made and read as bytes are what protobuf itself would make and read."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from reelwright.dispatcher.splice import lease_message, without_frames
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Lease
from reelwright.wire.frames_pb2 import FrameBatch, FrameInfo, Payload, Work

payloads = st.builds(
    Payload,
    pix_fmt=st.text(max_size=8),
    width=st.integers(0, 2**32 - 1),
    frames=st.integers(0, 300),
    digest=st.binary(max_size=32),
    inline=st.binary(max_size=400),
) | st.builds(Payload, codec=st.text(max_size=8), reference=st.text(max_size=200))
batches = st.builds(
    FrameBatch,
    run=st.text(max_size=40),
    segment=st.integers(0, 2**32 - 1),
    first_frame=st.integers(0, 2**64 - 1),
    frames=st.lists(st.builds(FrameInfo, pts=st.integers(-(2**63), 2**63 - 1), shot_start=st.booleans()), max_size=5),
    last=st.booleans(),
    work=st.none() | st.builds(Work, grain_keep=st.floats(0, 1), model=st.text(max_size=8)),
    payload=st.none() | payloads,
)


@given(batches, st.text(max_size=200), st.floats(0, 1e6), st.booleans())
def test_a_spliced_lease_is_a_lease(batch: FrameBatch, lease: str, seconds: float, alone: bool) -> None:
    """A lease made around a batch's bytes parses as the lease of that batch."""
    spliced = lease_message(Lease(lease=lease, seconds=seconds, alone=alone), batch.SerializeToString())
    whole = DispatcherMessage(lease=Lease(lease=lease, seconds=seconds, alone=alone, batch=batch))
    assert DispatcherMessage.FromString(spliced) == whole


@given(batches)
def test_only_the_frames_are_left_out(batch: FrameBatch) -> None:
    """A batch without its frames parses as the batch without its payload's inline bytes, and nothing else is gone."""
    short = FrameBatch.FromString(without_frames(batch.SerializeToString()))
    if batch.payload.HasField("inline"):
        batch.payload.ClearField("inline")
    assert short == batch


@given(batches, st.data())
def test_damage_is_still_found(batch: FrameBatch, data: st.DataObject) -> None:
    """Bytes that protobuf cannot parse as a batch cannot be parsed without their frames either."""
    value = bytearray(batch.SerializeToString() + b"\0")
    at = data.draw(st.integers(0, len(value) - 1))
    value[at] ^= data.draw(st.integers(1, 255))
    damaged = bytes(value[: data.draw(st.integers(at, len(value)))])
    try:
        FrameBatch.FromString(damaged)
    except DecodeError:
        with pytest.raises(DecodeError):
            FrameBatch.FromString(without_frames(damaged))
