"""What the files that make up a delivered film are called."""

from __future__ import annotations

MANIFEST = ".manifest.json"
REPORT = ".report.html"


def manifest_location(film: str) -> str:
    """Where a film's manifest lies: beside it, under its full name."""
    return film + MANIFEST


def report_location(film: str) -> str:
    """Where a film's report lies: beside it, under its full name."""
    return film + REPORT
