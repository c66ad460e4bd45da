"""Writes times for a person: one form for errors, notes and the report."""

from __future__ import annotations

from fractions import Fraction


def timestamp(seconds: Fraction) -> str:
    """`hh:mm:ss.mmm`, with a minus sign before zero."""
    total = round(abs(seconds) * 1000)
    text = f"{total // 3_600_000:02}:{total // 60_000 % 60:02}:{total // 1000 % 60:02}.{total % 1000:03}"
    return f"-{text}" if seconds < 0 and total else text
