"""What a dashboard consists of, and how its panels are built for Grafana 10.1 and later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import BigValueGraphMode, BigValueTextMode, StackingMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode

from scripts.dashboards.queries import growth

DATA_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The one that the reader chooses."""


class Query(NamedTuple):
    """A query of a panel.

    Attributes:
        expression: in PromQL.
        legend: name of its series, with labels as `{{label}}`.
    """

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Number:
    """A panel with the present value of a query; with a legend, the name of the series instead.

    Attributes:
        title: of the panel.
        expression: in PromQL.
        unit: of the value.
        description: for people.
        red_from: value from which the panel is red; never if None.
        legend: as of a query; empty for the value.
        decimals: of the value; as many as Grafana finds right if None.
    """

    title: str
    expression: str
    unit: str
    description: str
    red_from: float | None = None
    legend: str = ""
    decimals: int | None = None

    def build(self, columns: int) -> stat.Panel:
        """The panel, so many columns wide."""
        limits = [Threshold(value=None, color="green")]
        if self.red_from is not None:
            limits.append(Threshold(value=self.red_from, color="red"))
        panel = (
            stat.Panel()
            .title(self.title)
            .description(self.description)
            .datasource(DATA_SOURCE)
            .unit(self.unit)
            .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(limits))
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
            .graph_mode(BigValueGraphMode.NONE)
            .no_value("-")
            .with_target(_target(Query(self.expression, self.legend), 0).instant())
            .height(4)
            .span(columns)
        )
        if self.decimals is not None:
            panel = panel.decimals(self.decimals)
        return panel.text_mode(BigValueTextMode.NAME) if self.legend else panel


def count(title: str, counter: str, description: str, *, red_from: float | None = None) -> Number:
    """A panel with the events of a counter in the time range.

    Rounded, because Prometheus extrapolates a growth to the ends of its window: one event may read 1.03.
    """
    return Number(title, growth(counter), units.Short, description, red_from=red_from, decimals=0)


class Graph:
    """A panel with the series of queries over time.

    Args:
        title: of the panel.
        unit: of the values.
        description: for people.
        queries: whose series are drawn.
        stacked: one series on top of the other.
    """

    def __init__(self, title: str, unit: str, description: str, *queries: Query, stacked: bool = False) -> None:
        self._title, self._unit, self._description = title, unit, description
        self._queries, self._stacked = queries, stacked

    def build(self, columns: int) -> timeseries.Panel:
        """The panel, so many columns wide."""
        panel = timeseries.Panel().title(self._title).description(self._description).datasource(DATA_SOURCE)
        panel.unit(self._unit).min(0).height(8).span(columns)
        for index, query in enumerate(self._queries):
            panel.with_target(_target(query, index))
        if self._stacked:
            panel.fill_opacity(20).stacking(common.StackingConfig().mode(StackingMode.NORMAL))
        return panel


class Dashboard(NamedTuple):
    """A dashboard.

    Attributes:
        title: after the word Reelwright; in lower case, the name of its file.
        description: what it answers.
        rows: its panels, those of a row side by side.
    """

    title: str
    description: str
    rows: tuple[tuple[Number | Graph, ...], ...]


def _target(query: Query, index: int) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).ref_id("ABCDEFGH"[index]).datasource(DATA_SOURCE)
    return target.legend_format(query.legend) if query.legend else target
