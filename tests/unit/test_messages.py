"""Messages from the bus are not trusted: what they name is checked before anything uses it as a path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import damage_from_wire, damage_to_wire
from reelwright.bus.dead_letters import dead_letter_batch
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import header_number, parse_message, read_message
from reelwright.bus.protocol import Record
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.frame_damage import FrameDamage
from reelwright.titles.errors import CorruptPayload, LedgerError, UnusableMessage
from reelwright.wire.frames_pb2 import DamageInfo, FrameBatch, RestoredBatch
from reelwright.wire.titles_pb2 import Event, SegmentCommitted, SegmentWanted, TitleRequest
from tests.support.ledgers import RUN, plan_of, put_file, record_of, title_of

FOREIGN = ["", ".", "..", "../other", "other/segments", "/etc", "a\\b", "a b", "a\x00", "ä", "a%2fb", "x" * 65]


HOSTILE = st.one_of(
    st.sampled_from([*FOREIGN, f"../{RUN}", f"{RUN}/../{RUN}", f"{RUN}/payloads", "../../precious", RUN]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=70),
)
KINDS: tuple[type[Any], ...] = (FrameBatch, RestoredBatch, Event, TitleRequest)


def bus_record(message: Message, key: bytes = b"key") -> Record:
    return Record(topic="topic", partition=0, offset=0, key=key, value=message.SerializeToString(), headers={})


def filled(kind: type[Any], text: str, number: int) -> Iterator[Any]:
    """Messages of a type with every text and number set, one for each choice of its oneofs."""
    oneofs = [[field.name for field in group.fields] for group in kind.DESCRIPTOR.oneofs] or [[""]]
    for choice in range(max(map(len, oneofs))):
        message = kind()
        left_out = {name for names in oneofs for index, name in enumerate(names) if index != choice % len(names)}
        for field in kind.DESCRIPTOR.fields:
            if field.name not in left_out:
                _fill(message, field, text, number)
        yield message


def _fill(message: Any, field: FieldDescriptor, text: str, number: int) -> None:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        assert field.message_type is not None
        part = next(filled(GetMessageClass(field.message_type), text, number))
        getattr(message, field.name).extend([part]) if field.is_repeated else getattr(message, field.name).CopyFrom(
            part
        )
    elif field.type == FieldDescriptor.TYPE_STRING and field.is_repeated:
        getattr(message, field.name).append(text)
    elif field.type == FieldDescriptor.TYPE_STRING:
        setattr(message, field.name, text)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        setattr(message, field.name, text.encode())
    elif field.is_repeated:
        getattr(message, field.name).append(number)
    else:
        setattr(message, field.name, field.type == FieldDescriptor.TYPE_BOOL or number)


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def use(message: Any, root: Path) -> None:
    """Does with a message what services do with its run, segment and payload, as far as it is accepted."""
    bus = LocalBus()
    dead_letter_batch(bus, bus_record(message, key=f"{message.run}/1".encode()), "hostile")
    bus.close()
    with suppress(UnusableMessage):
        read = read_message(bus_record(message), type(message))
        ledger, claims = RunLedger(str(root), read.run, read.attempt), ClaimCheck(str(root), 0)
        ledger.put_outcome(Outcome(state="cancelled"))
        if isinstance(read, FrameBatch | RestoredBatch):
            with suppress(CorruptPayload):
                claims.load(read.payload, read.run, read.segment, read.attempt)
            claims.delete_payloads(read.run, read.segment, read.attempt)
        ledger.prune()


@pytest.mark.parametrize("run", FOREIGN)
@pytest.mark.parametrize("kind", [FrameBatch, RestoredBatch, Event, TitleRequest])
def test_a_message_whose_run_is_no_name_is_unusable(
    kind: type[FrameBatch | RestoredBatch | Event | TitleRequest], run: str
) -> None:
    """A message without a run, or with one that would lead to another folder, is refused where it is read."""
    with pytest.raises(UnusableMessage, match="is not the name of a run"):
        read_message(bus_record(kind(run=run)), kind)


@pytest.mark.parametrize("run", FOREIGN)
def test_no_ledger_opens_for_what_is_no_name(run: str, tmp_path: Path) -> None:
    """A ledger is never opened in a folder that is not a run's own."""
    with pytest.raises(LedgerError, match="is not the name of a run"):
        RunLedger(str(tmp_path), run)


def test_a_run_that_has_a_name_is_read() -> None:
    """A message with a run of letters and digits is read as it was written."""
    event = Event(run="0f3a9c", attempt=3)
    assert read_message(bus_record(event), Event) == event


@pytest.mark.parametrize(
    ("headers", "number"),
    [
        ({}, 5),
        ({"n": "7"}, 7),
        ({"n": "0"}, 0),
        *[({"n": text}, None) for text in ("", "x", "-1", "1.5", "1234567890")],
    ],
)
def test_a_number_in_a_header_is_not_trusted(headers: dict[str, str], number: int | None) -> None:
    """A header that is missing has the default, and one that is no number of up to nine digits has none."""
    record = Record(topic="topic", partition=0, offset=0, key=b"", value=b"", headers=headers)
    assert header_number(record, "n", 5) == number


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


@pytest.mark.parametrize("kind", KINDS)
@given(text=HOSTILE, number=st.integers(0, 2**31 - 1))
@example(text="", number=0)
@example(text="../precious", number=1)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_of_a_message_reaches_another_folder(
    kind: type[Any], text: str, number: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever a message holds, no file of another run, of the ledger's root or outside of it changes."""
    place = tmp_path_factory.mktemp("place")
    root, other_run = place / "ledger", RunLedger(str(place / "ledger"), RUN[::-1])
    other_run.put_title(title_of())
    other_run.put_plan(plan_of(0))
    put_file(other_run, place, 0, b"film")
    other_run.commit_segment(record_of(0))
    for path in (root / "plan" / "000001.json", place / "precious" / "plan" / "000001.json", place / "film.mkv"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"precious")
    before = content_of(place)
    for message in filled(kind, text, number):
        use(message, root)
    after = {name: data for name, data in content_of(place).items() if name.split("/")[:2] != ["ledger", text]}
    assert after == before


def test_a_pruned_run_keeps_what_it_did_not_write(tmp_path: Path) -> None:
    """Pruning removes the files that this program writes by their names, and nothing else in the run's folder."""
    ledger = RunLedger(str(tmp_path), RUN)
    ledger.put_title(title_of())
    ledger.put_plan(plan_of(0))
    put_file(ledger, tmp_path, 0, b"film")
    kept = ["notes.txt", "plan/notes.txt", "segments/deep/000000.json", "film.mkv.backup", "payloads/000000/readme"]
    for name in kept:
        (tmp_path / RUN / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / RUN / name).write_bytes(b"")
    ledger.prune()
    assert set(content_of(tmp_path / RUN)) == {*kept, "title.json"}


@pytest.mark.parametrize(
    "message",
    [
        FrameBatch(run=RUN, segment=1_000_000_000),
        RestoredBatch(run=RUN, segment=2**32 - 1),
        Event(run=RUN, segment_wanted=SegmentWanted(segment=1_000_000_000)),
        Event(run=RUN, segment_committed=SegmentCommitted(segment=1_000_000_000)),
    ],
)
def test_a_segment_that_no_film_has_is_unusable(message: FrameBatch | RestoredBatch | Event) -> None:
    """A segment's number above nine digits is refused where the message is read, from the bus or a lease."""
    with pytest.raises(UnusableMessage, match="is not the number of a segment"):
        parse_message(message.SerializeToString(), type(message))
