"""`status` shows a ledger with many runs in pages and by filters; `runs` makes its index and removes what is old."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reelwright.bus.claim_check import ClaimCheck
from reelwright.cli.main import run
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_index import RunIndex
from reelwright.ledger.run_ledger import RunLedger
from reelwright.store.folder import Folder
from tests.contract.ledger import payload_of
from tests.support.ledgers import plan_of, request_of

ENDED = {state: Outcome(state=state) for state in ("finished", "failed", "cancelled")}
DAY = 86_400


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], RunLedger]:
    """Opens runs of the ledger that commands read."""
    monkeypatch.setenv("REELWRIGHT_STORE_LEDGER", str(tmp_path))
    return lambda name: RunLedger(str(tmp_path), name)


@pytest.fixture
def end_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], None]:
    """Makes a run one that ended so many days ago; `runs prune` keeps those of a week."""
    monkeypatch.setenv("REELWRIGHT_STORE_KEEP_DAYS", "7")
    return lambda name, days: os.utime(tmp_path / name / "outcome.json", (time.time() - days * DAY,) * 2)


def put(found: RunLedger, **request: object) -> None:
    """Submits an attempt as `submit` does, without a broker."""
    request_ = request_of(run=found.run, attempt=found.attempt, **request)
    index = RunIndex(found.root)
    index.begin(request_)
    found.put_request(request_)
    index.forget(found.run, found.attempt - 1)


def name_of(number: int) -> str:
    """The name of a run."""
    return f"{number:020x}"


def status(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[str], str]:
    """The runs that `status` shows, and what it says on stderr."""
    capsys.readouterr()
    assert run(["status", "--json", *arguments]) == 0
    printed = capsys.readouterr()
    return [each["run"] for each in json.loads(printed.out)], printed.err


def test_pages_show_every_run_once(ledger: Callable[[str], RunLedger], capsys: pytest.CaptureFixture[str]) -> None:
    """Each page has the newest run first and names the next page; together the pages have every submitted run."""
    for number in range(7):
        put(ledger(name_of(number)), submitted=float(number))
    ledger(name_of(7)).put_plan(plan_of(0))
    pages, after = [], ""
    while True:
        page, hint = status(capsys, "--limit", "3", *(["--after", after] if after else []))
        pages.append(page)
        if not hint:
            break
        after = hint.split("--after ")[1].split()[0]
    assert pages == [[name_of(n) for n in page] for page in ((2, 1, 0), (5, 4, 3), (6,))]
    assert status(capsys)[0] == [name_of(n) for n in range(6, -1, -1)]


def test_filters_by_state_and_class(ledger: Callable[[str], RunLedger], capsys: pytest.CaptureFixture[str]) -> None:
    """Only runs of the states and classes that are asked for are shown, and a page is filled with them."""
    states = ("queued", "finished", "failed", "cancelled")
    for number in range(16):
        found = ledger(name_of(number))
        kind = "express" if number >= 8 else "bulk"
        put(found, priority_class=kind, submitted=100.0 - number)
        if outcome := ENDED.get(states[number % 4]):
            found.put_outcome(outcome)
    assert status(capsys, "--state", "failed")[0] == [name_of(n) for n in (2, 6, 10, 14)]
    assert status(capsys, "--state", "failed", "--class", "express")[0] == [name_of(n) for n in (10, 14)]
    assert status(capsys, "--state", "queued", "--limit", "3")[0] == [name_of(n) for n in (0, 4, 8)]
    assert status(capsys, "--state", "running") == ([], "")


def test_a_page_reads_one_document_of_each_run_that_it_shows(
    ledger: Callable[[str], RunLedger], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 runs, a page of 9 reads one document of each of 16 at most, and lists neither the ledger nor a run."""
    for number in range(60):
        put(ledger(name_of(number)), priority_class="standard")
        ledger(name_of(number)).put_outcome(ENDED["finished" if number % 6 else "failed"])
    calls: list[tuple[str, str]] = []
    for method in ("read", "list_names"):
        real = getattr(Folder, method)

        def counted(folder: Folder, name: str, real: Callable[..., object] = real, method: str = method) -> object:
            calls.append((method, name))
            return real(folder, name)

        monkeypatch.setattr(Folder, method, counted)
    for arguments in ([], ["--state", "failed"], ["--class", "standard"]):
        calls.clear()
        assert len(status(capsys, "--limit", "9", *arguments)[0]) == 9
        # Runs are read in pieces of 16 or more.
        assert sum(method == "read" for method, _ in calls) <= 16
        assert not [name for method, name in calls if method == "list_names" and name in {"", "attempts"}]


