"""A location has one canonical form, and one file is recognised under all of its names."""

from __future__ import annotations

import shlex
from pathlib import Path
from uuid import uuid4

import pytest

from reelwright.ledger.delivery import check_destination
from reelwright.store.folder import parent_folder
from reelwright.store.location import open_location, same_object, shell_argument
from reelwright.titles.errors import OutputError
from tests.support.ledgers import request_of


def address(location: str) -> str:
    place = open_location(location)
    return place.address(place.path)


def test_a_location_has_one_form(tmp_path: Path) -> None:
    """Slashes at the end, `.`, `..` and doubled slashes of local paths, and a protocol's letter case, do not stay."""
    for written in ("film.mp4", "./film.mp4", "a/../film.mp4", "film.mp4/", ".//film.mp4"):
        assert address(f"{tmp_path}/{written}") == f"{tmp_path}/film.mp4"
    assert address(f"FILE://{tmp_path}/film.mp4") == f"{tmp_path}/film.mp4"
    assert address("S3://films/film.mp4/") == "s3://films/film.mp4"
    assert address("memory://films//") == "memory://films"


def test_two_dots_after_a_link_lead_where_the_file_system_leads(tmp_path: Path) -> None:
    """`link/..` is the folder that holds the link's target, not the one that holds the link."""
    (tmp_path / "deep" / "folder").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "folder")
    assert address(f"{tmp_path}/link/../film.mp4") == f"{tmp_path}/deep/film.mp4"


@pytest.mark.parametrize(
    "location",
    ["s3://films/a//film.mp4", "s3://films/a/../film.mp4", "s3://films/./film.mp4", "s3://films//film.mp4"],
)
def test_an_object_has_no_other_names(location: str) -> None:
    """An address that a server might take for another one is refused in one line."""
    with pytest.raises(OutputError, match="the address has an empty part"):
        open_location(location)


def test_a_version_of_an_object_is_no_location() -> None:
    """s3fs cuts `?versionId=` off, so an address with it would be another name of the object."""
    with pytest.raises(OutputError, match="names a version"):
        open_location("s3://films/film.mp4?versionId=1.mp4")


def test_a_nul_character_is_refused() -> None:
    """A name that no file system can hold is refused in one line."""
    with pytest.raises(OutputError, match="NUL"):
        open_location("film\0.mp4")


def test_local_files_are_compared_as_the_file_system_knows_them(tmp_path: Path) -> None:
    """Links and other names of one file are the same object; another name that the file system holds apart is not."""
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    (tmp_path / "hard.mp4").hardlink_to(film)
    (tmp_path / "soft.mp4").symlink_to(film)
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "new.mp4")
    (tmp_path / "folder").symlink_to(tmp_path)
    for name in ("film.mp4/", "hard.mp4", "soft.mp4", "folder/film.mp4"):
        assert same_object(str(film), f"{tmp_path}/{name}"), name
    for name in ("new.mp4", "film2.mp4", "film%2emp4"):
        assert not same_object(str(film), f"{tmp_path}/{name}"), name
    assert same_object(str(tmp_path / "new.mp4"), str(tmp_path / "dangling.mp4"))
    # Only the file system says whether letter case distinguishes two files.
    shouted = tmp_path / "FILM.MP4"
    assert same_object(str(film), str(shouted)) == shouted.exists()


def test_objects_are_compared_by_their_keys() -> None:
    """One key is one object, other letter case or percent encoding is another one unless the store shows one object."""
    bucket = f"memory://{uuid4().hex}"
    for name in ("film.mp4", "FILM.mp4", "film%2Emp4"):
        folder, file = parent_folder(f"{bucket}/{name}")
        folder.replace(file, name.encode())
    assert same_object(f"{bucket}/film.mp4", f"{bucket}/film.mp4/")
    for other in ("FILM.mp4", "film%2Emp4", "Film.mp4", "other.mp4"):
        assert not same_object(f"{bucket}/film.mp4", f"{bucket}/{other}")
    assert not same_object("s3://films/film.mp4", "/films/film.mp4")
    assert not same_object("s3://films/film.mp4", "s3://other/film.mp4")


def test_a_server_that_knows_one_object_by_two_names_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store shows one object for two spellings, they are the same object."""
    fs = open_location("memory://films").fs
    monkeypatch.setattr(type(fs), "info", lambda *_: {"ETag": "e", "size": 1, "LastModified": 2, "type": "file"})
    assert same_object("memory://films/film.mp4", "memory://films/FILM%2emp4")
    assert not same_object("memory://films/film.mp4", "memory://films/film2.mp4")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("memory://films/film.mp4/", "writes .mp4 files"),
        ("memory://films/film.mp4", "is the source itself"),
        ("MEMORY://films/film.mp4", "is the source itself"),
        ("memory://films/script.py", "writes .mp4 files"),
        ("memory://films/ledger/0123/film.mp4", "is inside the ledger"),
        ("memory://films/ledger.mp4", ""),
        ("memory://films/restored/film.mp4", ""),
    ],
)
def test_a_film_is_not_written_everywhere(output: str, reason: str) -> None:
    """A request whose output is the source, is not named like the profile's files or is in the ledger is refused."""
    request = request_of(source="memory://films/film.mp4", output=output)
    if not reason:
        check_destination(request, "memory://films/ledger/")
        return
    with pytest.raises(OutputError, match=reason):
        check_destination(request, "memory://films/ledger/")


@pytest.mark.parametrize("companion", [".manifest.json", ".report.html"])
def test_no_file_beside_a_film_replaces_the_source(companion: str) -> None:
    """An output whose manifest or report would replace the source is refused."""
    request = request_of(source=f"memory://films/film.mp4{companion}", output="memory://films/film.mp4")
    with pytest.raises(OutputError, match="is the source itself"):
        check_destination(request, "memory://films/ledger")


def test_the_ledger_is_known_under_every_name(tmp_path: Path) -> None:
    """A local output inside the ledger is refused through links, too."""
    (tmp_path / "ledger").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "ledger")
    for output in ("ledger/film.mp4", "link/film.mp4", "link/new/film.mp4"):
        with pytest.raises(OutputError, match="is inside the ledger"):
            check_destination(request_of(output=f"{tmp_path}/{output}"), str(tmp_path / "ledger"))
    check_destination(request_of(output=f"{tmp_path}/film.mp4"), str(tmp_path / "ledger"))


@pytest.mark.parametrize("name", ["film.mp4", "-dash.mp4", "my film.mp4", "it's $HOME.mp4", "s3://films/a b.mp4"])
def test_a_location_in_a_printed_command_is_one_argument(name: str) -> None:
    """A shell gives back the location, and no option: a path that begins with a hyphen is one of the folder."""
    (found,) = shlex.split(shell_argument(name))
    assert found.removeprefix("./") == name
    assert not found.startswith("-")
