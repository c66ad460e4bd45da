"""Restarts the role processes of a campaign, as an orchestrator does, and records unexpected exits and memory."""

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

_POLL_SECONDS = 0.2
# Twice the default grace period of Kubernetes, because the whole cluster shares two cores.
DRAIN_SECONDS = 60.0
_STOPPED = frozenset({0, -15})  # -15: SIGTERM came before the process had installed its handler


@dataclass(frozen=True, slots=True)
class UnexpectedExit:
    """A process that ended without being stopped, or did not end when it was.

    Attributes:
        name: of the process.
        reason: what happened, with the exit code.
        last_log_lines: the end of its log.
    """

    name: str
    reason: str
    last_log_lines: str


@dataclass
class ProcessSlot:
    """A name and environment for one process at a time, kept when the process is replaced.

    Attributes:
        role: role of its processes.
        name: name of its processes.
        env: environment variables of its processes, in addition to the cluster's.
        lock: held by the fault that acts on it.
        process: the current process; None while the slot should be empty.
        stopped: whether the campaign killed or stopped the process, so that its end is expected.
    """

    role: str
    name: str
    env: dict[str, str]
    lock: threading.RLock = field(default_factory=threading.RLock)
    process: Process | None = None
    stopped: bool = False


class Supervisor:
    """Starts processes; its thread restarts those that end and samples their memory; a context manager.

    Args:
        cluster: the cluster of the processes.
        slots: slots by role. The first `base` slots of a role get a process on entering.
        base: number of processes by role while it is not scaled.
    """

    def __init__(self, cluster: Cluster, slots: dict[str, list[ProcessSlot]], base: dict[str, int]) -> None:
        self._cluster, self.slots, self.base = cluster, slots, base
        self.unexpected_exits: list[UnexpectedExit] = []
        self.peak_bytes: dict[str, int] = dict.fromkeys(slots, 0)
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
        for slot in self._all_slots():
            if slot.process is not None:
                slot.process.kill()

    def start(self, slot: ProcessSlot, **env: str) -> None:
        """Starts a process in a slot; `env` is added to the environment of this process only."""
        slot.process = self._cluster.start(slot.role, slot.name, **{**slot.env, **env})
        slot.stopped = False
        self.starts += 1

    def kill(self, slot: ProcessSlot) -> None:
        """Sends SIGKILL; the slot stays empty until `start`."""
        process = self._mark_stopped(slot)
        if process is not None:
            process.kill()

    def stop(self, slot: ProcessSlot) -> None:
        """Sends SIGTERM and waits for the end; the slot stays empty until `start`."""
        process = self._mark_stopped(slot)
        if process is None:
            return
        process.terminate()
        try:
            code = process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._record_exit(process, f"did not stop within {DRAIN_SECONDS:.0f} s of SIGTERM")
            process.kill()
        else:
            if code not in _STOPPED:
                self._record_exit(process, f"exited with {code} after SIGTERM")

    @property
    def ready(self) -> bool:
        """Whether every process that runs is ready for work."""
        return all(slot.process.ready for slot in self._all_slots() if slot.process is not None)

    def pids(self, *roles: str) -> list[int]:
        """Process ids of the running processes of these roles, or of all roles."""
        return [s.process.pid for s in self._all_slots() if s.process is not None and (not roles or s.role in roles)]

    @contextmanager
    def locked(self, slots: list[ProcessSlot]) -> Iterator[None]:
        """Reserves the slots for one fault; other faults on them wait."""
        with ExitStack() as stack:
            for slot in slots:
                stack.enter_context(slot.lock)
            yield

    def _mark_stopped(self, slot: ProcessSlot) -> Process | None:
        process, slot.stopped = slot.process, True
        if process is not None and process.code is not None:
            self._record_exit(process, f"ended unexpectedly with exit code {process.code}")
            return None
        return process

    def _all_slots(self) -> list[ProcessSlot]:
        return [slot for slots in self.slots.values() for slot in slots]

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            for slot in self._all_slots():
                self._check_slot(slot)

    def _check_slot(self, slot: ProcessSlot) -> None:
        process = slot.process
        if process is None or slot.stopped:
            return
        self.peak_bytes[slot.role] = max(self.peak_bytes[slot.role], process.memory_bytes())
        # Only with the slot's lock, because a fault may be about to end the process.
        if process.code is not None and slot.lock.acquire(blocking=False):
            try:
                if slot.process is process and not slot.stopped:
                    self._record_exit(process, f"ended unexpectedly with exit code {process.code}")
                    time.sleep(_POLL_SECONDS)
                    self.start(slot)
            finally:
                slot.lock.release()

    def _record_exit(self, process: Process, reason: str) -> None:
        lines = process.log.read_text(errors="replace").splitlines()[-8:]
        self.unexpected_exits.append(UnexpectedExit(process.name, reason, "\n".join(lines)))
