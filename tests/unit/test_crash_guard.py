"""Work that kills its process is counted in the ledger and given up, and other work goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from reelwright.bus.local.bus import LocalBus
from reelwright.encoder import film_assembler
from reelwright.encoder.film_assembler import FilmAssembler
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger import crash_guard
from reelwright.ledger.crash_guard import DEAD_SECONDS, CrashGuard, GuardedWork
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.work_marks import WorkMarks
from reelwright.store.folder import Folder
from reelwright.telemetry.watchdog import stuck_loops, watched
from reelwright.titles.errors import RestorationFailed, UnavailableError
from tests.support.dispatch_harness import TIMEOUT_SECONDS, until
from tests.support.ledgers import RUN, planned, put_run, title_of

WHAT = "encoding of segment 7 (frames 312-359)"
# Every loop that counts sent its last heartbeat longer ago than in a minute's time.
COUNTING = -60.0


@pytest.fixture(params=["a folder", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> RunLedger:
    return RunLedger(str(tmp_path) if request.param == "a folder" else f"memory://{uuid4().hex}", RUN)


def process() -> CrashGuard:
    """The guard of a new process. Work that is never closed is work whose process has died."""
    return CrashGuard(3)


def marks(ledger: RunLedger, unit: str) -> list[str]:
    return ledger.work_marks.names(unit)


def die_in(work: GuardedWork, dead: list[AbstractContextManager[None]]) -> None:
    """Lets the process die in a call of the work: the call never ends."""
    dead.append(work.call())
    dead[-1].__enter__()


def age_marks(ledger: RunLedger) -> None:
    """Makes every mark of a segment look older than a mark of a living process can be."""
    for name in marks(ledger, "encode"):
        path = f"{ledger.root}/{RUN}/marks/{name}"
        if path.startswith("memory:"):
            file = fsspec.filesystem("memory").store[path.removeprefix("memory:/")]
            file.modified -= timedelta(seconds=2 * DEAD_SECONDS)
        else:
            os.utime(path, (0, time.time() - 2 * DEAD_SECONDS))


def test_work_that_kills_its_process_is_given_up(ledger: RunLedger) -> None:
    """After three deaths the work fails with what it is; other work, and the same in the next attempt, begins."""
    dead: list[AbstractContextManager[None]] = []
    for _ in range(3):
        die_in(process().begin(ledger, "encode-000007", WHAT), dead)
    age_marks(ledger)
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
    age_marks(ledger)
    assert len(marks(ledger, "encode-000001")) == 1
    with pytest.raises(RestorationFailed):
        process().begin(ledger, "encode-000002", WHAT)
    innocent = process().begin(ledger, "encode-000001", WHAT)
    innocent.close(done=True)
    assert marks(ledger, "encode-000001") == []


def test_work_that_ends_in_any_other_way_is_not_counted(ledger: RunLedger) -> None:
    """An error and a finished piece of work leave no mark, and only a finished one clears what was left."""
    unit = "decode-000000"
    for _ in range(5):
        with pytest.raises(ValueError, match="damaged"), process().begin(ledger, unit, WHAT) as work, work.call():
            raise ValueError("damaged")
    assert marks(ledger, unit) == []
    process().begin(ledger, unit, WHAT)
    postponed = process().begin(ledger, unit, WHAT)
    with postponed.call():
        assert len(marks(ledger, unit)) == 2
    with pytest.raises(UnavailableError), postponed, postponed.call():
        raise UnavailableError("does not answer")
    assert len(marks(ledger, unit)) == 1
    with process().begin(ledger, unit, WHAT):
        pass
    assert marks(ledger, unit) == []


def test_a_postponed_assembly_keeps_the_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An assembly that a store prevents for now does not clear the deaths that were counted before."""
    ledger, tried = RunLedger(str(tmp_path / "ledger"), RUN), threading.Event()
    put_run(ledger, tmp_path, title_of(str(tmp_path / "a.mp4")), planned([4]))
    ledger.work_marks.put_mark("assemble")

    def postpone(*_: object, **__: object) -> None:
        tried.set()
        raise UnavailableError("does not answer")

    monkeypatch.setattr(film_assembler, "assemble_title", postpone)
    bus, guard = LocalBus(), process()
    assembler = FilmAssembler(bus, partial(RunLedger, ledger.root), EncoderSettings(), guard)
    assembler.assemble_when_complete(RUN, 1)
    assert tried.wait(TIMEOUT_SECONDS)
    assembler.close()
    bus.close()
    assert len(marks(ledger, "assemble")) == 1


