"""With lost or damaged messages and objects the film is the same, or the title fails with a reason."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

import reelwright
from reelwright.bus.topics import EVENTS, FRAMES, RESTORED, TITLES, run_key
from reelwright.cli.main import run
from reelwright.decoder.title_description import describe_title
from reelwright.encoder import film_assembler as assembly
from reelwright.encoder.title_assembly import assemble_title
from reelwright.ledger.attempts import place_request
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_file import read_manifest
from reelwright.ledger.records import Outcome, SourceProbe
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.toolchain import toolchain_identity
from reelwright.media.transport import decode_payload, encode_payload
from reelwright.store.retry import RetryPolicy
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch
from reelwright.wire.titles_pb2 import Event
from scripts.servers.s3 import S3Server
from tests.support import clips
from tests.support.commands import TIMEOUT_SECONDS, sha256
from tests.support.dispatch_harness import until
from tests.support.films import small_film
from tests.support.pipeline_harness import Change, pipeline_harness, request_for

COUNT = 144


@cache
def undisturbed() -> str:
    """SHA-256 of the film of an undisturbed restoration."""
    output = clips.clip_folder() / "recovery" / "out.mp4"
    output.parent.mkdir()
    assert run(["restore", str(small_film(COUNT)), "-o", str(output)]) == 0
    return sha256(output)


def _has_commits(ledger: RunLedger, count: int) -> bool:
    return len(ledger.committed_segments()) >= count


def check(tmp_path: Path, change: Change, **options: Any) -> None:
    """Restores with `change` applied to the messages; the film must be the undisturbed one."""
    request = request_for(small_film(COUNT), tmp_path / "out.mp4")
    with pipeline_harness(str(tmp_path / "ledger"), change, **options) as here:
        here.submit(request)
        event = here.wait(request)
        assert event.HasField("title_finished"), event
        outcome = here.ledger(request.run).outcome()
        assert outcome is not None
        assert outcome.state == "finished"
    assert sha256(tmp_path / "out.mp4") == undisturbed()


class Once:
    """Counts messages; `due` is true for the `nth` one only."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def due(self) -> bool:
        self.left -= 1
        return self.left == -1

    @property
    def has_come(self) -> bool:
        """Whether the message came; a test without it would have shown nothing."""
        return self.left < 0


def inverted(picture: Picture) -> Picture:
    """A picture whose luma is another."""
    luma, *chroma = picture.planes
    return replace(picture, planes=(np.ascontiguousarray(luma[::-1]), *chroma))  # type: ignore[arg-type]


def flipped(content: bytes) -> bytes:
    """The same bytes with one of them changed."""
    return content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]


@pytest.mark.parametrize("nth", [0, 7])
def test_a_restored_batch_damaged_on_its_way(tmp_path: Path, nth: int) -> None:
    """A segment whose restored frames do not match their digest is published again."""
    once = Once(nth)

    def change(topic: str, value: bytes) -> bytes:
        if topic != RESTORED or not once.due():
            return value
        batch = RestoredBatch.FromString(value)
        batch.payload.inline = flipped(batch.payload.inline)
        return batch.SerializeToString()

    check(tmp_path, change)
    assert once.has_come


def test_a_frame_batch_damaged_on_its_way(tmp_path: Path) -> None:
    """A segment whose frames do not match their digest is published again."""
    once = Once(5)

    def change(topic: str, value: bytes) -> bytes:
        if topic not in FRAMES.values() or not once.due():
            return value
        batch = FrameBatch.FromString(value)
        batch.payload.inline = flipped(batch.payload.inline)
        return batch.SerializeToString()

    check(tmp_path, change)
    assert once.has_come


def test_a_restored_batch_of_another_engine(tmp_path: Path) -> None:
    """A batch that another engine restored is refused and restored again: the film has one engine's frames."""
    due = Once(3)
    foreign = "torch-1.0 fp32 cpu avx2 reel-s@000000000000"

    def change(topic: str, value: bytes) -> bytes:
        if topic != RESTORED or not due.due():
            return value
        batch = RestoredBatch.FromString(value)
        batch.engine = foreign
        batch.payload.CopyFrom(encode_payload([inverted(each) for each in decode_payload(batch.payload)], "raw"))
        return batch.SerializeToString()

    check(tmp_path, change)
    assert due.has_come
    engine = read_manifest(str(tmp_path / "out.mp4")).engine
    assert engine.startswith("openvino-")
    assert len(engine.split()) == len(foreign.split())


def test_stored_payloads(tmp_path: Path) -> None:
    """With every payload in the store the film is the same, and no payload is left."""
    check(tmp_path, lambda _topic, value: value, inline_bytes=0)
    assert not list((tmp_path / "ledger").glob("*/payloads/*/*"))


