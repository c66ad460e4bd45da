"""Whether the broker answers."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from kafka import KafkaAdminClient

from reelwright.telemetry.logs import get_logger

log = get_logger(__name__)

_ASK_SECONDS = 2.0
_SILENCE_SECONDS = 10.0


class BrokerHealth:
    """Asks the broker something small every two seconds, on a thread of its own, until `close`.

    Args:
        admin: closed with it.
    """

    def __init__(self, admin: KafkaAdminClient) -> None:
        self._admin = admin
        self._answered = time.monotonic()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, name="kafka-watch", daemon=True),
            threading.Thread(target=self._report, name="kafka-report", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def connected(self) -> bool:
        """Whether the broker answered within the last ten seconds."""
        return time.monotonic() - self._answered < _SILENCE_SECONDS

    def answered(self) -> None:
        """Somebody else had an answer."""
        self._answered = time.monotonic()

    def close(self) -> None:
        """Stops asking."""
        self._stop.set()
        self._admin.close()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            # Whatever the library raises means the same here: no answer.
            with suppress(Exception):
                self._admin.describe_cluster()
                self.answered()
            self._stop.wait(_ASK_SECONDS)

    def _report(self) -> None:
        was = True
        while not self._stop.wait(_ASK_SECONDS):
            if (now := self.connected) != was:
                was = now
                if now:
                    log.warning("the broker answers again")
                else:
                    log.error("the broker does not answer")
