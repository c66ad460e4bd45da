"""Roles of neighbouring versions understand each other: each ignores what it does not know, and refuses recipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from pydantic import BaseModel, create_model

from reelwright.bus import messages
from reelwright.bus.conversion import request_to_wire
from reelwright.bus.messages import read_message
from reelwright.bus.protocol import Record
from reelwright.inference.restorer import PictureRestorer
from reelwright.ledger.manifest_builder import build_manifest
from reelwright.ledger.manifest_file import read_manifest, write_manifest
from reelwright.ledger.records import Outcome, PlanEnd
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.picture import Picture
from reelwright.restoration.models import resolve_model
from reelwright.titles import versions
from reelwright.titles.errors import RecipeError, UnavailableError, UnusableMessage
from reelwright.titles.recipe import Recipe
from reelwright.titles.recipe_parsing import load_recipe, parse_recipe_text
from reelwright.titles.request import RunRequest
from reelwright.wire import dispatch_pb2, frames_pb2, titles_pb2
from tests.support.ledgers import RUN, film_of, plan_of, planned, put_run, record_of, request_of, title_of

DOCUMENTS: list[BaseModel] = [
    request_of(),
    title_of(),
    plan_of(),
    PlanEnd(segments=1, frames=2),
    record_of(0),
    Outcome(state="finished", output="film.mp4", frames=2),
]
MESSAGES: list[Message] = [
    request_to_wire(request_of()),
    titles_pb2.Event(run=RUN, segment_committed=titles_pb2.SegmentCommitted(segment=1, frames=24)),
    frames_pb2.FrameBatch(run=RUN, segment=1, frames=[frames_pb2.FrameInfo(pts=7)], work=frames_pb2.Work(scale=2)),
    frames_pb2.RestoredBatch(run=RUN, segment=1, payload=frames_pb2.Payload(codec="raw")),
]
PROTOCOL_MESSAGES: list[Message] = [
    dispatch_pb2.WorkerMessage(credits=1, receipt=dispatch_pb2.Receipt(lease="1")),
    dispatch_pb2.DispatcherMessage(lease=dispatch_pb2.Lease(lease="1", batch=b"x")),
]


def next_document(kind: type[BaseModel]) -> type[BaseModel]:
    """The same document one version later: with another field, in every document inside it too."""
    return create_model(f"Next{kind.__name__}", __base__=kind, format=(int, 2), added=(str, "by a later version"))


def with_additions(value: object) -> object:
    """A JSON document in which every object has another key; recipes keep theirs."""
    if isinstance(value, list):
        return [with_additions(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {
        key: item if key in {"recipe", "seconds", "metadata"} else with_additions(item) for key, item in value.items()
    }
    return {**inner, "added": {"by": "a later version"}}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: type(document).__name__)
def test_a_document_of_the_next_version_is_read(document: BaseModel) -> None:
    """Whatever the next version adds to a document, this one reads what it knows."""
    text = json.dumps(with_additions({**json.loads(document.model_dump_json()), "format": 2}))
    read = type(document).model_validate_json(text)
    assert read.model_dump(exclude={"format"}) == document.model_dump(exclude={"format"})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: type(document).__name__)
def test_the_next_version_reads_a_document_of_this_one(document: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next version, which has another field, reads what this one wrote."""
    monkeypatch.setattr(versions, "DOCUMENT_FORMAT", 2)
    read = next_document(type(document)).model_validate_json(document.model_dump_json())
    assert read.model_dump(include=set(type(document).model_fields)) == document.model_dump()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: type(document).__name__)
def test_a_document_without_a_format_is_of_the_first_version(document: BaseModel) -> None:
    """Documents that carry no number yet are read."""
    assert type(document).model_validate_json(document.model_dump_json(exclude={"format"})) == document


def test_a_document_of_a_distant_version_waits_for_an_upgrade(tmp_path: Path) -> None:
    """A format two versions later is refused in one line that names it, and the title is not failed by it."""
    ledger = RunLedger(str(tmp_path), RUN)
    ledger.put_plan(plan_of())
    path = tmp_path / RUN / "plan" / "000000.json"
    path.write_text(json.dumps({"format": 3, "unlike": "anything"}))
    with pytest.raises(UnavailableError, match=r"SegmentPlan of format 3.*upgrade"):
        ledger.plan(0)


def test_the_same_content_in_the_next_format_agrees(tmp_path: Path) -> None:
    """Two versions that write the same plan, title and record do not contradict each other."""
    ledger = RunLedger(str(tmp_path), RUN)
    title, plan = title_of(), plan_of()
    ledger.put_title(title.model_copy(update={"format": 2, "request": title.request.model_copy(update={"format": 2})}))
    ledger.put_plan(plan.model_copy(update={"format": 2}))
    ledger.put_title(title)
    ledger.put_plan(plan)
    assert ledger.title() == title


def test_an_unknown_class_and_an_unknown_end_are_read() -> None:
    """A priority class that a later version added is served as standard, and any outcome ends its run."""
    request = request_of().model_dump(mode="json") | {"priority_class": "overnight"}
    assert RunRequest.model_validate_json(json.dumps(request)).priority_class == "standard"
    assert Outcome.model_validate({"state": "archived"}).state == "failed"


def next_class(message: Message) -> type[Message]:
    """The message one version later: every message and kind of its file has another field."""
    pool = descriptor_pool.DescriptorPool()
    for module in (frames_pb2, titles_pb2, dispatch_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for kind in file.message_type:
            field = kind.field.add(name="added", number=1000, type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING)
            field.label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(message.DESCRIPTOR.full_name))


