"""Panels and queries of the Grafana dashboards, for Grafana 10.1 and later.

Each query is limited to the namespaces that the reader chooses; `All` also matches series
without a namespace, as on one machine. Every dispatcher receives the reports of all titles and has a stream to every
worker, so its gauges of titles and pools are joined by `max`; what belongs to one process alone is added up.
"""

from __future__ import annotations

from typing import NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import BigValueGraphMode, BigValueTextMode, StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

_DATA_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_NAMESPACE = 'namespace=~"$namespace"'
_GRID_COLUMNS = 24


class Query(NamedTuple):
    """A query of a panel.

    Attributes:
        expression: in PromQL.
        legend: name of its series, with labels as `{{label}}`.
    """

    expression: str
    legend: str


def series(name: str, *matchers: str) -> str:
    """The series of a metric in the chosen namespaces."""
    return name + "{" + ", ".join((_NAMESPACE, *matchers)) + "}"


def rate(name: str, *matchers: str) -> str:
    """How much a counter grows in a second."""
    return f"rate({series(name, *matchers)}[$__rate_interval])"


def growth(name: str) -> str:
    """How much a counter of all processes grew in the time range of the dashboard."""
    return f"sum(increase({series(name)}[$__range]))"


def by_pool(name: str) -> str:
    """A gauge of pools that every dispatcher shows."""
    return f"sum by (pool) (max by (namespace, pool) ({series(name)}))"


def of_titles(name: str) -> str:
    """A gauge of titles that every dispatcher shows."""
    return f"sum(max by (namespace) ({series(name)}))"


class Page:
    """A dashboard under construction: a row of numbers over rows of graphs.

    Args:
        title: after the word Reelwright.
        description: what the dashboard answers.
    """

    def __init__(self, title: str, description: str) -> None:
        namespaces = dashboard.QueryVariable("namespace").label("Namespace").datasource(_DATA_SOURCE)
        self._dashboard = (
            dashboard.Dashboard(f"Reelwright / {title}")
            .uid(f"reelwright-{title.lower()}")
            .description(description)
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

    def numbers(self, *panels: stat.Panel) -> Page:
        """Adds panels with one number each, side by side."""
        for panel, columns in zip(panels, _columns(len(panels)), strict=True):
            self._dashboard.with_panel(panel.height(4).span(columns))
        return self

    def graphs(self, *panels: timeseries.Panel) -> Page:
        """Adds graphs, side by side."""
        for panel, columns in zip(panels, _columns(len(panels)), strict=True):
            self._dashboard.with_panel(panel.height(8).span(columns))
        return self

    def json(self) -> str:
        """The dashboard as Grafana imports it."""
        return JSONEncoder(sort_keys=True, indent=2).encode(self._dashboard.build()) + "\n"


def above_zero(expression: str) -> str:
    """An expression to divide by: without a value where it is 0, so that a panel says nothing instead of infinity."""
    return f"({expression} > 0)"


def number(
    title: str, expression: str, unit: str, description: str, *, red_from: float | None = None, legend: str = ""
) -> stat.Panel:
    """A panel with the present value of a query; with a legend, the name of the series instead."""
    limits = [Threshold(value=None, color="green")]
    if red_from is not None:
        limits.append(Threshold(value=red_from, color="red"))
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(_DATA_SOURCE)
        .unit(unit)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(limits))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(BigValueGraphMode.NONE)
        .no_value("-")
        .with_target(_target(Query(expression, legend), 0).instant())
    )
    return panel.text_mode(BigValueTextMode.NAME) if legend else panel


def count(title: str, counter: str, description: str, *, red_from: float | None = None) -> stat.Panel:
    """A panel with the events of a counter in the time range.

    Rounded, because Prometheus extrapolates a growth to the ends of its window: one event may read 1.03.
    """
    return number(title, growth(counter), units.Short, description, red_from=red_from).decimals(0)


def graph(title: str, unit: str, description: str, *queries: Query, stacked: bool = False) -> timeseries.Panel:
    """A panel with the series of queries over time."""
    panel = timeseries.Panel().title(title).description(description).datasource(_DATA_SOURCE).unit(unit).min(0)
    for index, query in enumerate(queries):
        panel.with_target(_target(query, index))
    if stacked:
        panel.fill_opacity(20).stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    return panel


def _columns(panels: int) -> list[int]:
    """Widths of the panels of a row: a row that is not full would go on with the next panel."""
    ends = [_GRID_COLUMNS * (index + 1) // panels for index in range(panels)]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def _target(query: Query, index: int) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).ref_id("ABCDEFGH"[index]).datasource(_DATA_SOURCE)
    return target.legend_format(query.legend) if query.legend else target
