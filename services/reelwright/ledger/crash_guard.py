"""Counts how often a piece of work has killed its process, so that a film that does so fails and the others go on.

A codec that crashes and a process that is killed for its memory leave no exception. So a mark is written into the
ledger before such work and removed after it. The process writes its marks again from time to time. A mark that is left
and is not written any more, or whose process is gone from this machine, means a death. A process that is asked to
stop removes its marks at once, because it may be killed before its work ends.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.work_marks import WorkMarks
from reelwright.settings import ServeSettings, read_settings
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.watchdog import heartbeat, stuck_loops, waiting
from reelwright.titles.errors import OneLineError, RestorationFailed, UnavailableError

log = get_logger(__name__)

DEAD_SECONDS = 60.0
"""A mark that was not written for so long is of a dead process. A living one writes it four times in this time."""


class CrashGuard:
    """The dangerous work of one process. Thread-safe.

    Pieces of work that begin without a mark of others run at the same time. If the process dies, all of them have left
    a mark, and one is the cause. From then on each of their calls runs while no other dangerous call runs in its
    process, with a mark of its own, so that further deaths are counted for the cause alone.

    Args:
        max_crashes: deaths after which a piece of work is given up; 0 for no limit, without marks.
    """

    def __init__(self, max_crashes: int) -> None:
        self.max_crashes = max_crashes
        self._changed = threading.Condition()
        self._shared = self._waiting = 0
        self._exclusive = False
        self._marks: set[_Mark] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: SupervisedThread | None = None

    def begin(self, ledger: RunLedger, unit: str, what: str) -> GuardedWork:
        """Begins a piece of work.

        Args:
            ledger: of the attempt that it belongs to.
            unit: name of the work, such as `encode-000007`; it becomes a part of a file's name.
            what: what it is, for the reason of a failure, such as `encoding of frames 312-359`.

        Raises:
            RestorationFailed: it has killed as many processes as it may.
            UnavailableError: as many processes have marked it, and some of them may be alive; or the store does not
                answer.
        """
        return GuardedWork(self, ledger, unit, what)

    def stop(self) -> None:
        """Removes the marks of this process, which stops in an orderly way. Work goes on, without marks.

        The marks stay when a loop of the process hangs: then that is why the process is stopped.
        """
        with self._lock:
            self._stopped.set()
            marks, thread = list(self._marks), self._thread
        if marks and not stuck_loops(read_settings(ServeSettings).liveness_seconds):
            for mark in marks:
                self.remove_mark(mark)
        if thread is not None:
            thread.join()

    def put_mark(self, marks: WorkMarks, unit: str) -> _Mark | None:
        """Marks a piece of work as under way in this process; None without a limit and after `stop`."""
        if not self.max_crashes or self._stopped.is_set():
            return None
        mark = _Mark(marks, unit)
        with self._lock:
            stopped = self._stopped.is_set()
            if not stopped:
                self._marks.add(mark)
            if not stopped and self._thread is None:
                self._thread = SupervisedThread("work-marks", self._refresh, restart_until=self._stopped, daemon=True)
                self._thread.start()
        if stopped:
            # `stop` was called while the mark was being written, and did not know it.
            self.remove_mark(mark)
            return None
        return mark

    def remove_mark(self, mark: _Mark) -> None:
        """Removes such a mark; later if the store does not answer now."""
        try:
            mark.remove()
        except OneLineError as error:
            log.warning("mark not removed", mark=mark.name, reason=str(error))
        else:
            with self._lock:
                self._marks.discard(mark)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Runs a `with` block at the same time as others of its kind."""
        with waiting(), self._changed:
            self._changed.wait_for(lambda: not self._exclusive and not self._waiting)
            self._shared += 1
        try:
            yield
        finally:
            with self._changed:
                self._shared -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Runs a `with` block while no other one runs."""
        with waiting(), self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._exclusive and not self._shared)
            self._waiting -= 1
            self._exclusive = True
        try:
            yield
        finally:
            with self._changed:
                self._exclusive = False
                self._changed.notify_all()

    def _refresh(self) -> None:
        while not self._wait_for_stop(DEAD_SECONDS / 4):
            with self._lock:
                marks = list(self._marks)
            for mark in marks:
                heartbeat()
                try:
                    mark.refresh()
                except OneLineError as error:
                    log.warning("mark not written", mark=mark.name, reason=str(error))
                if mark.ended:
                    self.remove_mark(mark)

    def _wait_for_stop(self, seconds: float) -> bool:
        with waiting():
            return self._stopped.wait(seconds)


class GuardedWork:
    """A piece of work from `CrashGuard.begin` until `close`; used by one thread at a time.

    As a context manager it closes itself, as finished if no exception ends the block.
    """

    def __init__(self, guard: CrashGuard, ledger: RunLedger, unit: str, what: str) -> None:
        self._guard, self._marks, self._unit = guard, ledger.work_marks, unit
        self._left = self._marks.names(unit) if guard.max_crashes else []
        if guard.max_crashes and len(self._left) >= guard.max_crashes:
            self._refuse(ledger.run, what)
        if self._left:
            log.warning("work isolated", work=what, marks=len(self._left))
        self._mark = None if self._left else guard.put_mark(self._marks, unit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(done=error is None)

    @contextmanager
    def call(self) -> Iterator[None]:
        """Runs the part of the work in a `with` block that may kill the process."""
        if not self._left:
            with self._guard.shared():
                yield
            return
        with self._guard.exclusive():
            mark = self._guard.put_mark(self._marks, self._unit)
            try:
                yield
            finally:
                if mark is not None:
                    self._guard.remove_mark(mark)

    def close(self, *, done: bool) -> None:
        """Ends the work, which did not kill the process.

        Args:
            done: whether it was finished, so that earlier deaths had other causes.
        """
        mark, left = self._mark, self._left if done else []
        self._mark, self._left = None, []
        if mark is not None:
            self._guard.remove_mark(mark)
        try:
            for name in left:
                self._marks.remove(name)
        except OneLineError as error:
            log.warning("marks of earlier processes not removed", unit=self._unit, reason=str(error))

    def _refuse(self, run: str, what: str) -> None:
        dead = self._marks.count_dead(self._left, DEAD_SECONDS)
        if dead < self._guard.max_crashes:
            remedy = "it is tried again until they have finished or do not write their marks any more"
            raise UnavailableError(f"the {what} is marked by {len(self._left)} processes", f"run {run}", remedy)
        raise RestorationFailed(f"the {what} ended its process {dead} times (out of memory, or a codec's crash)")


class _Mark:
    """A mark of this process. Thread-safe.

    Attributes:
        name: of the mark.
        ended: the work has ended, so the mark is to be removed.
    """

    def __init__(self, marks: WorkMarks, unit: str) -> None:
        self._marks, self.name, self.ended = marks, marks.put_mark(unit), False
        # Without it, a mark could be written again just after its removal.
        self._lock = threading.Lock()

    def refresh(self) -> None:
        with self._lock:
            if not self.ended:
                self._marks.refresh(self.name)

    def remove(self) -> None:
        with self._lock:
            self.ended = True
            self._marks.remove(self.name)
