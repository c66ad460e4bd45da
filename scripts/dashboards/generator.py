"""Writes the dashboards as the files that Grafana imports."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, VariableOption, VariableRefresh

from scripts.dashboards import fleet, pipeline, reliability, titles
from scripts.dashboards.panels import DATA_SOURCE, Dashboard

DASHBOARDS = (fleet.DASHBOARD, titles.DASHBOARD, pipeline.DASHBOARD, reliability.DASHBOARD)
_GRID_COLUMNS = 24


def generate(folder: Path) -> None:
    """Writes a file for each dashboard.

    Args:
        folder: the folder that they are written into.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for each in DASHBOARDS:
        (folder / f"{each.title.lower()}.json").write_text(_json(each))


def _json(content: Dashboard) -> str:
    namespaces = dashboard.QueryVariable("namespace").label("Namespace").datasource(DATA_SOURCE)
    built = (
        dashboard.Dashboard(f"Reelwright / {content.title}")
        .uid(f"reelwright-{content.title.lower()}")
        .description(content.description)
        .tags(["reelwright"])
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(dashboard.DashboardLink("Reelwright").tags(["reelwright"]).as_dropdown(True).keep_time(True))
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            namespaces.query("label_values(reelwright_build_info, namespace)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(VariableOption(selected=True, text="All", value="$__all"))
        )
    )
    for row in content.rows:
        for panel, columns in zip(row, _columns(len(row)), strict=True):
            built.with_panel(panel.build(columns))
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"


def _columns(panels: int) -> list[int]:
    """Widths of the panels of a row: a row that is not full would go on with the next panel."""
    ends = [_GRID_COLUMNS * (index + 1) // panels for index in range(panels)]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
