"""Keeps SVT-AV1 from giving real-time priority to the threads of a process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


@contextmanager
def kept_scheduling() -> Iterator[None]:
    """Keeps this thread's scheduling, and gives it to the threads that start meanwhile.

    When SVT-AV1 is opened by the superuser, it gives the calling thread SCHED_FIFO with priority 99
    (`enc_switch_to_real_time` in its EbEncHandle.c). All threads and processes that are started later inherit that, and
    everything else on the machine gets 5 % of each core. Programs in Go then wait for themselves for ever.
    """
    if sys.platform != "linux":
        yield
        return
    policy, parameters, before = os.sched_getscheduler(0), os.sched_getparam(0), _threads()
    try:
        yield
    finally:
        for thread in {0} | (_threads() - before):
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setscheduler(thread, policy, parameters)


def _threads() -> set[int]:
    return {int(path.name) for path in _THREADS.iterdir()}
