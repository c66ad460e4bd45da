"""Role processes of a cluster under test, and the ways to disturb one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support.commands import COMMAND, TIMEOUT_SECONDS

_POLL_SECONDS = 0.05


def until(
    condition: Callable[[], object], what: str, timeout: float = TIMEOUT_SECONDS, poll: float = _POLL_SECONDS
) -> None:
    """Waits for a condition that depends on another process.

    Args:
        condition: asked until it is true.
        what: the condition in words.
        timeout: seconds until the test fails.
        poll: seconds between two questions.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting until {what}"
        time.sleep(poll)


def free_port() -> int:
    """A TCP port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Process:
    """The process of one role, and the ways to disturb it. Started on construction.

    Attributes:
        role: decoder, dispatcher, inference or encoder.
        name: unique in its cluster; its log is `name`.log in the cluster's folder.
        port: where it serves metrics and health.
        env: variables added to the test's own environment.
        command: what to run in place of `reelwright serve`.
    """

    def __init__(
        self, role: str, name: str, port: int, env: dict[str, str], folder: Path, command: list[str] | None = None
    ) -> None:
        self.role, self.name, self.port, self.env = role, name, port, env
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command or [COMMAND, "serve", role, "--metrics-port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **env},
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """Sends SIGKILL and waits until the process has ended."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """Sends SIGTERM; does not wait."""
        self._process.terminate()

    def freeze(self) -> None:
        """Sends SIGSTOP: the process exists but does nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Sends SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def wait(self, timeout: float = TIMEOUT_SECONDS) -> int:
        """Waits until the process ends; returns the exit code."""
        return self._process.wait(timeout)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page on its port; status 0 while nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    @property
    def ready(self) -> bool:
        """Whether /readyz answers 200."""
        return self.get("/readyz")[0] == 200

    def metric(self, sample: str, **labels: str) -> float:
        """A sample of its metrics, summed over the labels that are not given; 0 if there is none."""
        found = 0.0
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for each in family.samples:
                if each.name == sample and labels.items() <= each.labels.items():
                    found += each.value
        return found

    def memory_bytes(self) -> int:
        """Resident memory in bytes; 0 after the process has ended."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def lines(self) -> Iterator[dict[str, Any]]:
        """The log lines of this process and of its predecessors with this name. Fails on a line that is not JSON."""
        for line in self.log.read_text().splitlines():
            yield json.loads(line)
