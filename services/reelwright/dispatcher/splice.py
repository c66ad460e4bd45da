"""Protobuf messages taken apart and put together as bytes, where parsing would copy every frame a few times more.

A dispatcher's time goes into moving frames it never looks at: 691 kB for four of 480x360.
"""

from __future__ import annotations

from collections.abc import Iterator

from reelwright.wire.dispatch_pb2 import DispatcherMessage, Lease
from reelwright.wire.frames_pb2 import FrameBatch, Payload

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


def _tag(number: int) -> int:
    return number << 3 | _DELIMITED


_MESSAGE_LEASE = _tag(DispatcherMessage.LEASE_FIELD_NUMBER)
_LEASE_BATCH = _tag(Lease.BATCH_FIELD_NUMBER)
_BATCH_PAYLOAD = _tag(FrameBatch.PAYLOAD_FIELD_NUMBER)
_PAYLOAD_INLINE = _tag(Payload.INLINE_FIELD_NUMBER)


def lease_message(lease: Lease, batch: bytes) -> bytes:
    """The DispatcherMessage that leases a batch.

    Args:
        lease: all of the lease but the batch.
        batch: the FrameBatch, serialized.
    """
    # Protobuf's wire format lets a field be appended to a message that was serialized without it.
    head = b"".join((lease.SerializeToString(), _varint(_LEASE_BATCH), _varint(len(batch))))
    return b"".join((_varint(_MESSAGE_LEASE), _varint(len(head) + len(batch)), head, batch))


def without_frames(batch: bytes) -> bytes:
    """A serialized FrameBatch without its payload's inline bytes; what is no FrameBatch comes back as it was."""
    data = memoryview(batch)
    try:
        for tag, start, content, end in _fields(data, 0, len(data)):
            if tag == _BATCH_PAYLOAD:
                payload = _without_inline(data, content, end)
                return b"".join((data[:start], _varint(tag), _varint(len(payload)), payload, data[end:]))
    except (IndexError, ValueError):
        pass
    return batch


def _without_inline(data: memoryview, content: int, end: int) -> bytes:
    for tag, start, _, after in _fields(data, content, end):
        if tag == _PAYLOAD_INLINE:
            return b"".join((data[content:start], data[after:end]))
    return bytes(data[content:end])


def _fields(data: memoryview, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Tag, start, start of the content, and end of each field of the message in `data[at:end]`.

    Raises:
        ValueError: it is not a message.
        IndexError: the same.
    """
    while at < end:
        start = at
        tag, at = _read_varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            content, at = at, _read_varint(data, at)[1]
        elif kind == _DELIMITED:
            size, content = _read_varint(data, at)
            at = content + size
        else:
            content, at = at, at + _FIXED_BYTES.get(kind, end)
        if at > end:
            raise ValueError("a field ends behind its message")
        yield tag, start, content, at


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[at]) & 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
