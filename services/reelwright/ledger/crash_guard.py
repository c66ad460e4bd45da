"""Counts how often a piece of work has killed its process, so that a film that does so fails and the others go on.

A codec that crashes and a process that is killed for its memory leave no exception. So a mark is written into the
ledger before such work and removed after it. A mark that is left tells the next process of a death.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reelwright.ledger.run_ledger import RunLedger
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import OneLineError, RestorationFailed

log = get_logger(__name__)


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

    def begin(self, ledger: RunLedger, unit: str, what: str) -> GuardedWork:
        """Begins a piece of work.

        Args:
            ledger: of the attempt that it belongs to.
            unit: name of the work, such as `encode-000007`; it becomes a part of a file's name.
            what: what it is, for the reason of a failure, such as `encoding of frames 312-359`.

        Raises:
            RestorationFailed: it has killed as many processes as it may.
            UnavailableError: the store does not answer.
        """
        return GuardedWork(self, ledger, unit, what)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Runs a `with` block at the same time as others of its kind."""
        with self._changed:
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
        with self._changed:
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


class GuardedWork:
    """A piece of work from `CrashGuard.begin` until `close`; used by one thread at a time."""

    def __init__(self, guard: CrashGuard, ledger: RunLedger, unit: str, what: str) -> None:
        self._guard, self._ledger, self._unit = guard, ledger, unit
        self._left = ledger.marks(unit) if guard.max_crashes else []
        self._mark = ""
        if not guard.max_crashes:
            return
        if len(self._left) >= guard.max_crashes:
            count = len(self._left)
            raise RestorationFailed(f"the {what} ended its process {count} times (out of memory, or a codec's crash)")
        if not self._left:
            self._mark = ledger.put_mark(unit)
        else:
            log.warning("processes died during this work, it goes on alone", work=what, deaths=len(self._left))

    @contextmanager
    def call(self) -> Iterator[None]:
        """Runs the part of the work in a `with` block that may kill the process."""
        if not self._left:
            with self._guard.shared():
                yield
            return
        with self._guard.exclusive():
            mark = self._ledger.put_mark(self._unit)
            try:
                yield
            finally:
                self._ledger.remove_mark(mark)

    def close(self, *, done: bool) -> None:
        """Ends the work, which did not kill the process.

        Args:
            done: whether it was finished, so that earlier deaths had other causes.
        """
        marks = [*([self._mark] if self._mark else []), *(self._left if done else [])]
        self._mark, self._left = "", []
        try:
            for mark in marks:
                self._ledger.remove_mark(mark)
        except OneLineError as error:
            log.warning("mark not removed", unit=self._unit, reason=str(error))
