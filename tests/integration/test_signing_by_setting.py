"""Films that are signed when they are made, because the settings of the process name a key."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from reelwright.cli.main import run
from reelwright.ledger.attempts import place_request
from reelwright.ledger.delivery import credentials_location
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_file import read_manifest
from reelwright.ledger.run_ledger import RunLedger
from tests.support.commands import sha256
from tests.support.dispatch_harness import until
from tests.support.films import small_film, small_network
from tests.support.optional import optional
from tests.support.pipeline_harness import pipeline_harness, request_for
from tests.support.signatures import authority, read, signer
from tests.support.timestamps import timestamp_server


@pytest.fixture(autouse=True)
def _signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and certificates in the environment."""
    optional("c2pa")
    use(monkeypatch, *signer())


def use(monkeypatch: pytest.MonkeyPatch, chain: Path, key: Path) -> None:
    """Sets key and certificates."""
    monkeypatch.setenv("REELWRIGHT_CREDENTIALS_KEY", str(key))
    monkeypatch.setenv("REELWRIGHT_CREDENTIALS_CERTIFICATES", str(chain))


def restore(output: Path, source: Path | None = None) -> int:
    """Restores a small film; the exit code."""
    return run(["restore", str(source or small_film(24)), "-o", str(output), "--set", f"model={small_network()}"])


def state(film: Path) -> str:
    """Whether the credentials beside a film are valid for it and by the authority of the tests."""
    return str(read(film, trusted=authority().certificate).get_validation_state())


def test_restore_and_redo_sign(tmp_path: Path) -> None:
    """The film has its credentials from the beginning, and new ones after a shot was restored again."""
    film = tmp_path / "out.mp4"
    assert restore(film) == 0
    assert state(film) == "Trusted"
    assert run(["verify", str(film)]) == 0
    first = Path(credentials_location(str(film))).read_bytes()
    assert run(["redo", str(film), "--shot", "1", "--set", "grain.keep=0"]) == 0
    assert Path(credentials_location(str(film))).read_bytes() != first
    assert state(film) == "Trusted"


def test_what_cannot_sign_is_named_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A certificate that C2PA refuses, or one setting without the other, ends the command in one line."""
    use(monkeypatch, *signer("server", "serverAuth"))
    assert restore(tmp_path / "out.mp4") == 2
    assert "root-server.pem: not signed: " in capsys.readouterr().err
    monkeypatch.delenv("REELWRIGHT_CREDENTIALS_CERTIFICATES")
    assert restore(tmp_path / "out.mp4") == 2
    assert "REELWRIGHT_CREDENTIALS_*: set both KEY and CERTIFICATES, or none" in capsys.readouterr().err
    assert not list(tmp_path.rglob("segments"))


def test_a_timestamp_that_is_missing_costs_no_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its server no film is delivered; the same command delivers it once no server is asked for."""
    film = tmp_path / "out.mp4"
    monkeypatch.setenv("REELWRIGHT_CREDENTIALS_TIMESTAMP_SERVER", "http://127.0.0.1:9")
    assert restore(film) == 2
    assert "http://127.0.0.1:9: no timestamp: " in capsys.readouterr().err
    assert not film.exists()
    assert list(tmp_path.rglob("segments/*.json"))
    assert not list(tmp_path.rglob("film.mp4"))
    monkeypatch.delenv("REELWRIGHT_CREDENTIALS_TIMESTAMP_SERVER")
    assert restore(film) == 0
    assert state(film) == "Trusted"


def test_each_output_of_a_run_is_signed(tmp_path: Path) -> None:
    """A film that is copied from another output has credentials of its own, with its own name."""
    first, second = (request_for(small_film(24), tmp_path / name) for name in ("one.mp4", "two.mp4"))
    with pipeline_harness(str(tmp_path / "ledger")) as here:
        here.submit(first)
        assert here.wait(first).HasField("title_finished")
        again = place_request(here.ledger(first.run), first, second)
        assert again is not None
        here.submit(second.model_copy(update={"attempt": again.attempt}))
        assert here.wait(second).HasField("title_finished")
    assert state(tmp_path / "one.mp4") == state(tmp_path / "two.mp4") == "Trusted"
    titles = [read(tmp_path / name).get_active_manifest()["title"] for name in ("one.mp4", "two.mp4")]
    assert titles == ["one.mp4", "two.mp4"]


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A port that is held and refuses connections until it is closed; the settings name it as the timestamp server."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}"
        monkeypatch.setenv("REELWRIGHT_CREDENTIALS_TIMESTAMP_SERVER", address)
        yield held


