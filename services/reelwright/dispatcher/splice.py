"""A lease on the wire, made around a batch that stays as it came from the bus: bytes copied once and never parsed."""

from __future__ import annotations

from reelwright.wire.dispatch_pb2 import DispatcherMessage, Lease

_LENGTH_DELIMITED = 2


def _tag(number: int) -> bytes:
    return bytes([number << 3 | _LENGTH_DELIMITED])


_MESSAGE_LEASE = _tag(DispatcherMessage.LEASE_FIELD_NUMBER)
_LEASE_BATCH = _tag(Lease.BATCH_FIELD_NUMBER)


def lease_message(lease: Lease, batch: bytes) -> bytes:
    """The DispatcherMessage that leases a batch.

    Args:
        lease: all of the lease but the batch.
        batch: the FrameBatch, serialized.
    """
    # Protobuf's wire format lets a field be appended to a message that was serialized without it.
    head = b"".join((lease.SerializeToString(), _LEASE_BATCH, _varint(len(batch))))
    return b"".join((_MESSAGE_LEASE, _varint(len(head) + len(batch)), head, batch))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
