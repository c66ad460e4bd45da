"""Keeps the role processes of a campaign running, as an orchestrator would, and remembers what they did."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from tests.support.cluster import Cluster
from tests.support.role_processes import Process

_LOOK_SECONDS = 0.2
# Kubernetes gives 30 s unless told otherwise; some more, since everything shares two cores with its own troubles.
DRAIN_SECONDS = 60.0
_STOPPED = frozenset({0, -15})  # -15: told to stop before it could listen for that


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended by itself, or not when it should."""

    name: str
    reason: str
    last_words: str


@dataclass
class Slot:
    """A place for one process: its name and addresses outlive the processes in it.

    Attributes:
        role: the processes' role.
        name: theirs, too.
        lock: held by the fault that is troubling it.
        env: what its processes' environment has beside the others'.
        process: the one in it; None while it should be empty.
        ours: its end is our doing.
    """

    role: str
    name: str
    env: dict[str, str]
    lock: threading.RLock = field(default_factory=threading.RLock)
    process: Process | None = None
    ours: bool = False


class Supervisor:
    """Starts processes, restarts those that end, and samples their memory, on a thread of its own.

    Args:
        cluster: where the processes belong.
        slots: places by role, the first `base` of each filled from the beginning.
        base: processes of each role when nobody scales it.
    """

    def __init__(self, cluster: Cluster, slots: dict[str, list[Slot]], base: dict[str, int]) -> None:
        self._cluster, self.slots, self.base = cluster, slots, base
        self.ended: list[Ended] = []
        self.most_bytes: dict[str, int] = dict.fromkeys(slots, 0)
        self.starts = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Supervisor:
        for role, slots in self.slots.items():
            for slot in slots[: self.base[role]]:
                self.start(slot)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        for slot in self._all():
            if slot.process is not None:
                slot.process.kill()

    def start(self, slot: Slot, **env: str) -> None:
        """Fills a slot; `env` counts for this process alone."""
        slot.process = self._cluster.start(slot.role, slot.name, **{**slot.env, **env})
        slot.ours = False
        self.starts += 1

    def kill(self, slot: Slot) -> None:
        """SIGKILL, and nobody takes the process's place until `start`."""
        process = self._take(slot)
        if process is not None:
            process.kill()

    def stop(self, slot: Slot) -> None:
        """Asks the process to go, and waits until it has; nobody takes its place until `start`."""
        process = self._take(slot)
        if process is None:
            return
        process.terminate()
        try:
            code = process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._tell(process, f"did not stop within {DRAIN_SECONDS:.0f} s of SIGTERM")
            process.kill()
        else:
            if code not in _STOPPED:
                self._tell(process, f"left with {code} after SIGTERM")

    def pids(self, *roles: str) -> list[int]:
        """The processes of these roles, or of all, that there are now."""
        return [s.process.pid for s in self._all() if s.process is not None and (not roles or s.role in roles)]

    @contextmanager
    def troubling(self, slots: list[Slot]) -> Iterator[None]:
        """Holds the slots for one fault; others wait."""
        with ExitStack() as stack:
            for slot in slots:
                stack.enter_context(slot.lock)
            yield

    def _take(self, slot: Slot) -> Process | None:
        process, slot.ours = slot.process, True
        if process is not None and process.code is not None:
            self._tell(process, f"ended by itself with {process.code}")
            return None
        return process

    def _all(self) -> list[Slot]:
        return [slot for slots in self.slots.values() for slot in slots]

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            for slot in self._all():
                self._look(slot)

    def _look(self, slot: Slot) -> None:
        process = slot.process
        if process is None or slot.ours:
            return
        self.most_bytes[slot.role] = max(self.most_bytes[slot.role], process.memory_bytes())
        # Only with its lock: a fault may be about to end it.
        if process.code is not None and slot.lock.acquire(blocking=False):
            try:
                if slot.process is process and not slot.ours:
                    self._tell(process, f"ended by itself with {process.code}")
                    time.sleep(_LOOK_SECONDS)
                    self.start(slot)
            finally:
                slot.lock.release()

    def _tell(self, process: Process, reason: str) -> None:
        lines = process.log.read_text(errors="replace").splitlines()[-8:]
        self.ended.append(Ended(process.name, reason, "\n".join(lines)))
