"""Messages from the bus are not trusted: their run is checked before anything uses it as a folder's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.message import Message

from reelwright.bus.messages import read_message
from reelwright.bus.protocol import Record
from reelwright.ledger.run_ledger import RunLedger
from reelwright.titles.errors import LedgerError, UnusableMessage
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch
from reelwright.wire.titles_pb2 import Event, TitleRequest

FOREIGN = ["", ".", "..", "../other", "other/segments", "/etc", "a\\b", "a b", "a\x00", "ä", "a%2fb", "x" * 65]


def record_of(message: Message) -> Record:
    return Record(topic="topic", partition=0, offset=0, key=b"key", value=message.SerializeToString(), headers={})


@pytest.mark.parametrize("run", FOREIGN)
@pytest.mark.parametrize("kind", [FrameBatch, RestoredBatch, Event, TitleRequest])
def test_a_message_whose_run_is_no_name_is_unusable(
    kind: type[FrameBatch | RestoredBatch | Event | TitleRequest], run: str
) -> None:
    """A message without a run, or with one that would lead to another folder, is refused where it is read."""
    with pytest.raises(UnusableMessage, match="is not the name of a run"):
        read_message(record_of(kind(run=run)), kind)


@pytest.mark.parametrize("run", FOREIGN)
def test_no_ledger_opens_for_what_is_no_name(run: str, tmp_path: Path) -> None:
    """A ledger is never opened in a folder that is not a run's own."""
    with pytest.raises(LedgerError, match="is not the name of a run"):
        RunLedger(str(tmp_path), run)


def test_a_run_that_has_a_name_is_read() -> None:
    """A message with a run of letters and digits is read as it was written."""
    event = Event(run="0f3a9c", attempt=3)
    assert read_message(record_of(event), Event) == event
