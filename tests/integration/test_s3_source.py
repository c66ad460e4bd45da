"""Sources in a store: read by ranges with the same result as from a disk, and not regarded as damaged when it fails."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from reelwright.cli.main import run
from reelwright.media.assemble import AssembledFilm
from reelwright.media.container import open_source
from reelwright.media.container_integrity import ContainerWalk
from reelwright.media.decode import VideoDecoder
from reelwright.media.fingerprint import source_fingerprint
from reelwright.media.formats import picture_of
from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.source_info import Bars, SourceInfo
from reelwright.media.stream_choice import video_stream
from reelwright.store.source import BlockCache, Source
from reelwright.titles.errors import InputError, UnavailableError
from reelwright.titles.recipe import Recipe
from scripts.servers.s3 import S3Server
from tests.support import clips
from tests.support.clipmaker import Film, write_film
from tests.support.clips import clip
from tests.support.films import small_film
from tests.support.stores import aws_environment, require_real_server, served_bytes
from tests.support.unrestored_films import make_unrestored_film

# One clip for each container that stores the film's bytes in another way.
CONTAINERS = (
    "bframes_mp4",
    "bframes_mkv",
    "bframes_ts",
    "mpeg2_ps",
    "mpeg4_avi",
    "vp9_webm",
    "yuv422p10_prores",
    "ffv1",
)
_MIB = 1 << 20


@pytest.fixture
def store(s3: S3Server) -> Iterator[S3Server]:
    """The server, which this process uses."""
    with aws_environment(s3.env):
        yield s3


def put(store: S3Server, path: Path, name: str = "") -> str:
    """Uploads a file under a new name, and returns its location."""
    key = f"sources/{uuid4().hex}/{name or path.name}"
    store.client().put_object(Bucket=store.bucket, Key=key, Body=path.read_bytes())
    return f"s3://{store.bucket}/{key}"


def digests(info: SourceInfo, **recipe: str) -> list[tuple[int, str, bool]]:
    """PTS, digest and whether it stands in for another, of every frame."""
    frames = FrameReader(info, Recipe.model_validate(recipe))
    return [(frame.record.pts, frame.picture.digest(), frame.record.concealed) for frame in frames]


def noise(path: Path, frames: int, **film: Any) -> Path:
    """A film that no codec makes small."""
    random = np.random.default_rng(7)
    shapes = ((120, 160), (60, 80), (60, 80))

    def picture() -> Picture:
        return Picture("yuv420p", 160, 120, tuple(random.integers(0, 256, shape, np.uint8) for shape in shapes))

    write_film(path, Film([(clips.F(i, 25), picture()) for i in range(frames)], **film))
    return path


def large(path: Path) -> Path:
    """A film of 6 MiB, which is more than is fetched ahead."""
    return noise(path, 200, codec="ffv1", audio="aac")


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_film_is_the_same_from_a_store(store: S3Server, name: str) -> None:
    """Probe, fingerprint and every frame are equal to those of the file on a disk."""
    location = put(store, clip(name), "Le réel #1 100%.film")
    local, remote = probe(str(clip(name))), probe(location)
    assert remote == local.model_copy(update={"location": location})
    assert source_fingerprint(location) == source_fingerprint(str(clip(name)))
    assert digests(remote) == digests(local)


def timed_streams(film: AssembledFilm) -> dict[int, tuple[object, ...]]:
    """The properties of each stream with times, in a form that compares equal."""
    return {
        index: (stream.kind, stream.times.digest(), dict(stream.tags), stream.dispositions)
        for index, stream in film.timed_streams.items()
    }


def test_a_film_takes_its_sound_and_subtitles_from_the_store(store: S3Server, tmp_path: Path) -> None:
    """A film made from a source in a store is byte-identical to one made from the local file, with all its streams."""
    films = []
    for place in ("local", "store"):
        (tmp_path / place).mkdir()
        path = clip("streams_mkv")
        films.append(make_unrestored_film(path if place == "local" else put(store, path), "web", tmp_path / place))
    assert films[1].path.read_bytes() == films[0].path.read_bytes()
    local, remote = (film.result for film in films)
    assert replace(remote, timed_streams={}) == replace(local, timed_streams={})
    assert timed_streams(remote) == timed_streams(local)


def test_probe_and_fingerprint_read_little(store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe reads headers and a fingerprint reads samples, for any length of the film; nothing is written to disk."""
    long = tmp_path / "long.mp4"
    shutil.copy(clip("rate_25"), long)
    with long.open("ab") as file:
        box = 160 * _MIB
        file.write(box.to_bytes(4, "big") + b"free")
        file.truncate(clip("rate_25").stat().st_size + box)
    location, scratch = put(store, long), tmp_path / "scratch"
    # A temporary folder of its own: other processes use the system's at the same time.
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = served_bytes(store)
    probe(location)
    probed = served_bytes(store)
    assert probed - before < 4 * _MIB
    source_fingerprint(location)
    # 24 MiB of samples, each up to two blocks; a film of any length costs that.
    assert served_bytes(store) - probed < 48 * _MIB
    assert list(scratch.iterdir()) == []


