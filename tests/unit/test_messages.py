"""Messages from the bus are not trusted: their run is checked before anything uses it as a folder's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.message import Message

from reelwright.bus.conversion import damage_from_wire, damage_to_wire
from reelwright.bus.messages import read_message
from reelwright.bus.protocol import Record
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.types import FrameDamage
from reelwright.titles.errors import CorruptPayload, LedgerError, UnusableMessage
from reelwright.wire.frames_pb2 import DamageInfo, FrameBatch, RestoredBatch
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


def test_what_was_measured_arrives_as_it_was_sent() -> None:
    """Each figure of a frame is the same after its way over the bus."""
    damage = FrameDamage(grain=7.2, grain_size=0.31, blockiness=0.2, sharpness=0.4, dust=0.00012)
    assert damage_from_wire(DamageInfo.FromString(damage_to_wire(damage).SerializeToString())) == damage


@pytest.mark.parametrize("figure", ["grain", "grain_size", "blockiness", "sharpness", "dust"])
@pytest.mark.parametrize("value", [-0.1, 300.0, float("nan"), float("inf")])
def test_a_measurement_out_of_its_range_is_refused(figure: str, value: float) -> None:
    """A figure that no worker can have measured never reaches the ledger."""
    with pytest.raises(CorruptPayload, match=f"measured damage, {figure}"):
        damage_from_wire(DamageInfo(**{figure: value}))
