"""The progress of a restoration on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from reelwright.cli.output import print_status
from reelwright.media.timestamp import time_span
from reelwright.telemetry.progress import ProgressMeter

_LINE_SECONDS = 10.0


class ProgressDisplay:
    """Shows a progress meter on stderr inside a `with` block.

    Args:
        name: name of the film.
        line_seconds: time between two lines in a log file.
    """

    def __init__(self, name: str, line_seconds: float = _LINE_SECONDS) -> None:
        self._name, self._line_seconds = name, line_seconds
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if sys.stderr is not None and sys.stderr.isatty():
            columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[line]}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._printed = time.monotonic()

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, meter: ProgressMeter) -> None:
        """Shows the present state of the meter."""
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task(self._name, total=meter.total, line="")
                self._bar.start()
            self._bar.update(self._task, completed=meter.done, total=meter.total, line=_line(meter))
        elif time.monotonic() - self._printed >= self._line_seconds:
            self._printed = time.monotonic()
            print_status(_line(meter))


def _line(meter: ProgressMeter) -> str:
    total = f"/{meter.total}" if meter.total else ""
    eta = meter.eta
    left = f", {time_span(eta)} left" if eta is not None else ""
    return f"{meter.done}{total} frames, {meter.fps:.1f} fps{left}"
