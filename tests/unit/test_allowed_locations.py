"""Services read sources and write films in allowed locations alone."""

from __future__ import annotations

import queue
import threading
from functools import partial
from pathlib import Path

import pytest

from reelwright.bus.events import EventListener
from reelwright.bus.local.bus import LocalBus
from reelwright.client.submission import submit
from reelwright.encoder.film_assembler import FilmAssembler
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.run_ledger import RunLedger
from reelwright.store.allowed_locations import UNRESTRICTED, AllowedLocations
from reelwright.store.settings import StoreSettings
from reelwright.titles.errors import InputError, OutputError, UserError
from reelwright.wire.titles_pb2 import Event
from tests.support.dispatch_harness import TIMEOUT_SECONDS
from tests.support.ledgers import RUN, planned, put_run, request_of, title_of


def test_without_a_setting_only_the_ledgers_own_store_is_allowed(tmp_path: Path) -> None:
    """A ledger in a bucket allows that bucket, and a local one the folder that its folder is in."""
    allowed = StoreSettings(ledger="s3://films/deep/ledger/").allowed_locations
    allowed.check_source("s3://films/film.mp4")
    allowed.check_output("s3://films/restored/film.mp4")
    for other in ("s3://films2/film.mp4", "s3://other/films/film.mp4", "/films/film.mp4"):
        with pytest.raises(
            InputError, match=r"not in an allowed location for sources \(s3://films\).*REELWRIGHT_STORE_SOURCES"
        ):
            allowed.check_source(other)
        with pytest.raises(
            OutputError, match=r"not in an allowed location for films \(s3://films\).*REELWRIGHT_STORE_OUTPUTS"
        ):
            allowed.check_output(other)
    local = StoreSettings(ledger=str(tmp_path / "ledger")).allowed_locations
    local.check_source(str(tmp_path / "film.mp4"))
    with pytest.raises(InputError, match="not in an allowed location for sources"):
        local.check_source("/etc/passwd")


@pytest.mark.parametrize(
    ("ledger", "reason"),
    [
        ("/ledger", "directly below /"),
        ("/", "directly below /"),
        ("link/ledger", "directly below /"),
        ("s3://films/", "a whole bucket"),
        ("memory://films", "a whole bucket"),
    ],
)
def test_a_ledger_without_a_store_around_it_needs_settings(ledger: str, reason: str, tmp_path: Path) -> None:
    """A ledger whose own store would allow everything, or nothing, is refused unless locations are set."""
    (tmp_path / "link").symlink_to("/")
    location = ledger.replace("link", f"{tmp_path}/link")
    for sources, outputs in (("", ""), ("/films", ""), ("", "/films")):
        with pytest.raises(UserError, match=rf"{reason}.*set REELWRIGHT_STORE_SOURCES and REELWRIGHT_STORE_OUTPUTS"):
            _ = StoreSettings(ledger=location, sources=sources, outputs=outputs).allowed_locations
    allowed = StoreSettings(ledger=location, sources="/films", outputs="/films").allowed_locations
    with pytest.raises(InputError, match="not in an allowed location"):
        allowed.check_source("/etc/passwd")


def test_settings_name_locations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders and buckets are separated by commas, and replace the ledger's own store."""
    monkeypatch.setenv("REELWRIGHT_STORE_LEDGER", "s3://films/ledger")
    monkeypatch.setenv("REELWRIGHT_STORE_SOURCES", "s3://scans/2024, /mnt/scans/")
    allowed = StoreSettings().allowed_locations
    for source in ("s3://scans/2024/a.mov", "/mnt/scans/a.mov"):
        allowed.check_source(source)
    for source in ("s3://scans/2025/a.mov", "s3://scans/2024x/a.mov", "/mnt/scans2/a.mov", "s3://films/a.mov"):
        with pytest.raises(InputError, match="not in an allowed location for sources"):
            allowed.check_source(source)
    allowed.check_output("s3://films/a.mp4")
    monkeypatch.setenv("REELWRIGHT_STORE_OUTPUTS", "https://example.org")
    with pytest.raises(UserError, match="not supported"):
        StoreSettings()