@contextmanager
def opened(closed: socket.socket, folder: Path) -> Iterator[None]:
    """The timestamp server is up from here on."""
    port = closed.getsockname()[1]
    closed.close()
    with timestamp_server(folder, port):
        yield


def kept(ledger: RunLedger) -> Manifest:
    """Waits until a film that could not be signed is in its attempt's folder; its manifest."""
    until(lambda: ledger.film.manifest("film.mp4") is not None, "the film is kept")
    manifest = ledger.film.manifest("film.mp4")
    assert manifest is not None
    return manifest


def time_of(film: Path) -> object:
    """When a film was signed by the timestamp server."""
    return read(film).get_active_manifest()["signature_info"]["time"]


@pytest.mark.parametrize("store", ["a folder", "a remote store"])
def test_a_film_that_waits_for_its_timestamp_is_assembled_once(
    tmp_path: Path, closed: socket.socket, store: str
) -> None:
    """The film is kept while the server is down; when it is up, the same film is signed and delivered."""
    root = str(tmp_path / "ledger") if store == "a folder" else f"memory://{uuid4().hex}"
    film = tmp_path / "out.mp4"
    request = request_for(small_film(24), film)
    with pipeline_harness(root) as here:
        here.submit(request)
        manifest = kept(here.ledger(request.run))
        assert not film.exists()
        with opened(closed, tmp_path):
            assert here.wait(request).HasField("title_finished")
    # It has the seconds of the assembly.
    assert read_manifest(str(film)) == manifest
    assert state(film) == "Trusted"
    assert time_of(film)
    assert run(["verify", str(film)]) == 0


def test_a_kept_film_that_is_damaged_is_made_again(tmp_path: Path, closed: socket.socket) -> None:
    """A bit that flips while the film waits is not delivered."""
    film = tmp_path / "out.mp4"
    request = request_for(small_film(24), film)
    with pipeline_harness(str(tmp_path / "ledger")) as here:
        here.submit(request)
        manifest = kept(here.ledger(request.run))
        waiting = tmp_path / "ledger" / request.run / "film.mp4"
        content = waiting.read_bytes()
        waiting.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with opened(closed, tmp_path):
            assert here.wait(request).HasField("title_finished")
    assert sha256(film) == manifest.film_sha256
    assert time_of(film)


def test_a_copy_that_waits_for_its_timestamp_is_copied_once(
    tmp_path: Path, closed: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film for a second output is delivered although the first output is gone when the server is up."""
    first, second = (request_for(small_film(24), tmp_path / name) for name in ("one.mp4", "two.mp4"))
    root = str(tmp_path / "ledger")
    with monkeypatch.context() as unsigned:
        unsigned.delenv("REELWRIGHT_CREDENTIALS_TIMESTAMP_SERVER")
        with pipeline_harness(root) as here:
            here.submit(first)
            assert here.wait(first).HasField("title_finished")
    with pipeline_harness(root) as here:
        again = place_request(here.ledger(first.run), first, second)
        assert again is not None
        here.submit(second.model_copy(update={"attempt": again.attempt}))
        manifest = kept(again)
        (tmp_path / "one.mp4").unlink()
        with opened(closed, tmp_path):
            assert here.wait(second).HasField("title_finished")
    assert read_manifest(str(tmp_path / "two.mp4")) == manifest
    assert time_of(tmp_path / "two.mp4")


def test_credentials_never_replace_the_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A source with the name that the credentials would get is refused."""
    source = tmp_path / "out.c2pa"
    shutil.copyfile(small_film(24), source)
    assert restore(tmp_path / "out.mp4", source) == 2
    assert "out.c2pa: is the source itself" in capsys.readouterr().err
    assert source.read_bytes() == small_film(24).read_bytes()
