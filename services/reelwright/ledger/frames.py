"""A frame's place in time, as the wire has it and as the ledger has it: the same facts under the same names."""

from __future__ import annotations

from reelwright.media.types import PlannedFrame
from reelwright.wire.frames_pb2 import FrameInfo


def to_wire(frame: PlannedFrame) -> FrameInfo:
    """A planned frame as a message."""
    return FrameInfo(**frame.model_dump())


def from_wire(info: FrameInfo) -> PlannedFrame:
    """A message's frame as the ledger keeps it."""
    return PlannedFrame(**{name: getattr(info, name) for name in PlannedFrame.model_fields})
