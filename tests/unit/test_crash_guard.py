"""Work that kills its process is counted in the ledger and given up, and other work goes on."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import uuid4

import pytest

from reelwright.ledger.crash_guard import CrashGuard, GuardedWork
from reelwright.ledger.run_ledger import RunLedger
from reelwright.titles.errors import RestorationFailed
from tests.support.ledgers import RUN

WHAT = "encoding of segment 7 (frames 312-359)"


@pytest.fixture(params=["a folder", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> RunLedger:
    return RunLedger(str(tmp_path) if request.param == "a folder" else f"memory://{uuid4().hex}", RUN)


def process() -> CrashGuard:
    """The guard of a new process. Work that is never closed is work whose process has died."""
    return CrashGuard(3)


def die_in(work: GuardedWork, dead: list[AbstractContextManager[None]]) -> None:
    """Lets the process die in a call of the work: the call never ends."""
    dead.append(work.call())
    dead[-1].__enter__()


def test_work_that_kills_its_process_is_given_up(ledger: RunLedger) -> None:
    """After three deaths the work fails with what it is; other work, and the same in the next attempt, begins."""
    dead: list[AbstractContextManager[None]] = []
    for _ in range(3):
        die_in(process().begin(ledger, "encode-000007", WHAT), dead)
    with pytest.raises(RestorationFailed, match=r"segment 7 \(frames 312-359\) ended its process 3 times"):
        process().begin(ledger, "encode-000007", WHAT)
    process().begin(ledger, "encode-000008", WHAT).close(done=True)
    process().begin(ledger.at(2), "encode-000007", WHAT).close(done=True)


def test_work_beside_the_cause_is_not_given_up(ledger: RunLedger) -> None:
    """Work that was merely under way when the process died is counted once, and not again with the next deaths."""
    dead: list[AbstractContextManager[None]] = []
    for _ in range(3):
        guard = process()
        innocent, cause = (guard.begin(ledger, unit, WHAT) for unit in ("encode-000001", "encode-000002"))
        with innocent.call():
            pass
        die_in(cause, dead)
    assert len(ledger.marks("encode-000001")) == 1
    with pytest.raises(RestorationFailed):
        process().begin(ledger, "encode-000002", WHAT)
    innocent = process().begin(ledger, "encode-000001", WHAT)
    innocent.close(done=True)
    assert ledger.marks("encode-000001") == []


def test_work_that_ends_in_any_other_way_is_not_counted(ledger: RunLedger) -> None:
    """An error, a stop and a finished piece of work leave no mark, and a finished one clears what was left."""
    for _ in range(5):
        work = process().begin(ledger, "decode-000000", WHAT)
        with pytest.raises(ValueError, match="damaged"), work.call():
            raise ValueError("damaged")
        work.close(done=False)
    assert ledger.marks("decode-000000") == []
    process().begin(ledger, "decode-000000", WHAT)
    stopped = process().begin(ledger, "decode-000000", WHAT)
    with stopped.call():
        assert len(ledger.marks("decode-000000")) == 2
    stopped.close(done=False)
    assert len(ledger.marks("decode-000000")) == 1
    finished = process().begin(ledger, "decode-000000", WHAT)
    finished.close(done=True)
    assert ledger.marks("decode-000000") == []


def test_a_suspect_call_runs_alone(ledger: RunLedger) -> None:
    """A call of work that a process died in waits for the others, and others wait for it."""
    process().begin(ledger, "encode-000000", WHAT)
    guard, order = process(), list[str]()
    suspect, other = (guard.begin(ledger, unit, WHAT) for unit in ("encode-000000", "encode-000001"))

    def run_alone() -> None:
        with suspect.call():
            order.append("alone")

    with other.call():
        thread = threading.Thread(target=run_alone)
        thread.start()
        order.append("first")
    thread.join()
    with other.call():
        order.append("last")
    assert order == ["first", "alone", "last"]


def test_without_a_limit_nothing_is_marked(ledger: RunLedger) -> None:
    """With a limit of 0 work begins any number of times and writes nothing."""
    for _ in range(9):
        with CrashGuard(0).begin(ledger, "assemble", WHAT).call():
            assert ledger.marks("assemble") == []
