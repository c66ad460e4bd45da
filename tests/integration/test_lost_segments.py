"""Committed segments that are lost or damaged in the ledger are made again, and nobody removes anything by hand."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from reelwright.bus.topics import RESTORED
from reelwright.encoder import film_assembler as assembly
from reelwright.encoder.title_assembly import assemble_title
from reelwright.ledger.attempts import place_request
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.store.folder import Folder
from reelwright.wire.frames_pb2 import RestoredBatch
from scripts.servers.s3 import S3Server
from tests.support.commands import sha256
from tests.support.dispatch_harness import until
from tests.support.films import small_film
from tests.support.pipeline_harness import pipeline_harness, request_for

COUNT = 160


@pytest.fixture(params=["a folder", "S3"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The root of a ledger on each kind of store."""
    if request.param == "a folder":
        return str(tmp_path / "ledger")
    server: S3Server = request.getfixturevalue("s3")
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    return f"s3://films/{uuid4().hex}"


def damage(folder: Folder) -> None:
    """Cuts the record of one committed segment, deletes the file of another, and cuts or changes those of two more."""
    unread, missing, cut, changed = [name for name in folder.list_names("segments") if name.endswith(".mkv")][:4]
    folder.replace(f"segments/{unread[:6]}.json", b'{"segment":')
    folder.remove(f"segments/{missing}")
    for name in (cut, changed):
        content = folder.read(f"segments/{name}")
        assert content is not None
        end = bytes([content[-1] ^ 1]) if name == changed else b""
        folder.replace(f"segments/{name}", content[:-1] + end)


def test_segments_that_are_lost_before_the_assembly(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments whose files or records are damaged after their commit are made again, and the film is the same."""
    undisturbed = request_for(small_film(COUNT), tmp_path / "undisturbed.mp4")
    request = request_for(small_film(COUNT), tmp_path / "out.mp4")
    damaged = False

    def late(ledger: RunLedger, scratch: Path | None, *_: object, **__: object) -> Manifest:
        nonlocal damaged
        if not damaged and ledger.attempt == 2:
            damaged = True
            damage(Folder(f"{root}/{request.run}/attempts/000002"))
        return assemble_title(ledger, scratch)

    monkeypatch.setattr(assembly, "assemble_title", late)
    with pipeline_harness(root) as here:
        here.submit(undisturbed)
        assert here.wait(undisturbed).HasField("title_finished")
        again = place_request(here.ledger(request.run), undisturbed, request)
        assert again is not None
        # Not copied from the first output, so that there are segments to lose.
        again.discard_adopted_film()
        here.submit(request.model_copy(update={"attempt": again.attempt}))
        event = here.wait(request)
        assert (event.HasField("title_finished"), event.attempt) == (True, 2), event
    assert damaged
    assert sha256(tmp_path / "out.mp4") == sha256(tmp_path / "undisturbed.mp4")


def test_an_adopted_segment_that_was_made_of_other_pictures(root: str, tmp_path: Path) -> None:
    """A segment whose plan in an earlier attempt differs is made again by the attempt that adopted it."""

    def change(topic: str, value: bytes) -> bytes | None:
        return None if topic == RESTORED and RestoredBatch.FromString(value).segment >= 3 else value

    request = request_for(small_film(COUNT), tmp_path / "out.mp4")
    first = RunLedger(root, request.run)
    with pipeline_harness(root, change) as here:
        here.submit(request)
        until(lambda: first.committed_segments() >= {0, 1, 2}, "commits")
        assert first.put_outcome(Outcome(state="cancelled"))
    plan = first.plan(0)
    assert plan is not None
    folder = Folder(f"{root}/{request.run}")
    folder.replace("plan/000000.json", plan.model_copy(update={"source_digest": "0" * 64}).model_dump_json().encode())
    again = place_request(first, request, request)
    assert again is not None
    assert set(again.adopted()) >= {0, 1}
    with pipeline_harness(root) as here:
        here.submit(request.model_copy(update={"attempt": 2}))
        assert here.wait(request).HasField("title_finished")
    assert (tmp_path / "out.mp4").exists()
    assert first.segment(0) is None