@pytest.mark.parametrize("topic", [RESTORED, FRAMES["standard"]])
def test_a_stored_payload_that_is_gone(tmp_path: Path, topic: str) -> None:
    """A segment whose stored payload is missing is published again."""
    once = Once(3)

    def change(where: str, value: bytes) -> bytes:
        if where == topic and once.due():
            kind = RestoredBatch if topic == RESTORED else FrameBatch
            (tmp_path / "ledger" / kind.FromString(value).payload.reference).unlink()
        return value

    check(tmp_path, change, inline_bytes=0)
    assert once.has_come


@pytest.mark.parametrize("kind", ["segment_committed", "title_planned"])
def test_lost_events(tmp_path: Path, kind: str) -> None:
    """Without events about commits or the plan's end, the services find both in the ledger."""
    lost = 0

    def change(topic: str, value: bytes) -> bytes | None:
        nonlocal lost
        if topic != EVENTS or Event.FromString(value).WhichOneof("event") != kind:
            return value
        if kind != "segment_committed" and lost:
            return value
        lost += 1
        return None

    check(tmp_path, change, window=6)
    assert lost


def test_a_store_that_comes_and_goes(tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is killed twice during a title delays the title and does not fail it."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    root, retry = f"s3://films/{tmp_path.name}", RetryPolicy()
    request = request_for(small_film(COUNT), tmp_path / "out.mp4")
    with pipeline_harness(root, ledger=partial(RunLedger, root, retry=retry), inline_bytes=0) as here:
        here.submit(request)
        ledger = here.ledger(request.run)
        for commits in (1, 4):
            until(partial(_has_commits, ledger, commits), "commits")
            s3.kill()
            s3.start()
        assert here.wait(request).HasField("title_finished")
    assert sha256(tmp_path / "out.mp4") == undisturbed()


def test_a_title_whose_source_does_not_answer_is_postponed(
    tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While the store of its source is down a title is counted as postponed through all passes; then it is finished."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    film, key = small_film(COUNT), f"{tmp_path.name}.mp4"
    s3.client().put_object(Bucket=s3.bucket, Key=key, Body=film.read_bytes())
    request = request_for(film, tmp_path / "out.mp4").model_copy(update={"source": f"s3://{s3.bucket}/{key}"})
    with pipeline_harness(str(tmp_path / "ledger")) as here:
        s3.kill()
        try:
            here.submit(request)
            until(lambda: _titles("postponed") == 1, "it is postponed")
            until(partial(_postponed_all_the_time, caplog, passes=3), "passes")
        finally:
            s3.start()
        assert here.wait(request).HasField("title_finished")
        assert _titles("postponed") == 0
    assert sha256(tmp_path / "out.mp4") == undisturbed()


def _postponed_all_the_time(caplog: pytest.LogCaptureFixture, passes: int) -> bool:
    assert (_titles("postponed"), _titles("waiting"), _titles("decoding")) == (1, 0, 0)
    return caplog.messages.count("decode postponed") >= passes


def _titles(state: str) -> float | None:
    return REGISTRY.get_sample_value("reelwright_titles", {"state": state})


def test_a_dropped_frame_is_counted_and_fails_the_title(tmp_path: Path) -> None:
    """A frame that is missing in the assembled film is a lost frame; that film is not delivered."""

    def change(topic: str, value: bytes) -> bytes:
        if topic != RESTORED:
            return value
        batch = RestoredBatch.FromString(value)
        if (batch.segment, batch.batch) == (1, 1):
            pictures = decode_payload(batch.payload, batch.payload.inline)
            batch.payload.CopyFrom(encode_payload(pictures[:-1], "raw"))
            del batch.frames[-1]
            del batch.damage[-1], batch.fidelity[-1]
        return batch.SerializeToString()

    lost = REGISTRY.get_sample_value("reelwright_frames_lost_total")
    request = request_for(small_film(COUNT), tmp_path / "out.mp4")
    with pipeline_harness(str(tmp_path / "ledger"), change) as here:
        here.submit(request)
        assert "the frames encoded are not the frames planned" in here.wait(request).title_failed.reason
    assert REGISTRY.get_sample_value("reelwright_frames_lost_total") == (lost or 0) + 1
    assert not (tmp_path / "out.mp4").exists()


def test_a_request_that_cannot_be_read(tmp_path: Path) -> None:
    """A title whose message is damaged is restored from the request in the ledger."""
    request = request_for(small_film(COUNT), tmp_path / "out.mp4")
    with pipeline_harness(str(tmp_path / "ledger")) as here:
        here.ledger(request.run).put_request(request)
        for key in (run_key(request.run), run_key("0" * 20), b"", b"../foreign"):
            here.bus.publish(TITLES, key, b"\xff\xff\xff")
        assert here.wait(request).HasField("title_finished")
    assert sha256(tmp_path / "out.mp4") == undisturbed()


@pytest.mark.parametrize("document", ["title", "probe", "old probe"])
def test_a_source_is_probed_once(tmp_path: Path, document: str) -> None:
    """A decoder uses the probe's result in the ledger, unless another version made it."""
    request = request_for(small_film(COUNT), tmp_path / "out.mp4")
    source = probe(request.source).model_copy(update={"notes": ("probed before",)})
    with pipeline_harness(str(tmp_path / "ledger")) as here:
        ledger = here.ledger(request.run)
        if document == "title":
            ledger.put_title(describe_title(request, source))
        else:
            version = "0.0.1" if document == "old probe" else reelwright.__version__
            ledger.put_probe(
                SourceProbe(source=source, version=version, toolchain=toolchain_identity(request.recipe.profile))
            )
        here.submit(request)
        assert here.wait(request).HasField("title_finished")
    assert (read_manifest(str(tmp_path / "out.mp4")).source == source) is (document != "old probe")
    assert sha256(tmp_path / "out.mp4") == undisturbed()


def test_a_run_that_is_cancelled_while_its_film_is_assembled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No film is delivered, the run stays cancelled, and its segments are kept."""
    cancelled = Outcome(state="cancelled", reason="changed my mind", exit_code=130)
    assembled = threading.Event()

    def late(ledger: RunLedger, scratch: Path | None, *_: object, **__: object) -> Manifest:
        made = assemble_title(ledger, scratch)
        ledger.put_outcome(cancelled)
        assembled.set()
        return made

    monkeypatch.setattr(assembly, "assemble_title", late)
    request = request_for(small_film(COUNT), tmp_path / "out.mp4")
    with pipeline_harness(str(tmp_path / "ledger")) as here:
        here.submit(request)
        assert assembled.wait(TIMEOUT_SECONDS)
    ledger = RunLedger(str(tmp_path / "ledger"), request.run)
    assert ledger.outcome() == cancelled
    assert len(ledger.committed_segments()) > 1
    assert not (tmp_path / "out.mp4").exists()


def test_a_source_that_is_replaced_before_its_sound_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source replaced after its last frame was decoded fails the title in one line that names it; no film is made."""
    source = tmp_path / "source.mp4"
    shutil.copyfile(small_film(COUNT), source)

    def late(ledger: RunLedger, scratch: Path | None, *_: object, **__: object) -> Manifest:
        shutil.copyfile(small_film(COUNT + 1), tmp_path / "other.mp4")
        (tmp_path / "other.mp4").replace(source)
        return assemble_title(ledger, scratch)

    monkeypatch.setattr(assembly, "assemble_title", late)
    request = request_for(source, tmp_path / "out.mp4")
    with pipeline_harness(str(tmp_path / "ledger")) as here:
        here.submit(request)
        failed = here.wait(request).title_failed
    assert (failed.exit_code, failed.error) == (2, "InputError")
    assert failed.reason == f"{source}: not the file that was submitted; put it back, or submit it again"
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("attack", ["the source", "a foreign file"])
def test_a_film_replaces_neither_its_source_nor_a_foreign_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    """The encoder checks the output again before it delivers: the title fails and the file stays as it was."""
    source, output = tmp_path / "source.mp4", tmp_path / "out.mp4"
    shutil.copyfile(small_film(COUNT), source)

    def late(ledger: RunLedger, scratch: Path | None, *_: object, **__: object) -> Manifest:
        manifest = assemble_title(ledger, scratch)
        if attack == "the source":
            output.hardlink_to(source)
        else:
            output.write_bytes(b"foreign")
        return manifest

    monkeypatch.setattr(assembly, "assemble_title", late)
    request = request_for(source, output)
    with pipeline_harness(str(tmp_path / "ledger")) as here:
        here.submit(request)
        failed = here.wait(request).title_failed
    assert (failed.exit_code, failed.error) == (2, "OutputError")
    assert ("is the source itself" if attack == "the source" else "--overwrite to replace it") in failed.reason
    assert sha256(source) == sha256(small_film(COUNT))
    assert output.samefile(source) if attack == "the source" else output.read_bytes() == b"foreign"


def test_a_segment_that_is_never_usable(tmp_path: Path) -> None:
    """A segment that is damaged every time fails its title, and a new request continues from the committed segments."""
    broken = True

    def change(topic: str, value: bytes) -> bytes:
        if topic != RESTORED:
            return value
        batch = RestoredBatch.FromString(value)
        if batch.segment == 4 and broken:
            batch.payload.inline = flipped(batch.payload.inline)
        return batch.SerializeToString()

    request = request_for(small_film(COUNT), tmp_path / "out.mp4")
    with pipeline_harness(str(tmp_path / "ledger"), change) as here:
        here.submit(request)
        failure = here.wait(request).title_failed
        assert "segment 4" in failure.reason
        assert "digest" in failure.reason
        ledger = here.ledger(request.run)
        until(lambda: ledger.outcome() is not None, "the outcome")
        outcome = ledger.outcome()
        assert outcome is not None
        assert (outcome.state, outcome.exit_code) == ("failed", 1)
        assert ledger.committed_segments() >= {0, 1, 2, 3}
        broken = False
        again = place_request(ledger, request, request)
        assert again is not None
        assert again.committed_segments() >= {0, 1, 2, 3}
        here.submit(request.model_copy(update={"attempt": again.attempt}))
        assert here.wait(request).HasField("title_finished")
    assert sha256(tmp_path / "out.mp4") == undisturbed()
