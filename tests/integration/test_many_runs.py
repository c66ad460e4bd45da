"""`status` shows a ledger with many runs in pages and by filters; `runs prune` removes what ended long ago."""

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


def name_of(number: int) -> str:
    """The name of a run."""
    return f"{number:020x}"


def status(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[str], str]:
    """The runs that `status` shows, and what it says on stderr."""
    capsys.readouterr()
    assert run(["status", "--json", *arguments]) == 0
    told = capsys.readouterr()
    return [each["run"] for each in json.loads(told.out)], told.err


def test_pages_show_every_run_once(ledger: Callable[[str], RunLedger], capsys: pytest.CaptureFixture[str]) -> None:
    """Each page has the newest run first and names the next page; together the pages have every submitted run."""
    for number in range(7):
        ledger(name_of(number)).put_request(request_of(run=name_of(number), submitted=float(number)))
    ledger(name_of(7)).put_plan(plan_of(0))
    pages, after = [], ""
    while True:
        page, told = status(capsys, "--limit", "3", *(["--after", after] if after else []))
        pages.append(page)
        if not told:
            break
        after = told.split("--after ")[1].split()[0]
    assert pages == [[name_of(n) for n in page] for page in ((2, 1, 0), (5, 4, 3), (6,))]
    assert status(capsys)[0] == [name_of(n) for n in range(6, -1, -1)]


def test_filters_by_state_and_class(ledger: Callable[[str], RunLedger], capsys: pytest.CaptureFixture[str]) -> None:
    """Only runs of the states and classes that are asked for are shown, and a page is filled with them."""
    states = ("queued", "finished", "failed", "cancelled")
    for number in range(16):
        found = ledger(name_of(number))
        kind = "express" if number >= 8 else "bulk"
        found.put_request(request_of(run=name_of(number), priority_class=kind, submitted=100.0 - number))
        if outcome := ENDED.get(states[number % 4]):
            found.put_outcome(outcome)
    assert status(capsys, "--state", "failed")[0] == [name_of(n) for n in (2, 6, 10, 14)]
    assert status(capsys, "--state", "failed", "--class", "express")[0] == [name_of(n) for n in (10, 14)]
    assert status(capsys, "--state", "queued", "--limit", "3")[0] == [name_of(n) for n in (0, 4, 8)]
    assert status(capsys, "--state", "running") == ([], "")


def test_the_documents_of_a_page_are_read_and_no_others(
    ledger: Callable[[str], RunLedger], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page takes one listing of the ledger, one of a run's attempts, and two reads for a run."""
    for number in range(600):
        ledger(name_of(number)).put_request(request_of(run=name_of(number)))
        ledger(name_of(number)).put_outcome(ENDED["finished"])
    calls: list[tuple[str, str]] = []
    for method in ("read", "list_names"):
        real = getattr(Folder, method)

        def counted(folder: Folder, name: str, real: Callable[..., object] = real, method: str = method) -> object:
            calls.append((method, name))
            return real(folder, name)

        monkeypatch.setattr(Folder, method, counted)
    assert len(status(capsys, "--limit", "100")[0]) == 100
    assert calls.count(("list_names", "")) == 1
    # Runs are read in pieces of 256.
    assert calls.count(("list_names", "attempts")) <= 256
    assert sum(method == "read" for method, _ in calls) <= 2 * 256


def test_prune_removes_what_ended_long_ago(
    ledger: Callable[[str], RunLedger],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Old ended runs go with everything they have; of young failed ones the payloads; running ones stay as they are."""
    monkeypatch.setenv("REELWRIGHT_STORE_KEEP_DAYS", "7")
    claims, now = ClaimCheck(str(tmp_path), 0), time.time()
    cases = {"old": ("failed", 8), "young": ("cancelled", 6), "again": ("finished", 8), "running": ("", 8)}
    names = {case: name_of(number) for number, case in enumerate(cases)}
    for case, (state, age) in cases.items():
        found = ledger(names[case])
        found.put_request(request_of(run=found.run, submitted=now - (age + 1) * DAY))
        if case == "again":
            found.at(2).put_request(request_of(run=found.run, attempt=2, submitted=now))
        found.put_plan(plan_of(0))
        claims.store_if_large(payload_of(b"frames"), found.run, 0)
        if state:
            found.put_outcome(ENDED[state])
            os.utime(tmp_path / found.run / "outcome.json", (now - age * DAY,) * 2)
    for _ in range(2):
        capsys.readouterr()
        assert run(["runs", "prune"]) == 0
        assert not (tmp_path / names["old"]).exists()
        for case in ("young", "again", "running"):
            assert ledger(names[case]).request() is not None
            assert ledger(names[case]).plan(0) == plan_of(0)
        with_payloads = {case for case in cases if list(tmp_path.glob(f"{names[case]}/payloads/*/*"))}
        assert with_payloads == {"again", "running"}
    assert capsys.readouterr().out == "0 removed, 3 kept\n"