def test_a_film_is_fetched_once(store: S3Server, tmp_path: Path) -> None:
    """Decoding reads every byte about once, although two readers use the file."""
    require_real_server(store)
    path = large(tmp_path / "noise.mkv")
    info = probe(put(store, path))
    before = served_bytes(store)
    assert len(digests(info)) == 200
    assert path.stat().st_size <= served_bytes(store) - before < 1.3 * path.stat().st_size


def test_a_film_that_changes_while_it_is_read_is_detected(store: S3Server, tmp_path: Path) -> None:
    """Two versions of a file are never mixed: reading the second one raises InputError."""
    path = large(tmp_path / "noise.mkv")
    location = put(store, path)
    frames = iter(FrameReader(probe(location), Recipe(on_damage="conceal")))
    next(frames)
    client, key = store.client(), location.removeprefix(f"s3://{store.bucket}/")
    client.put_object(Bucket=store.bucket, Key=key, Body=path.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"noise\.mkv: the source changed while it was read"):
        list(frames)


def test_a_film_that_is_removed_while_it_is_read_is_named(store: S3Server, tmp_path: Path) -> None:
    """A source that is removed while it is read raises InputError."""
    location = put(store, large(tmp_path / "noise.mkv"))
    frames = iter(FrameReader(probe(location), Recipe(on_damage="conceal")))
    next(frames)
    store.client().delete_object(Bucket=store.bucket, Key=location.removeprefix(f"s3://{store.bucket}/"))
    with pytest.raises(InputError, match=r"noise\.mkv: the source was removed while it was read"):
        list(frames)


def test_a_store_that_dies_is_not_damage(store: S3Server, tmp_path: Path) -> None:
    """Frames are correct until the store dies, then UnavailableError is raised; afterwards all frames are read."""
    require_real_server(store)
    path = large(tmp_path / "noise.mkv")
    info = probe(put(store, path))
    whole = digests(info.model_copy(update={"location": str(path)}))
    read = []

    def follow() -> None:
        for frame in FrameReader(info, Recipe(on_damage="conceal")):
            read.append((frame.record.pts, frame.picture.digest(), frame.record.concealed))
            if len(read) == 5:
                store.kill()

    try:
        with pytest.raises(UnavailableError, match="the store does not answer"):
            follow()
    finally:
        store.start()
    assert 5 <= len(read) < len(whole)
    assert read == whole[: len(read)]
    assert digests(info, on_damage="conceal") == whole


def test_a_restart_of_the_store_is_retried(store: S3Server, tmp_path: Path) -> None:
    """A restart of the server while a film is read costs time and no frame."""
    require_real_server(store)
    path = large(tmp_path / "noise.mkv")
    info = probe(put(store, path))
    read = []
    for frame in FrameReader(info, Recipe()):
        read.append((frame.record.pts, frame.picture.digest(), frame.record.concealed))
        if len(read) == 5:
            store.kill()
            store.start()
    assert read == digests(info.model_copy(update={"location": str(path)}))


# By container, each of which libavformat reads in another way.
_NOISY: dict[str, dict[str, Any]] = {
    "mp4": {"codec": "libx264", "audio": "aac"},
    "mkv": {"codec": "libx264", "audio": "aac"},
    "webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "ts": {"codec": "libx264", "audio": "mp2"},
    "mpg": {"codec": "mpeg2video", "options": {"b": "4M"}},
    "avi": {"codec": "mpeg4", "options": {"b": "4M"}, "audio": "mp2"},
}


