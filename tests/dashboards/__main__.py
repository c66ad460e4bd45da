"""Draws the dashboards of the chart with the data of a run: `make dashboards-pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.dashboards.pictures import draw_dashboard
from tests.dashboards.recorded_cluster import recorded_run
from tests.support.promql import DASHBOARDS, ROOT

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="reelwright-dashboards-") as name, recorded_run(Path(name)) as run:
        for dashboard in sorted(DASHBOARDS.glob("*.json")):
            draw_dashboard(dashboard, run, ROOT / "docs" / "images" / f"dashboard-{dashboard.stem}.svg")
