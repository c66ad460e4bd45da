"""A short fault campaign with each kind of fault once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.campaign import run_campaign
from tests.faults.kinds import available_kinds
from tests.faults.report import last_line, markdown, violations

SEED = 7


@pytest.mark.timeout(1200)
def test_films_are_identical_after_every_kind_of_fault(tmp_path: Path) -> None:
    """One fault of every kind while titles are restored: no frame is lost or doubled, and every film is identical."""
    kinds, _ = available_kinds()
    lines: list[str] = []
    result = run_campaign(
        seed=SEED,
        count=len(kinds),
        outage_seconds=0,
        folder=tmp_path / "cluster",
        findings=tmp_path / "findings",
        report_progress=lines.append,
    )
    report = "\n".join((*lines, markdown(result)))
    assert not violations(result), report
    assert f"faults {len(kinds)}, frames lost 0, frames doubled 0, films identical" in last_line(result), report
    assert {event.fault.kind for event in result.events} == {kind.name for kind in kinds}