def add_everywhere(message: Any) -> None:
    """Sets the added field of a message and of every message in it."""
    message.added = "by a later version"
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                add_everywhere(inner)


@pytest.mark.parametrize("message", [*MESSAGES, *PROTOCOL_MESSAGES], ids=lambda message: type(message).__name__)
def test_messages_of_neighbouring_versions_are_read(message: Message) -> None:
    """This version reads a message with fields that it does not know, and the next one reads those without them."""
    later = next_class(message).FromString(message.SerializeToString())
    assert later.added == ""  # type: ignore[attr-defined]
    add_everywhere(later)
    read = type(message).FromString(later.SerializeToString())
    read.DiscardUnknownFields()
    assert read == message


@pytest.mark.parametrize(
    ("own", "found", "readable"), [(1, 1, True), (1, 2, True), (2, 1, True), (1, 3, False), (3, 1, False)]
)
def test_a_message_of_a_neighbouring_format_is_read(
    own: int, found: int, readable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Formats one apart are read in both directions; more than one apart is refused by its number."""
    monkeypatch.setattr(messages, "FORMAT", own)
    event = titles_pb2.Event(run=RUN, attempt=1)
    record = Record(
        topic="topic", partition=0, offset=0, key=b"", value=event.SerializeToString(), headers={"format": str(found)}
    )
    if readable:
        assert read_message(record, titles_pb2.Event) == event
    else:
        with pytest.raises(UnusableMessage, match=f"format {found}"):
            read_message(record, titles_pb2.Event)


@pytest.mark.parametrize("found", ["", "0", "-1", "1.5", "x", "9" * 5000])
def test_a_format_that_is_no_number_is_refused(found: str) -> None:
    """A header that names no format is refused as the message of an unknown one."""
    record = Record(
        topic="topic",
        partition=0,
        offset=0,
        key=b"",
        value=titles_pb2.Event(run=RUN).SerializeToString(),
        headers={"format": found},
    )
    with pytest.raises(UnusableMessage):
        read_message(record, titles_pb2.Event)


def test_a_new_key_that_is_off_is_not_written() -> None:
    """The next version's recipe with its new key at the default is read here, with the same run ID."""
    next_recipe = cast("Any", create_model("NextRecipe", __base__=Recipe, look=(str, "none")))
    assert next_recipe().canonical() == Recipe().canonical()
    assert parse_recipe_text(next_recipe(scale=4).canonical()) == Recipe(scale=4)
    with pytest.raises(RecipeError, match="unknown key 'look'"):
        parse_recipe_text(next_recipe(look="warm").canonical())


NEWER_RECIPE = {**Recipe().model_dump(), "tinting": {"contrast": 0.3}}


def test_a_newer_recipe_is_refused_by_its_key(tmp_path: Path) -> None:
    """A recipe key that this version does not know refuses the title, in request and title alike."""
    ledger = RunLedger(str(tmp_path), RUN)
    ledger.put_request(request_of())
    ledger.put_title(title_of())
    for name, change in (("request.json", ("recipe",)), ("title.json", ("request", "recipe"))):
        path = tmp_path / RUN / name
        document = inner = json.loads(path.read_text())
        for key in change[:-1]:
            inner = inner[key]
        inner[change[-1]] = json.dumps(NEWER_RECIPE)
        path.write_text(json.dumps(document))
    for read in (ledger.request, ledger.title):
        with pytest.raises(RecipeError, match=r"unknown key 'tinting'; upgrade") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_worker_refuses_work_by_a_key_that_it_does_not_know() -> None:
    """A batch that depends on a later version's recipe key is refused by name, not restored without it."""

    class Unused:
        identity, scales = "none", (2,)

        def upscale(self, luma: object) -> object:
            raise AssertionError(f"restored all the same: {luma}")

    restorer = PictureRestorer(Unused(), resolve_model("reel-s"))  # type: ignore[arg-type]
    work = frames_pb2.Work(scale=2, pix_fmt="gray", recipe_keys=["grain.keep", "tinting.contrast"])
    with pytest.raises(RecipeError, match=r"'tinting\.contrast'"):
        restorer.restore(Picture("gray", 0, 0, ()), None, work, frame=0)


def test_only_keys_that_differ_from_the_default_must_be_known() -> None:
    """A new key that is off leaves older workers in use."""
    assert Recipe().changed_keys() == []
    assert load_recipe("faithful", {"grain.keep": "0.1", "bars": "crop"}).changed_keys() == ["grain.keep", "bars"]


def test_the_manifest_of_a_later_version_is_read(tmp_path: Path) -> None:
    """A film that a later version made by a recipe unknown here can be verified and recognised."""
    ledger = RunLedger(str(tmp_path / "ledger"), RUN)
    put_run(ledger, tmp_path, title_of(), planned((7, 5)))
    film = str(tmp_path / "film.mp4")
    manifest = build_manifest(ledger, film_of(12))
    write_manifest(manifest, film)
    path = Path(f"{film}.manifest.json")
    document = json.loads(path.read_text())
    document["recipe"] |= {"tinting": {"contrast": 0.3}, "profile": "vvc"}
    document["recipe"]["grain"]["colour"] = 1
    path.write_text(json.dumps(with_additions(document)))
    assert read_manifest(film) == manifest.model_copy(
        update={"recipe": manifest.recipe.model_copy(update={"profile": "web"})}
    )
