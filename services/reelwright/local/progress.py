"""What a person sees while a film is being restored: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from reelwright.telemetry.progress import ProgressMeter

# A log that nobody watches wants a sign of life now and then, not a film strip.
_LINE_SECONDS = 10.0


class ProgressDisplay:
    """Shows a meter on stderr from `with` to its end.

    Args:
        meter: what to show; `update` reads it again.
        name: the film's.
    """

    def __init__(self, meter: ProgressMeter, name: str) -> None:
        self._meter = meter
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[line]}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(name, total=meter.total, line="")
        self._printed = time.monotonic()

    def __enter__(self) -> ProgressDisplay:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self) -> None:
        """Shows the meter as it stands."""
        if self._bar is not None:
            self._bar.update(self._task, completed=self._meter.done, total=self._meter.total, line=self._line())
        elif time.monotonic() - self._printed >= _LINE_SECONDS:
            self._printed = time.monotonic()
            print(self._line(), file=sys.stderr, flush=True)  # noqa: T201 - this is the display

    def _line(self) -> str:
        meter = self._meter
        total = f"/{meter.total}" if meter.total else ""
        eta = meter.eta
        left = f", {_clock(eta)} left" if eta is not None else ""
        return f"{meter.done}{total} frames, {meter.fps:.1f} fps{left}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
