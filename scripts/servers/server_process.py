"""A server that runs as a process of its own: started, stopped, killed, frozen and continued, on one folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from reelwright.titles.errors import UserError

_POLL_SECONDS = 0.02


class ServerProcess(ABC):
    """A context manager, which starts the server and kills it.

    Args:
        name: in messages, after "the".
        folder: for data and logs; a temporary folder, removed at the end of the context, if None.
        prefix: of the temporary folder's name.
        start_seconds: within which it answers after its start.
        stop_seconds: within which it ends after SIGTERM; then it is killed.
    """

    def __init__(
        self, name: str, folder: Path | None, prefix: str, *, start_seconds: float, stop_seconds: float
    ) -> None:
        self._name, self._start_seconds, self._stop_seconds = name, start_seconds, stop_seconds
        self._temporary = folder is None
        self.folder = (folder or Path(tempfile.mkdtemp(prefix=prefix))).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    @abstractmethod
    def log(self) -> Path:
        """Standard output and errors of the server."""

    @abstractmethod
    def start(self) -> None:
        """Starts the server, with the data of earlier starts, and returns once it answers.

        Raises:
            UserError: what it needs is missing, or it ended at once.
        """

    @property
    def pid(self) -> int | None:
        """The server's process id; None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def stop(self) -> None:
        """Shuts the server down with SIGTERM; kills it if it takes too long."""
        if self._process is not None and self.pid is not None:
            self._process.terminate()
            try:
                self._process.wait(self._stop_seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """Ends the server with SIGKILL; its folder stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Stops and starts it."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stops the process with SIGSTOP, which keeps its connections open; returns once it has stopped."""
        self._signal(signal.SIGSTOP)
        if self.pid is not None:
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Continues the process with SIGCONT."""
        self._signal(signal.SIGCONT)

    def _run(self, command: Sequence[str], answers: Callable[[], bool], env: Mapping[str, str] | None = None) -> None:
        """Starts a command in the folder and waits until `answers` says so; `env` is added to our environment.

        Raises:
            UserError: it ended, or does not answer in time.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in a terminal must not reach the server
            )
        deadline = time.monotonic() + self._start_seconds
        while not answers():
            if self.pid is None or time.monotonic() > deadline:
                raise UserError(f"the {self._name} did not start", str(self.log), "read the end of that file")
            time.sleep(_POLL_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            os.kill(self.pid, number)
