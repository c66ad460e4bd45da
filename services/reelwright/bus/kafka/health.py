"""Broker health: whether the broker answers, which readiness shows."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from kafka import KafkaAdminClient

from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread

log = get_logger(__name__)

_REQUEST_SECONDS = 2.0
_SILENCE_SECONDS = 10.0


class BrokerHealth:
    """Sends the broker a small request after two seconds without an answer, on a thread, until `close`. Thread-safe.

    Args:
        admin: sends the requests; `close` closes it.
    """

    def __init__(self, admin: KafkaAdminClient) -> None:
        self._admin = admin
        self._lock = threading.Lock()
        self._last_answer = time.monotonic()
        self._stop = threading.Event()
        # Two threads: a request to a broker that has frozen blocks the first one for longer than the silence to log.
        self._threads = [
            SupervisedThread("kafka-health", self._send_requests, restart_until=self._stop, daemon=True),
            SupervisedThread("kafka-health-log", self._log_changes, restart_until=self._stop, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def connected(self) -> bool:
        """Whether the broker has answered within the last ten seconds."""
        with self._lock:
            return time.monotonic() - self._last_answer < _SILENCE_SECONDS

    def record_answer(self) -> None:
        """The broker has answered just now, to whatever request."""
        with self._lock:
            self._last_answer = time.monotonic()

    def close(self) -> None:
        """Stops the threads and closes the admin client, which ends the request it waits for."""
        self._stop.set()
        self._admin.close()
        for thread in self._threads:
            thread.join()

    def _send_requests(self) -> None:
        while not self._stop.wait(self._seconds_to_request()):
            # Answers to consumers and publishers tell as much.
            if self._seconds_to_request() > 0:
                continue
            # Every error of the library means the same here: no answer.
            with suppress(Exception):
                self._admin.describe_cluster()
                self.record_answer()
            self._stop.wait(_REQUEST_SECONDS)

    def _seconds_to_request(self) -> float:
        with self._lock:
            return max(0.0, self._last_answer + _REQUEST_SECONDS - time.monotonic())

    def _log_changes(self) -> None:
        was_connected = True
        while not self._stop.wait(_REQUEST_SECONDS):
            connected = self.connected
            if connected and not was_connected:
                log.warning("broker answers again")
            elif was_connected and not connected:
                log.error("broker does not answer")
            was_connected = connected
