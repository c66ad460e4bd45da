"""Ctrl-C and the signals that stop a command: it ends in order, and removes the unfinished files that it made."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from reelwright.titles.errors import Interrupted

_received: list[int] = []


def handle_stop_signals() -> None:
    """Has SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in this process; one that it ignores stays ignored.

    Call it on the main thread.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def check_interrupted() -> None:
    """Raises an interrupt again that was lost: Python drops an exception in a finalizer or a callback of FFmpeg.

    Raises:
        KeyboardInterrupt: a signal has come.
    """
    if _received:
        raise KeyboardInterrupt


@contextmanager
def interruptible(said: str) -> Iterator[None]:
    """Turns a KeyboardInterrupt in a `with` block, and an error after a signal, into the line `said`.

    FFmpeg takes a callback that was interrupted for a file that cannot be read, and the error would say so.

    Raises:
        Interrupted: see above.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(said) from None
    except Exception:
        if _received:
            raise Interrupted(said) from None
        raise


def _interrupt(number: int, _: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt
