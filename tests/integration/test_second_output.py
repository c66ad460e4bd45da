"""A run that is submitted for another output: its film is copied there, and no frame is restored twice."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from reelwright.client.submission import submit
from reelwright.ledger.manifest_file import read_manifest
from reelwright.ledger.records import Adoption, Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.store.folder import parent_folder
from reelwright.titles.errors import OutputError
from reelwright.titles.request import RunRequest
from scripts.servers.s3 import S3Server
from tests.support.films import small_film
from tests.support.pipeline_harness import PipelineHarness, pipeline_harness, request_for

FRAMES = 48


@pytest.fixture(params=["a folder", "S3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place for ledger and films on each kind of store."""
    if request.param == "a folder":
        return str(tmp_path)
    server: S3Server = request.getfixturevalue("s3")
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    return f"s3://films/{uuid4().hex}"


def films(place: str, tmp_path: Path) -> tuple[RunRequest, RunRequest]:
    """Requests for the same run with two outputs."""
    request = request_for(small_film(FRAMES), tmp_path / "film.mp4")
    first, second = (request.model_copy(update={"output": f"{place}/{name}.mp4"}) for name in ("first", "second"))
    return first, second


def content(location: str) -> bytes | None:
    """A film's bytes."""
    folder, name = parent_folder(location)
    return folder.read(name)


def frames_made() -> tuple[float | None, float | None]:
    """Frames decoded and restored in this process so far."""
    names = ("reelwright_frames_decoded_total", "reelwright_frames_restored_total")
    decoded, restored = map(REGISTRY.get_sample_value, names)
    return decoded, restored


def finish(here: PipelineHarness, request: RunRequest) -> None:
    """Submits a request and waits until its attempt is finished."""
    assert submit(request, here.ledger(request.run), here.bus)
    event = here.wait(request)
    assert event.WhichOneof("event") == "title_finished", event
    assert event.title_finished.output == request.output


def test_a_finished_run_for_another_output(place: str, tmp_path: Path) -> None:
    """The film of a finished run is copied to the second output; no frame is made again and the first film stays."""
    first, second = films(place, tmp_path)
    with pipeline_harness(f"{place}/ledger") as here:
        finish(here, first)
        film, made = content(first.output), frames_made()
        finish(here, second)
        assert frames_made() == made
        latest = here.ledger(first.run).latest()
    assert content(first.output) == content(second.output) == film
    assert (latest.attempt, latest.outcome()) == (2, Outcome(state="finished", output=second.output, frames=FRAMES))
    manifest = read_manifest(second.output)
    assert manifest == read_manifest(first.output).model_copy(update={"film": "second.mp4"})
    # The attempt's folder holds its documents alone.
    folder, _ = parent_folder(f"{place}/ledger/{first.run}/attempts/000002/x")
    assert {name for name in folder.list_names("") if "." in name} == {"request.json", "outcome.json"}


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_first_film_that_is_not_whole(place: str, tmp_path: Path, harm: str) -> None:
    """A film that was changed or removed after its delivery is not copied: the second one is restored."""
    first, second = films(place, tmp_path)
    with pipeline_harness(f"{place}/ledger") as here:
        finish(here, first)
        film = content(first.output)
        assert film is not None
        folder, name = parent_folder(first.output)
        if harm == "changed":
            folder.replace(name, film[:-1] + bytes([film[-1] ^ 1]))
        else:
            folder.remove(name)
        left = content(first.output)
        finish(here, second)
    assert (content(second.output), content(first.output)) == (film, left)


def test_a_film_that_goes_away_after_the_submission(tmp_path: Path) -> None:
    """A film that was to be copied and is gone when its attempt begins is restored."""
    first, second = films(str(tmp_path), tmp_path)
    with pipeline_harness(f"{tmp_path}/ledger") as here:
        finish(here, first)
        film = content(first.output)
        ledger = here.ledger(first.run, 2)
        ledger.adopt(here.ledger(first.run))
        assert ledger.adopted_film() == first.output
        Path(first.output).unlink()
        finish(here, second)
    assert content(second.output) == film


def test_a_run_under_way_for_another_output(tmp_path: Path) -> None:
    """While a run is under way, another output is refused with what to do; after its cancellation it is accepted."""
    first, second = films(str(tmp_path), tmp_path)
    with pipeline_harness(f"{tmp_path}/ledger") as here:
        ledger = here.ledger(first.run)
        ledger.put_request(first)
        with pytest.raises(OutputError, match=f"run {first.run} is under way for {first.output}; cancel it first"):
            submit(second, ledger, here.bus)
        ledger.put_outcome(Outcome(state="cancelled"))
        finish(here, second)
    assert (content(first.output), content(second.output) is not None) == (None, True)


def test_a_cancelled_copy_is_adopted(tmp_path: Path) -> None:
    """An attempt that follows a cancelled one copies the film that the cancelled one was to copy."""
    root = str(tmp_path / "ledger")
    attempts = [RunLedger(root, "0123456789abcdef0123", number) for number in (1, 2, 3)]
    (tmp_path / "ledger" / attempts[0].run / "attempts" / "000002").mkdir(parents=True)
    adopted = Adoption(segments={}, film="/films/first.mp4")
    (tmp_path / "ledger" / attempts[0].run / "attempts" / "000002" / "adopted.json").write_text(
        adopted.model_dump_json()
    )
    attempts[1].put_outcome(Outcome(state="cancelled"))
    attempts[2].adopt(attempts[1])
    assert attempts[2].adopted_film() == "/films/first.mp4"
    attempts[2].discard_adopted_film()
    assert attempts[2].adopted_film() == ""