@pytest.mark.parametrize("container", _NOISY)
def test_no_container_regards_a_failing_store_as_its_end(container: str, tmp_path: Path) -> None:
    """Wherever reading fails, decoding raises that error, and every frame before it is correct."""
    data = noise(tmp_path / f"noise.{container}", 100, **_NOISY[container]).read_bytes()
    supply = Supply(data)
    whole = list(_decoded(supply, conceal=True))
    assert len(whole) == 100
    some = 0
    for part, conceal in product((0.2, 0.4, 0.6, 0.7, 0.8, 0.9), (True, False)):
        read: list[tuple[str, bool]] = []
        with pytest.raises(UnavailableError, match="store stopped"):
            read.extend(_decoded(Supply(data, int(part * supply.given)), conceal=conceal))
        assert read == whole[: len(read)]
        some += 0 < len(read) < len(whole)
    assert some, "every failure came before the first frame"


class Supply:
    """Returns a file's bytes until `most` were read, then raises UnavailableError; counts them."""

    def __init__(self, data: bytes, most: int | None = None) -> None:
        self.size, self.given, self._data, self._most = len(data), 0, data, most

    def __call__(self, start: int, end: int) -> bytes:
        self.given += end - start
        if self._most is not None and self.given > self._most:
            raise UnavailableError("store stopped")
        return self._data[start:end]


def _decoded(supply: Supply, *, conceal: bool) -> Iterator[tuple[str, bool]]:
    """Digest of each frame, and whether it conceals one that did not decode."""
    handle: io.BufferedReader = io.BufferedReader(Source(BlockCache(supply, supply.size, 2048), "film"))
    with open_source("film", handle) as container:
        stream = video_stream(container, "film")
        for raw in VideoDecoder(container, stream, "film", conceal=conceal, walk=ContainerWalk(handle)):
            yield picture_of(raw.frame, Bars()).digest(), raw.record.concealed


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("s3://films/none.mp4", "no such file"),
        ("s3://films/sources", "a folder, not a film"),
        ("s3://films/empty.mp4", "the file is empty"),
        ("s3://films/notes.mp4", "a text file, not a film"),
        ("s3://no-such-bucket/film.mp4", "no such bucket"),
        ("s3://Not a bucket/film.mp4", "that is not a valid bucket name"),
        ("https://example.org/film.mp4", "https:// addresses are not supported"),
        ("ftp://example.org/film.mp4", "ftp:// addresses are not supported"),
    ],
)
def test_a_wrong_source_is_one_line(store: S3Server, location: str, words: str) -> None:
    """The error for each kind of wrong source names the kind and the address."""
    put(store, clip("short"))
    client = store.client()
    client.put_object(Bucket="films", Key="empty.mp4", Body=b"")
    client.put_object(Bucket="films", Key="notes.mp4", Body=b"notes about a film\n" * 100)
    with pytest.raises(InputError) as caught:
        probe(location)
    assert words in str(caught.value)
    assert str(caught.value).startswith(location)


def test_a_source_that_may_not_be_read_is_named(store: S3Server) -> None:
    """A source without read permission raises a permanent error."""
    require_real_server(store)
    location = put(store, clip("short"))
    with aws_environment(store.add_user(f"other{uuid4().hex[:8]}")), pytest.raises(InputError) as caught:
        source_fingerprint(location)
    assert str(caught.value).startswith(f"{location}: the store does not allow it")


def test_a_film_in_a_store_is_verified_there(
    store: S3Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A film in a store is verified with the manifest next to it, and a changed byte is found."""
    film = tmp_path / "film.mkv"
    assert run(["restore", str(small_film(30)), "-o", str(film), "--profile", "master"]) == 0
    location = put(store, film)
    key = location.removeprefix(f"s3://{store.bucket}/")
    manifest = film.with_name("film.mkv.manifest.json").read_bytes()
    store.client().put_object(Bucket=store.bucket, Key=f"{key}.manifest.json", Body=manifest)
    capfd.readouterr()
    assert run(["verify", location]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == f"{location}: verified"
    data = bytearray(film.read_bytes())
    data[len(data) // 2] ^= 1
    store.client().put_object(Bucket=store.bucket, Key=key, Body=bytes(data))
    assert run(["verify", location]) == 1
    assert "FAIL checksum" in capfd.readouterr().out