def test_what_an_interrupted_process_left_in_the_index_is_shown_right(
    ledger: Callable[[str], RunLedger], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Ends without an entry are shown, and entries of earlier attempts and of unwritten requests are not."""
    unwritten, ended, again, unusable = (ledger(name_of(number)) for number in range(4))
    RunIndex(str(tmp_path)).begin(request_of(run=unwritten.run))
    put(ended)
    (tmp_path / ended.run / "outcome.json").write_text(ENDED["failed"].model_dump_json())
    put(again)
    again.put_outcome(ENDED["failed"])
    put(again.at(2))
    RunIndex(str(tmp_path)).add_ended(request_of(run=again.run), ENDED["failed"])
    put(unusable)
    (tmp_path / unusable.run / "request.json").write_text("{")
    assert status(capsys, "--state", "failed")[0] == [ended.run]
    assert set(status(capsys, "--state", "queued")[0]) == {again.run, unusable.run}
    assert set(status(capsys)[0]) == {ended.run, again.run, unusable.run}
    again.at(2).put_outcome(ENDED["finished"])
    assert status(capsys, "--state", "failed")[0] == [ended.run]
    assert status(capsys, "--state", "finished")[0] == [again.run]


def test_a_submission_killed_before_its_request_hides_nothing(
    ledger: Callable[[str], RunLedger], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A failed run whose next submission was killed between index and request is still shown, in its class."""
    found = ledger(name_of(0))
    put(found, priority_class="bulk")
    found.put_outcome(ENDED["failed"])
    RunIndex(str(tmp_path)).begin(request_of(run=found.run, attempt=2, priority_class="express"))
    for arguments in ([], ["--state", "failed"], ["--state", "failed", "--class", "bulk"]):
        assert status(capsys, *arguments)[0] == [found.run], arguments
    assert status(capsys, "--state", "queued")[0] == []
    put(found.at(2), priority_class="express")
    assert status(capsys, "--state", "queued", "--class", "express")[0] == [found.run]
    assert status(capsys, "--state", "failed")[0] == []


def test_runs_of_an_earlier_version_are_shown_and_can_be_indexed(
    ledger: Callable[[str], RunLedger], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an index every run is read, and status says which command makes it; afterwards it shows the same."""
    for number, state in enumerate(("queued", "finished", "failed", "cancelled")):
        found = ledger(name_of(number))
        found.put_request(request_of(run=found.run, submitted=float(number)))
        if outcome := ENDED.get(state):
            found.put_outcome(outcome)
    ledger(name_of(2)).at(2).put_request(request_of(run=name_of(2), attempt=2, submitted=9.0))
    pages: tuple[list[str], ...] = (
        ["--limit", "2"],
        ["--state", "queued"],
        ["--state", "finished"],
        ["--state", "failed"],
        [],
    )
    before = [status(capsys, *page)[0] for page in pages]
    assert before[1:4] == [[name_of(2), name_of(0)], [name_of(1)], []]
    assert "reelwright runs index" in status(capsys)[1]
    put(ledger(name_of(4)), submitted=-1.0)
    assert status(capsys)[0] == [*before[-1], name_of(4)], "a submission does not make the index of older runs complete"
    assert run(["runs", "index"]) == 0
    after = [status(capsys, *page) for page in pages]
    assert [runs for runs, _ in after[2:]] == [*before[2:4], [*before[-1], name_of(4)]]
    assert after[-1][1] == ""


def test_prune_removes_what_ended_long_ago(
    ledger: Callable[[str], RunLedger],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    end_ago: Callable[[str, float], None],
) -> None:
    """Old ended runs go with everything they have; of young failed ones the payloads; running ones stay as they are."""
    claims, now = ClaimCheck(str(tmp_path), 0), time.time()
    cases = {"old": ("failed", 8), "young": ("cancelled", 6), "again": ("finished", 8), "running": ("", 8)}
    names = {case: name_of(number) for number, case in enumerate(cases)}
    for case, (state, age) in cases.items():
        found = ledger(names[case])
        put(found, submitted=now - (age + 1) * DAY)
        found.put_plan(plan_of(0))
        claims.store_if_large(payload_of(b"frames"), found.run, 0)
        if state:
            found.put_outcome(ENDED[state])
            end_ago(found.run, age)
        if case == "again":
            put(found.at(2), submitted=now)
    for _ in range(2):
        capsys.readouterr()
        assert run(["runs", "prune"]) == 0
        assert not (tmp_path / names["old"]).exists()
        assert not list(tmp_path.glob(f"index/*/*/{names['old']}-*"))
        for case in ("young", "again", "running"):
            assert ledger(names[case]).request() is not None
            assert ledger(names[case]).plan(0) == plan_of(0)
        with_payloads = {case for case in cases if list(tmp_path.glob(f"{names[case]}/payloads/*/*"))}
        assert with_payloads == {"again", "running"}
    assert capsys.readouterr().out == "0 removed, 3 kept\n"


def test_a_run_whose_outcome_cannot_be_read_hides_no_other(
    ledger: Callable[[str], RunLedger],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    end_ago: Callable[[str, float], None],
) -> None:
    """Of 60 runs one has an empty outcome: it is shown as failed and why, with or without an index, and is pruned."""
    names, damaged = [name_of(number) for number in range(60)], name_of(30)
    for name in names:
        ledger(name).put_request(request_of(run=name))
        ledger(name).put_outcome(ENDED["finished"])
    (tmp_path / damaged / "outcome.json").write_bytes(b"")
    assert status(capsys, "--state", "failed")[0] == [damaged]
    assert set(status(capsys)[0]) == set(names)
    assert run(["runs", "index"]) == 0
    assert status(capsys, "--state", "failed") == ([damaged], "")
    assert set(status(capsys)[0]) == set(names)
    assert run(["status", damaged]) == 0
    assert "outcome.json: not a whole Outcome" in capsys.readouterr().out
    for name in names:
        end_ago(name, 8)
    assert run(["runs", "prune"]) == 0
    assert not [name for name in names if (tmp_path / name).exists()]


def test_other_documents_that_cannot_be_read_hide_no_run(
    ledger: Callable[[str], RunLedger], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Of a run under way the document that is empty is named, and an empty entry of the index is not needed."""
    running, ended, other = (ledger(name_of(number)) for number in range(3))
    for each in (running, ended, other):
        put(each, priority_class="bulk")
    (tmp_path / running.run / "title.json").touch()
    ended.put_outcome(ENDED["failed"])
    (entry,) = tmp_path.glob(f"index/failed/*/{ended.run}-*")
    entry.write_bytes(b"")
    assert set(status(capsys, "--class", "bulk")[0]) == {running.run, ended.run, other.run}
    assert status(capsys, "--state", "failed")[0] == [ended.run]
    assert run(["status", running.run]) == 0
    assert "title.json: not a whole TitleRecord" in capsys.readouterr().out
    assert run(["runs", "index"]) == 0
    assert entry.stat().st_size > 0


def test_a_run_that_cannot_be_pruned_keeps_no_other(
    ledger: Callable[[str], RunLedger],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    end_ago: Callable[[str, float], None],
) -> None:
    """The runs after one whose outcome the store refuses to read are pruned, and then the command names that run."""
    names, refused = [name_of(number) for number in range(60)], name_of(0)
    for name in names:
        put(ledger(name))
        ledger(name).put_outcome(ENDED["finished"])
        end_ago(name, 8)
    (tmp_path / refused / "outcome.json").unlink()
    (tmp_path / refused / "outcome.json").mkdir()
    capsys.readouterr()
    assert run(["runs", "prune"]) == 2
    assert f"{refused}/outcome.json" in capsys.readouterr().err
    assert [name for name in names if (tmp_path / name).exists()] == [refused]
