"""Signed Content Credentials of a film, as c2pa reads them again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import av
import pytest

from reelwright.cli.main import run
from reelwright.ledger.delivery import credentials_location
from reelwright.store.folder import Folder
from tests.support import clips
from tests.support.commands import manifest_of
from tests.support.films import real_film, small_film, small_network
from tests.support.optional import optional
from tests.support.signatures import assertion, authority, failures, read, signer
from tests.support.timestamps import timestamp_server

SUFFIXES = {"web": ".mp4", "prores": ".mov", "master": ".mkv"}


@cache
def restored(profile: str = "web", source: Path | None = None) -> Path:
    """A restored film, made once."""
    output = clips.clip_folder() / f"signed-{source.stem if source else 'small'}-{profile}" / f"film{SUFFIXES[profile]}"
    output.parent.mkdir()
    options = ["--set", f"model={small_network()}", "--profile", profile]
    assert run(["restore", str(source or small_film(24)), "-o", str(output), *options]) == 0
    return output


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A copy of a restored film, for one test alone."""
    for path in (restored(), Path(f"{restored()}.manifest.json")):
        shutil.copy(path, tmp_path)
    return tmp_path / restored().name


def sign(film: object, files: tuple[Path, Path] | None = None, *options: str) -> int:
    """Signs a film; the exit code."""
    optional("c2pa")
    chain, key = files or signer()
    return run(["sign", str(film), "--key", str(key), "--certificates", str(chain), *options])


