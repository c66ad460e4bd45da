"""Writes times and time spans for a person: one form for errors, notes, the report, forecasts and the command line."""

from __future__ import annotations

from fractions import Fraction


def timestamp(seconds: Fraction) -> str:
    """`hh:mm:ss.mmm`, with a minus sign before zero."""
    total = round(abs(seconds) * 1000)
    text = f"{total // 3_600_000:02}:{total // 60_000 % 60:02}:{total // 1000 % 60:02}.{total % 1000:03}"
    return f"-{text}" if seconds < 0 and total else text


def time_span(seconds: float) -> str:
    """A time span in its one or two largest units: `4.2 s`, `45 s`, `12 min 05 s`, `3 h`, `2 d 04 h`.

    Args:
        seconds: 0 or more.
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    names, sizes = ("d", "h", "min", "s"), (86_400, 3600, 60, 1)
    largest = next(number for number, size in enumerate(sizes) if whole >= size)
    count, rest = divmod(whole, sizes[largest])
    more = rest // sizes[largest + 1]
    return f"{count} {names[largest]}" + (f" {more:02} {names[largest + 1]}" if more else "")
