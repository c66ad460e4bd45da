"""The store without a server: locations, reading by ranges, local folders, and names of payloads."""

from __future__ import annotations

import errno
import io
import os
import re
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from reelwright.bus.claim_check import ClaimCheck
from reelwright.store.folder import Folder
from reelwright.store.location import open_location
from reelwright.store.settings import StoreSettings
from reelwright.store.source import BlockCache, Source, open_ranged
from reelwright.titles.errors import CorruptPayload, InputError, OutputError, UnavailableError
from reelwright.wire.frames_pb2 import Payload

SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize("kind", [InputError, OutputError])
@pytest.mark.parametrize(
    "location",
    [
        f"s3://AKIAIOSFODNN7EXAMPLE:{SECRET}@films/ledger",
        f"https://someone:{SECRET}@example.org/film.mp4",
        f"ftp://{SECRET}@example.org/film.mp4",
    ],
)
def test_an_address_with_credentials_is_refused_without_repeating_them(
    location: str, kind: type[InputError | OutputError]
) -> None:
    """An address with keys is rejected, because addresses are written into messages, logs and manifests."""
    with pytest.raises(kind) as caught:
        open_location(location, kind)
    assert SECRET not in str(caught.value)
    assert "example.org" in str(caught.value) or "AWS_*" in str(caught.value)


@pytest.mark.parametrize(
    "location",
    ["https://example.org/a", "gs://bucket/a", "filecache::s3://bucket/a", "zip://a", "s3://", "s3:///a", "s3://a b/c"],
)
def test_only_known_stores_are_opened(location: str) -> None:
    """A protocol that only fsspec supports is rejected with one line."""
    with pytest.raises(OutputError) as caught:
        Folder(location)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["localhost:9000", "http://", "ftp://store", f"https://me:{SECRET}@store", "a b"])
def test_an_invalid_endpoint_is_named(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """An address that no server can have is an error that names the variable."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(OutputError, match="AWS_ENDPOINT_URL is not the address of a server") as caught:
        Folder("s3://films/ledger")
    assert SECRET not in str(caught.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://[::1]:9000/path")
    Folder("s3://films/ledger")


def test_local_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path may be relative, contain characters that are special in URLs, or be a file URL, and leads to one file."""
    monkeypatch.chdir(tmp_path)
    folders = [Folder("a #1?%20"), Folder(f"{tmp_path}/a #1?%20"), Folder(f"file://{tmp_path}/a #1?%20")]
    monkeypatch.chdir("/")
    folders[0].replace("x", b"1")
    assert [folder.read("x") for folder in folders] == [b"1"] * 3
    assert {folder.address("x") for folder in folders} == {str(tmp_path / "a #1?%20" / "x")}


def test_settings_need_a_valid_location(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger's root is required, and one that cannot be opened is rejected when settings are read."""
    monkeypatch.delenv("REELWRIGHT_STORE_LEDGER", raising=False)
    with pytest.raises(ValidationError):
        StoreSettings()
    monkeypatch.setenv("REELWRIGHT_STORE_LEDGER", "")
    with pytest.raises(ValidationError):
        StoreSettings()
    monkeypatch.setenv("REELWRIGHT_STORE_LEDGER", "https://example.org/ledger")
    with pytest.raises(OutputError, match="give a path or an s3:// address"):
        StoreSettings()
    monkeypatch.setenv("REELWRIGHT_STORE_LEDGER", "s3://films/ledger")
    assert StoreSettings().ledger == "s3://films/ledger"


reads = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 1500)), max_size=30)


@given(size=st.integers(0, 4000), reads=reads, unit=st.integers(1, 300))
@settings(max_examples=200, deadline=None)
def test_reading_by_ranges_is_reading_the_file(size: int, reads: list[tuple[int, int]], unit: int) -> None:
    """Any reads at any positions return the file's bytes; no request is large or goes beyond the end."""
    data = os.urandom(size)
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        asked.append((start, end))
        return data[start:end]

    source = Source(BlockCache(fetch, size, unit), "film")
    for start, length in reads:
        assert source.seek(start) == start
        assert source.read(length) == data[start : start + length]
        assert source.tell() == start + len(data[start : start + length])
    assert all(0 <= start < end <= size and end - start <= 16 * unit for start, end in asked)


def test_sequential_reading_needs_few_requests_and_little_memory() -> None:
    """Reading a long film sequentially needs few requests, fetches each byte once and caches few blocks."""
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        asked.append((start, end))
        return bytes(end - start)

    blocks = BlockCache(fetch, 4_000_000, 1000)
    first, second = Source(blocks, "film"), Source(blocks, "film").reopen()
    for _ in range(4000):
        assert len(first.read(1000)) == len(second.read(1000)) == 1000
    assert first.read(1) == b""
    assert sum(end - start for start, end in asked) == 4_000_000
    assert len(asked) < 4000 / 16 + 10
    assert blocks.cached_bytes <= 64 * 1000


