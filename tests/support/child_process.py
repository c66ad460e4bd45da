"""A dispatcher or a worker in its own process, for tests that freeze or kill it.

    python -m tests.support.child_process worker ADDRESS NAME BEHAVIOUR
    python -m tests.support.child_process dispatcher ADDRESS

A worker prints one line for each batch that it published.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.topics import RESTORED
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.inference.settings import InferenceSettings
from reelwright.inference.worker import InferenceWorker
from reelwright.media.picture import Picture
from reelwright.wire.frames_pb2 import RestoredBatch
from tests.support.dispatch_harness import TIMEOUT_SECONDS, FakeRestorer

POISON = 106
"""The worker process that restores a picture of this value ends."""

KEEPALIVE = 0.5


def _die_of_poison(picture: Picture) -> None:
    if int(picture.planes[0][0, 0]) == POISON:
        os._exit(1)


def _hang(_: Picture) -> None:
    threading.Event().wait(TIMEOUT_SECONDS)


_BEHAVIOURS = {"die_of_poison": _die_of_poison, "hang": _hang}


class ChildProcess:
    """A child process; a context manager that kills it at the end.

    Args:
        *arguments: the command line; see the module.
    """

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.support.child_process", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def freeze(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> list[str]:
        """Kills it; returns the lines it printed."""
        self._process.kill()
        return self._process.communicate()[0].splitlines()

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class _PrintingBus(LocalBus):
    """Prints each restored batch when it is published, and so before its receipt is sent."""

    def publish(self, topic: str, key: bytes, value: bytes, **options: Any) -> None:  # noqa: ARG002
        if topic == RESTORED:
            batch = RestoredBatch.FromString(value)
            sys.stdout.write(f"{batch.run} {batch.segment} {batch.batch}\n")
            sys.stdout.flush()


def _work(address: str, name: str, behaviour: str) -> None:
    settings = InferenceSettings(dispatcher=address, name=name, codec="raw", keepalive_seconds=KEEPALIVE)
    restorer = FakeRestorer(_BEHAVIOURS[behaviour])
    InferenceWorker(_PrintingBus(), ClaimCheck(None, 1 << 30), restorer, settings).start()  # type: ignore[arg-type]
    threading.Event().wait()


def _dispatch(address: str) -> None:
    DispatcherService(LocalBus(), DispatcherSettings(address=address, keepalive_seconds=KEEPALIVE)).run(
        threading.Event()
    )


if __name__ == "__main__":
    programs: dict[str, Callable[..., None]] = {"worker": _work, "dispatcher": _dispatch}
    programs[sys.argv[1]](*sys.argv[2:])