@pytest.mark.parametrize("profile", sorted(SUFFIXES))
def test_a_signed_film_is_valid_and_a_changed_one_is_not(profile: str) -> None:
    """Only the authority is unknown; one other bit in a picture is detected; the film's bytes are the same."""
    path = restored(profile, real_film("chaplin") if profile == "web" else None)
    before = path.read_bytes()
    assert sign(path) == 0
    found = read(path)
    assert (found.get_validation_state(), failures(found)) == ("Valid", {"signingCredential.untrusted"})
    known = read(path, trusted=authority().certificate)
    assert (known.get_validation_state(), failures(known)) == ("Trusted", set())
    assert path.read_bytes() == before
    assert run(["verify", str(path)]) == 0
    with av.open(str(path)) as container:
        packet = next(packet for packet in container.demux(video=0) if packet.size)
        assert packet.pos is not None
    changed = bytearray(before)
    changed[packet.pos + packet.size // 2] ^= 1
    other = read(path, bytes(changed))
    assert other.get_validation_state() == "Invalid"
    assert failures(other) - {"signingCredential.untrusted"} <= {
        "assertion.bmffHash.mismatch",
        "assertion.dataHash.mismatch",
    }


def test_the_credentials_say_what_the_manifest_says() -> None:
    """An action for each step of the edit list, the film's certificate, and who signed."""
    assert sign(restored()) == 0
    found, manifest = read(restored()), manifest_of(restored())
    actions = assertion(found, "c2pa.actions.v2")["actions"]
    assert [each["description"].partition(":")[0] for each in actions[1:]] == [e["step"] for e in manifest["edits"]]
    assert assertion(found, "org.reelwright.certificate")["film_sha256"] == manifest["film_sha256"]
    assert found.get_active_manifest()["signature_info"]["common_name"] == "archive"


@pytest.mark.parametrize(
    ("name", "newkey", "algorithm"),
    [
        ("rsa", ("-newkey", "rsa:2048"), "Ps256"),
        ("ed25519", ("-newkey", "ed25519"), "Ed25519"),
        ("p384", ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"), "Es384"),
    ],
)
def test_the_key_decides_the_algorithm(name: str, newkey: tuple[str, ...], algorithm: str) -> None:
    """Each kind of key that C2PA knows signs a film."""
    assert sign(restored(), signer(name, "emailProtection", *newkey)) == 0
    found = read(restored(), trusted=authority().certificate)
    assert found.get_validation_state() == "Trusted"
    assert found.get_active_manifest()["signature_info"]["alg"] == algorithm


def test_a_key_in_the_old_form_signs(film: Path, tmp_path: Path) -> None:
    """As openssl's `ecparam` and `ec` write it."""
    chain, key = signer()
    old = tmp_path / "old.key"
    subprocess.run(["openssl", "ec", "-in", key, "-out", old], check=True, capture_output=True)
    assert old.read_text().startswith("-----BEGIN EC PRIVATE KEY")
    assert sign(film, (chain, old)) == 0
    assert read(film).get_validation_state() == "Valid"


def test_a_film_in_a_store_is_signed_there(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, certificates and film are named by the environment and an address; the credentials are put beside it."""
    optional("c2pa")
    folder = Folder("memory://signed")
    for path in film.parent.iterdir():
        folder.replace(path.name, path.read_bytes())
    chain, key = signer()
    monkeypatch.setenv("REELWRIGHT_CREDENTIALS_KEY", str(key))
    monkeypatch.setenv("REELWRIGHT_CREDENTIALS_CERTIFICATES", str(chain))
    assert run(["sign", "memory://signed/film.mp4"]) == 0
    found = folder.read("film.c2pa")
    assert found is not None
    Path(credentials_location(str(film))).write_bytes(found)
    assert read(film).get_validation_state() == "Valid"


def test_the_time_is_certified(film: Path, tmp_path: Path) -> None:
    """By the server that is named, in the signature."""
    with timestamp_server(tmp_path) as address:
        assert sign(film, None, "--timestamp-server", address) == 0
    found = read(film)
    assert found.get_validation_state() == "Valid"
    assert found.get_active_manifest()["signature_info"]["time"]


@pytest.mark.parametrize("server", ["http://127.0.0.1:9", "127.0.0.1:9", "https://me:secret@127.0.0.1:9"])
def test_without_its_timestamp_nothing_is_signed(film: Path, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that does not answer, or is no address, is named in one line, without a password."""
    assert sign(film, None, "--timestamp-server", server) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "127.0.0.1:9" in line
    assert "secret" not in line
    assert not Path(credentials_location(str(film))).exists()


def unusable(kind: str, folder: Path) -> tuple[Path, Path]:
    """A chain and a key of which one cannot be used."""
    (chain, key), other, root = signer(), folder / "other.pem", authority().certificate
    if kind == "password":
        command = ("openssl", "pkcs8", "-topk8", "-in", str(key), "-out", str(other), "-passout", "pass:secret")
        subprocess.run(command, check=True, capture_output=True)
    elif kind.startswith("bad"):
        other.write_text("-----BEGIN nothing")
    found = {
        "no chain": (other, key),
        "bad chain": (other, key),
        "foreign key": (chain, signer("another")[1]),
        "self-signed": (root, root.with_suffix(".key")),
        "usage": signer("server", "serverAuth"),
        "curve": signer("curve", "emailProtection", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
    }
    return found.get(kind, (chain, other))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("no key", "other.pem: cannot be read: No such file"),
        ("no chain", "other.pem: cannot be read: No such file"),
        ("bad key", "other.pem: not a private key in PEM without a password"),
        ("bad chain", "other.pem: no certificates in PEM"),
        ("password", "other.pem: not a private key in PEM without a password"),
        ("foreign key", "the key does not belong to the first certificate"),
        ("self-signed", "root.pem: not signed: Signature: the certificate was self-signed"),
        ("usage", "root-server.pem: not signed: Signature: the certificate is invalid"),
        ("curve", "root-curve.key: C2PA has no signatures of this kind of key"),
    ],
)
def test_what_cannot_sign_is_named(kind: str, said: str, film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line with exit code 2, and nothing is written."""
    assert sign(film, unusable(kind, film.parent)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not Path(credentials_location(str(film))).exists()


def test_only_the_film_of_the_manifest_is_signed(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A film that was changed since, or has no manifest, is refused."""
    film.write_bytes(film.read_bytes() + b"\0\0\0\x08free")
    assert sign(film) == 2
    assert "not the film that its manifest is of" in capsys.readouterr().err
    Path(f"{film}.manifest.json").unlink()
    assert sign(film) == 2
    assert "no such manifest" in capsys.readouterr().err


def test_a_film_with_a_redone_shot_wants_another_signature(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`redo` says that the credentials are of the former film; signed again, they are valid."""
    assert sign(film) == 0
    capsys.readouterr()
    assert run(["redo", str(film), "--shot", "1", "--set", "grain.keep=0"]) == 0
    assert "film.c2pa is of the former film" in capsys.readouterr().out
    assert read(film).get_validation_state() == "Invalid"
    assert sign(film) == 0
    assert read(film).get_validation_state() == "Valid"


def test_the_extra_is_asked_for(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the library one line says what to install."""
    chain, key = signer()
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert run(["sign", str(film), "--key", str(key), "--certificates", str(chain)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("signing is not installed; pip install 'reelwright[credentials]'")