def test_two_sequences_in_turn_are_both_read_ahead() -> None:
    """Picture and sound that are stored far apart do not disturb each other's read-ahead."""
    asked: list[int] = []

    def fetch(start: int, end: int) -> bytes:
        asked.append(start)
        return bytes(end - start)

    source = Source(BlockCache(fetch, 2_000_000, 1000), "film")
    for step in range(1000):
        for start in (0, 1_000_000):
            source.seek(start + step * 1000)
            source.read(1000)
    assert len(asked) < 2 * (1000 / 16 + 10)


def test_a_source_seeks_as_a_file_does() -> None:
    """Seeks relative to start, position and end work; a position before the start raises ValueError."""
    source = io.BufferedReader(Source(BlockCache(lambda start, end: b"0123456789"[start:end], 10), "film"))
    assert source.seek(-3, io.SEEK_END) == 7
    assert source.read() == b"789"
    assert source.seek(2) == 2
    assert source.seek(2, io.SEEK_CUR) == 4
    assert source.read(1) == b"4"
    assert source.seek(100) == 100
    assert source.read(5) == b""
    with pytest.raises(ValueError, match="negative position -1"):
        source.seek(-11, io.SEEK_END)


def test_a_source_that_shrinks_is_detected() -> None:
    """Fewer bytes than the file had when it was opened are reported as a change, not as its end."""
    location = f"memory://{uuid4().hex}/film"
    folder = Folder(location.rpartition("/")[0])
    folder.replace("film", bytes(1000))
    source = open_ranged(open_location(location))
    folder.replace("film", bytes(999))
    with pytest.raises(InputError, match="the source changed while it was read"):
        source.read()


def test_a_copy_that_does_not_fit_names_the_disk(tmp_path: Path) -> None:
    """An error of a full scratch folder names the folder, and not the store."""
    folder = Folder(f"memory://{uuid4().hex}")
    folder.replace("film", bytes(1 << 20))
    (tmp_path / "film").symlink_to("/dev/full")
    with pytest.raises(UnavailableError) as caught:
        folder.download("film", tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'film'}: no space left")


def test_a_film_is_copied_to_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be renamed to another file system is copied, and no temporary file is left."""
    real = Path.replace

    def replace(path: Path, target: Path) -> Path:
        if path.parent != target.parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    source, target = Folder(str(tmp_path / "a")), Folder(str(tmp_path / "b"))
    source.replace("film", b"whole")
    assert source.transfer("film", target, "film.mkv")
    assert target.read("film.mkv") == b"whole"
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["film.mkv"]


def test_a_folder_removed_during_a_write_is_created_again(tmp_path: Path) -> None:
    """A folder that another process removes before the write is created again."""
    folder = Folder(str(tmp_path))
    mkdir = Path.mkdir
    cleared: list[Path] = []

    def made_and_gone(path: Path, *options: object, **more: object) -> None:
        mkdir(path, *options, **more)  # type: ignore[arg-type]
        if path.name == "deep" and not cleared:
            cleared.append(path)
            path.rmdir()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", made_and_gone)
        folder.replace("deep/x", b"1")
    assert cleared
    assert folder.read("deep/x") == b"1"


def test_only_matching_files_are_removed(tmp_path: Path) -> None:
    """Only files directly in the folder whose whole name matches are removed, and a folder left empty."""
    folder = Folder(str(tmp_path / "run"))
    for name in ("1.json", "1.json.txt", "plan/1.json", "2.json/deep"):
        folder.replace(name, b"")
    folder.remove_matching("", (re.compile(r"[0-9]\.json"),))
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"run/1.json.txt", "run/plan/1.json", "run/2.json/deep"}
    folder.remove_matching("plan", (re.compile(r"[0-9]\.json"),))
    folder.remove_matching("missing", (re.compile(r".*"),))
    assert not (tmp_path / "run" / "plan").exists()


def test_without_a_store_every_payload_stays_in_its_message() -> None:
    """Without a store no payload is stored, however large, and loading a reference raises InputError."""
    claims = ClaimCheck(None, 0)
    payload = Payload(inline=bytes(1000), digest=bytes(32))
    assert claims.store_if_large(payload, "run", 0) == payload
    assert claims.load(payload, "run", 0) == payload.inline
    claims.delete_payloads("run")
    with pytest.raises(InputError, match="set REELWRIGHT_STORE_LEDGER"):
        claims.load(Payload(reference=f"run/payloads/000000/{'0' * 64}", digest=bytes(32)), "run", 0)


@pytest.mark.parametrize(
    "name",
    [
        "../secrets",
        "/etc/passwd",
        "run/title.json",
        f"../payloads/000000/{'0' * 64}",
        f"other/payloads/000000/{'0' * 64}",
        f"run/payloads/000001/{'0' * 64}",
        f"run/payloads/000000/{'1' * 64}",
        f"r/payloads/0/{'0' * 64}/../x",
        "",
    ],
)
def test_a_message_cannot_name_another_file(tmp_path: Path, name: str) -> None:
    """A reference to anything but the payload of the message's own run, segment and digest is rejected."""
    with pytest.raises(CorruptPayload, match="not the reference of this payload"):
        ClaimCheck(str(tmp_path), 0).load(Payload(reference=name, digest=bytes(32)), "run", 0)
