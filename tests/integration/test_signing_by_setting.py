"""Films that are signed when they are made, because the settings of the process name a key."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reelwright.cli.main import run
from reelwright.ledger.attempts import place_request
from reelwright.ledger.delivery import credentials_location
from tests.support.films import small_film, small_network
from tests.support.optional import optional
from tests.support.pipeline_harness import pipeline_harness, request_for
from tests.support.signatures import authority, read, signer


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


def test_credentials_never_replace_the_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A source with the name that the credentials would get is refused."""
    source = tmp_path / "out.c2pa"
    shutil.copyfile(small_film(24), source)
    assert restore(tmp_path / "out.mp4", source) == 2
    assert "out.c2pa: is the source itself" in capsys.readouterr().err
    assert source.read_bytes() == small_film(24).read_bytes()
