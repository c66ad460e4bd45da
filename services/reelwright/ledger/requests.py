"""What is asked for, as the wire has it and as the ledger has it: the same facts under the same names."""

from __future__ import annotations

from reelwright.ledger.records import RunRequest
from reelwright.wire.titles_pb2 import TitleRequest


def from_wire(request: TitleRequest) -> RunRequest:
    """A request as the ledger keeps it."""
    return RunRequest(**{field: getattr(request, field) for field in RunRequest.model_fields})


def to_wire(request: RunRequest) -> TitleRequest:
    """The ledger's request as a message."""
    return TitleRequest(**request.model_dump())
