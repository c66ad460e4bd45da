"""Publishing by a command or the controller: bounded in time, unlike the bus itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reelwright.bus.protocol import Bus, BusClosed
from reelwright.titles.errors import UnavailableError

PUBLISH_SECONDS = 30.0
"""A broker that accepts nothing for this long counts as one that does not answer."""


@contextmanager
def publishing(bus: Bus, seconds: float = PUBLISH_SECONDS) -> Iterator[None]:
    """Bounds the publications of a `with` block: a bus that takes nothing for so many seconds is closed.

    Raises:
        UnavailableError: the bus was closed before it had the message.
    """
    # The bus itself waits for a broker without a limit.
    deadline = threading.Timer(seconds, bus.close)
    deadline.daemon = True
    deadline.start()
    try:
        yield
    except BusClosed:
        raise UnavailableError("takes no messages", "the broker", "try again when it does") from None
    finally:
        deadline.cancel()
