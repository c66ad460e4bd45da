"""The CustomResourceDefinitions of the chart are what the typed classes say."""

from __future__ import annotations

from pathlib import Path

from scripts.crds import TARGET, generate


def test_definitions_are_current(tmp_path: Path) -> None:
    """`make crds` would change no file of the chart."""
    generate(tmp_path)
    fresh = {path.name: path.read_text() for path in tmp_path.iterdir()}
    held = {path.name: path.read_text() for path in TARGET.glob("*.yaml") if path.name in fresh}
    assert held == fresh, "run `make crds` and commit the result"
