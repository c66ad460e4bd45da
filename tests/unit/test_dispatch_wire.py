"""Leases on the wire: peers that embed the batch as a message and peers that carry its bytes read each other."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.wire import dispatch_pb2, frames_pb2
from reelwright.wire.dispatch_pb2 import DispatcherMessage
from reelwright.wire.frames_pb2 import FrameBatch, FrameInfo, Payload, Work


def _embedded_lease_message() -> Any:
    """DispatcherMessage as it was before the batch became bytes: `FrameBatch batch = 3`."""
    former = descriptor_pb2.FileDescriptorProto()
    dispatch_pb2.DESCRIPTOR.CopyToProto(former)
    former.dependency.append(frames_pb2.DESCRIPTOR.name)
    lease = next(message for message in former.message_type if message.name == "Lease")
    batch = next(each for each in lease.field if each.name == "batch")
    batch.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
    batch.type_name = ".reelwright.v1.FrameBatch"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(frames_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(former)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("reelwright.v1.DispatcherMessage"))


_Former = _embedded_lease_message()
_payloads = st.builds(
    Payload,
    pix_fmt=st.text(max_size=8),
    width=st.integers(0, 2**32 - 1),
    frames=st.integers(0, 300),
    digest=st.binary(max_size=32),
    inline=st.binary(max_size=400),
) | st.builds(Payload, codec=st.text(max_size=8), reference=st.text(max_size=200))
_batches = st.builds(
    FrameBatch,
    run=st.text(max_size=40),
    segment=st.integers(0, 2**32 - 1),
    first_frame=st.integers(0, 2**64 - 1),
    frames=st.lists(st.builds(FrameInfo, pts=st.integers(-(2**63), 2**63 - 1), shot_start=st.booleans()), max_size=5),
    last=st.booleans(),
    work=st.none() | st.builds(Work, grain_keep=st.floats(0, 1), model=st.text(max_size=8)),
    payload=st.none() | _payloads,
)


@settings(deadline=None)
@given(_batches)
def test_a_lease_of_a_former_dispatcher_is_read(batch: FrameBatch) -> None:
    """A lease that embeds its batch as a message is read as the lease of that batch's bytes."""
    former = _Former()
    former.lease.lease, former.lease.seconds = "a-1", 90.0
    former.lease.batch.MergeFromString(batch.SerializeToString())
    read = DispatcherMessage.FromString(former.SerializeToString()).lease
    assert (read.lease, read.seconds, FrameBatch.FromString(read.batch)) == ("a-1", 90.0, batch)


@settings(deadline=None)
@given(_batches)
def test_a_former_worker_reads_a_lease(batch: FrameBatch) -> None:
    """A lease that carries its batch as bytes is read by a peer that expects an embedded message."""
    message = DispatcherMessage()
    message.lease.lease = "a-1"
    message.lease.batch = batch.SerializeToString()
    read = _Former.FromString(message.SerializeToString()).lease
    assert FrameBatch.FromString(read.batch.SerializeToString()) == batch