def test_no_link_leads_out_of_an_allowed_location(tmp_path: Path) -> None:
    """A link in an allowed folder to something outside of it, and `..`, are refused; a link to the folder is not."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "film.mp4").write_bytes(b"film")
    (inside / "link.mp4").symlink_to(outside / "film.mp4")
    (inside / "folder").symlink_to(outside)
    (tmp_path / "alias").symlink_to(inside)
    allowed = AllowedLocations([str(inside)], [str(tmp_path / "alias")])
    for name in ("inside/film.mp4", "alias/film.mp4", "outside/../inside/film.mp4"):
        allowed.check_source(f"{tmp_path}/{name}")
        allowed.check_output(f"{tmp_path}/{name}")
    for name in ("inside/link.mp4", "inside/folder/film.mp4", "inside/../outside/film.mp4", "inside/folder/new.mp4"):
        with pytest.raises(InputError, match="not in an allowed location"):
            allowed.check_source(f"{tmp_path}/{name}")
        with pytest.raises(OutputError, match="not in an allowed location"):
            allowed.check_output(f"{tmp_path}/{name}")


def test_one_process_is_not_restricted() -> None:
    """A person who restores a film here reads and writes wherever the person may."""
    UNRESTRICTED.check_source("/anywhere/film.mp4")
    UNRESTRICTED.check_output("s3://anywhere/film.mp4")


@pytest.mark.parametrize(("field", "kind"), [("source", InputError), ("output", OutputError)])
def test_a_submission_from_elsewhere_is_refused(tmp_path: Path, field: str, kind: type[UserError]) -> None:
    """A submission whose source or output is in no allowed location is refused in one line and leaves nothing."""
    allowed = AllowedLocations([str(tmp_path)], [str(tmp_path)])
    locations = {"source": str(tmp_path / "in.mp4"), "output": str(tmp_path / "out.mp4"), field: "/elsewhere/film.mp4"}
    bus, root = LocalBus(), tmp_path / "ledger"
    with pytest.raises(kind, match=r"^/elsewhere/film\.mp4: not in an allowed location"):
        submit(request_of(**locations), RunLedger(str(root), RUN, allowed=allowed), bus)
    assert not root.exists()


def test_an_encoder_writes_no_film_elsewhere(tmp_path: Path) -> None:
    """An encoder refuses a run whose output is in no allowed location, whatever was submitted, and the title fails."""
    put_run(RunLedger(str(tmp_path / "ledger"), RUN), tmp_path, title_of(str(tmp_path / "a.mp4")), planned([4]))
    bus, allowed = LocalBus(), AllowedLocations([str(tmp_path)], [str(tmp_path / "films")])
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    listener = EventListener(bus, events.put)
    root = str(tmp_path / "ledger")
    assembler = FilmAssembler(bus, partial(RunLedger, root, allowed=allowed), EncoderSettings(), CrashGuard(0))
    assembler.assemble_when_complete(RUN, 1)
    failed = events.get(timeout=TIMEOUT_SECONDS).title_failed
    assembler.close()
    listener.close()
    bus.close()
    assert (failed.exit_code, failed.error) == (2, "OutputError")
    assert failed.reason.startswith("film.mp4: not in an allowed location for films")


def test_two_submissions_for_one_output_at_once(tmp_path: Path) -> None:
    """Of two runs that are submitted for one output at the same moment one is refused, and leaves no request."""
    bus, start, results = LocalBus(), threading.Barrier(2), queue.SimpleQueue[bool]()
    ledgers = [RunLedger(str(tmp_path / "ledger"), run) for run in (RUN, RUN[::-1])]

    def compete(ledger: RunLedger) -> None:
        request = request_of(run=ledger.run, output=str(tmp_path / "out.mp4"))
        start.wait(TIMEOUT_SECONDS)
        try:
            results.put(submit(request, ledger, bus))
        except OutputError as error:
            results.put("is under way for this output" not in str(error))

    threads = [threading.Thread(target=compete, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted([results.get(), results.get()]) == [False, True]
    assert sum(ledger.request() is not None for ledger in ledgers) == 1