def test_living_processes_are_not_counted(ledger: RunLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that three living processes have is put off until one has ended it, however long it takes."""
    unit = "encode-000007"
    with ExitStack() as living, monkeypatch.context() as often:
        often.setattr(crash_guard, "DEAD_SECONDS", 0.1)
        for _ in range(3):
            living.enter_context(living.enter_context(process().begin(ledger, unit, WHAT)).call())
        age_marks(ledger)
        until(lambda: not ledger.work_marks.count_dead(marks(ledger, unit), DEAD_SECONDS), "the marks are written")
        often.undo()
        with pytest.raises(UnavailableError, match=r"segment 7 .* is marked by 3 processes"):
            process().begin(ledger, unit, WHAT)
    with process().begin(ledger, unit, WHAT):
        assert len(marks(ledger, unit)) == 1


def test_a_process_of_this_machine_is_dead_when_it_is_gone(tmp_path: Path) -> None:
    """A mark of another process of this machine counts as soon as that process has died, and not while it lives."""
    ledger = RunLedger(str(tmp_path), RUN)
    code = (
        "import sys; from reelwright.ledger.run_ledger import RunLedger; "
        "print(RunLedger(*sys.argv[1:]).work_marks.put_mark('encode'), flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path), RUN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        own = ledger.work_marks.put_mark("encode")
        assert ledger.work_marks.count_dead([name, own], DEAD_SECONDS) == 0
        other.kill()
        other.wait()
        assert ledger.work_marks.count_dead([name, own], DEAD_SECONDS) == 1


def test_a_process_that_is_told_to_stop_is_not_counted(ledger: RunLedger) -> None:
    """It removes its marks before its work ends, and work that it begins after that leaves none."""
    guard = process()
    with guard.begin(ledger, "assemble", WHAT) as work, work.call():
        assert len(marks(ledger, "assemble")) == 1
        guard.stop()
        assert marks(ledger, "assemble") == []
        with guard.begin(ledger, "encode-000001", WHAT) as late, late.call():
            assert marks(ledger, "encode-000001") == []


def test_a_mark_that_is_written_while_the_process_is_told_to_stop_is_removed(tmp_path: Path) -> None:
    """Work that begins at the moment of the stop leaves no mark, although the stop did not know its mark."""
    guard = process()

    class Store(WorkMarks):
        def put_mark(self, unit: str) -> str:
            name = super().put_mark(unit)
            guard.stop()
            return name

    ledger = RunLedger(str(tmp_path), RUN)
    ledger.work_marks = Store(Folder(f"{tmp_path}/{RUN}"))
    with guard.begin(ledger, "encode-000001", WHAT) as work, work.call():
        assert marks(ledger, "encode-000001") == []


def test_a_process_that_is_stopped_because_it_hangs_is_counted(
    ledger: RunLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a loop has made no progress for the bound of liveness, the marks stay."""
    monkeypatch.setenv("REELWRIGHT_LIVENESS_SECONDS", "0.01")
    guard = process()
    with watched("encode"), guard.begin(ledger, "encode-000001", WHAT) as work, work.call():
        until(lambda: stuck_loops(0.01), "it hangs")
        guard.stop()
        assert len(marks(ledger, "encode-000001")) == 1


def test_a_mark_that_cannot_be_removed_is_removed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store does not answer, finished work keeps its mark, and its process removes it afterwards."""
    away = threading.Event()

    class Store(WorkMarks):
        def remove(self, name: str) -> None:
            if away.is_set():
                raise UnavailableError("does not answer")
            super().remove(name)

    monkeypatch.setattr(crash_guard, "DEAD_SECONDS", 0.1)
    ledger = RunLedger(str(tmp_path), RUN)
    ledger.work_marks = Store(Folder(f"{tmp_path}/{RUN}"))
    with process().begin(ledger, "encode-000001", WHAT):
        away.set()
    assert len(marks(ledger, "encode-000001")) == 1
    away.clear()
    until(lambda: marks(ledger, "encode-000001") == [], "the mark is removed")


def test_waiting_for_other_work_is_no_hang(ledger: RunLedger) -> None:
    """A call that waits for a suspect one, and a suspect one that waits for a call, are not named as stuck."""
    process().begin(ledger, "encode-000000", WHAT)
    guard = process()
    suspect, other = (guard.begin(ledger, unit, WHAT) for unit in ("encode-000000", "encode-000001"))
    for running, waits in ((suspect, other), (other, suspect)):
        begun = threading.Event()

        def run(work: GuardedWork, begun: threading.Event) -> None:
            with watched("waits"):
                begun.set()
                with work.call():
                    pass

        with running.call():
            thread = threading.Thread(target=run, args=(waits, begun))
            thread.start()
            assert begun.wait(TIMEOUT_SECONDS)
            until(lambda: "waits" not in stuck_loops(COUNTING), "it counts as waiting")
            assert thread.is_alive()
        thread.join()


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
            assert marks(ledger, "assemble") == []
