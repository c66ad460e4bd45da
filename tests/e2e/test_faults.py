"""A short campaign: each kind of fault once, on films that come out as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.campaign import run_campaign
from tests.faults.kinds import usable_kinds
from tests.faults.report import broken_promises, last_line, markdown

SEED = 7


@pytest.mark.timeout(1200)
def test_films_are_whole_and_identical_whatever_happens(tmp_path: Path) -> None:
    """One fault of every kind while titles are restored: no frame lost or doubled, every film identical."""
    kinds, _ = usable_kinds()
    lines: list[str] = []
    result = run_campaign(SEED, len(kinds), 0, tmp_path / "world", tmp_path / "findings", lines.append)
    told = "\n".join((*lines, markdown(result)))
    assert not broken_promises(result), told
    assert f"faults {len(kinds)}, frames lost 0, frames doubled 0, films identical" in last_line(result), told
    assert {happened.fault.kind for happened in result.happened} == {kind.name for kind in kinds}
