"""The README of the chart describes every value, and is what the script says."""

from __future__ import annotations

from pathlib import Path

from scripts.values_table import CHART, VALUES, main, values


def test_the_readme_of_the_chart_is_current(tmp_path: Path) -> None:
    """`make values` would not change the README."""
    main(tmp_path / "README.md")
    assert (CHART / "README.md").read_text() == (tmp_path / "README.md").read_text(), "run `make values`"


def test_every_value_is_described() -> None:
    """Each value, or the group that it is in, has a comment that says what it means."""
    described: set[str] = set()
    for value in values(VALUES.read_text()):
        group = value.path.rpartition(".")[0]
        if value.meaning or group in described:
            described.add(value.path)
        assert value.path in described or isinstance(value.default, dict), value.path
