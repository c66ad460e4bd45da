"""Draws the dashboards of the chart from the data of a Prometheus, panel by panel, in place of Grafana."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tests.support.prometheus import NAMESPACE, Prometheus
from tests.support.promql import with_variables

# Widths and heights of panels are in cells of Grafana's grid.
_COLUMNS = 24
_CELL_INCHES = (0.5, 0.28)
_GAP_INCHES = 0.12
_HEADER_INCHES = 0.5
# Numbers with more digits say nothing in a picture.
_DIGITS = 3
_GRAPH_POINTS = 120
_GREEN, _RED, _GRAY = "#2e7d32", "#c62828", "#555555"
_LEGEND_COLUMNS = 3
_LEGEND_SHARE = 0.16


class RecordedRun:
    """The data of a run, as the queries of dashboards find it.

    Args:
        prometheus: has the data.
        begin: Unix seconds at which the run began.
        end: Unix seconds at which it ended.
        window: window of rates, such as `30s`.
    """

    def __init__(self, prometheus: Prometheus, begin: float, end: float, window: str) -> None:
        self._prometheus, self._begin, self.end, self._window = prometheus, begin, end, window

    def at_end(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The samples of a query at the end of the run; increases are those of the whole run."""
        return self._prometheus.query(self._filled(expression), self.end)

    def over_time(self, expression: str) -> list[tuple[dict[str, str], list[float], list[float]]]:
        """The series of a query: labels, minutes since the begin, and values; gaps are NaN."""
        step = max(1.0, (self.end - self._begin) / _GRAPH_POINTS)
        found = self._prometheus.query_range(self._filled(expression), self._begin, self.end, step)
        times = [self._begin + index * step for index in range(int((self.end - self._begin) / step) + 1)]
        series = []
        for labels, samples in found:
            known = {round((at - self._begin) / step): value for at, value in samples}
            values = [known.get(index, math.nan) for index in range(len(times))]
            series.append((labels, [(at - self._begin) / 60 for at in times], values))
        return series

    def _filled(self, expression: str) -> str:
        span = f"{math.ceil(self.end - self._begin)}s"
        expression = expression.replace("$__range", span)
        return with_variables(expression, namespace=NAMESPACE, window=self._window)


def draw_dashboard(dashboard: Path, run: RecordedRun, target: Path) -> None:
    """Draws a dashboard of the chart.

    Args:
        dashboard: the dashboard as Grafana imports it.
        run: the data.
        target: the SVG file to write.
    """
    page: dict[str, Any] = json.loads(dashboard.read_text())
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in page["panels"])
    width, height = _COLUMNS * _CELL_INCHES[0], rows * _CELL_INCHES[1] + _HEADER_INCHES
    figure = Figure(figsize=(width, height))
    figure.text(0.008, 1 - 0.25 / height, page["title"], fontsize=13, weight="bold", va="center")
    for panel in page["panels"]:
        place = panel["gridPos"]
        left, top = place["x"] * _CELL_INCHES[0], place["y"] * _CELL_INCHES[1] + _HEADER_INCHES
        across, down = place["w"] * _CELL_INCHES[0] - _GAP_INCHES, place["h"] * _CELL_INCHES[1] - _GAP_INCHES
        rectangle = (left / width, 1 - (top + down) / height, across / width, down / height)
        frame = figure.add_axes(rectangle, xticks=[], yticks=[])
        frame.spines[:].set_color("#cccccc")
        frame.text(0.015, 0.97, panel["title"], fontsize=8, color=_GRAY, va="top", transform=frame.transAxes)
        if panel["type"] == "stat":
            _draw_number(frame, panel, run)
        else:
            inner = (0.075, 0.12 + _LEGEND_SHARE, 0.905, 0.74 - _LEGEND_SHARE)
            _draw_graph(frame.inset_axes(inner), panel, run)
    drawing = io.StringIO()
    # Text as text and two decimals: outlines of letters and further decimals would be most of the file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": dashboard.stem, "font.family": "sans-serif"}):
        FigureCanvasSVG(figure).print_svg(drawing, metadata={"Date": None})  # type: ignore[no-untyped-call]
    target.write_text(re.sub(r"(\d\.\d\d)\d+", r"\1", drawing.getvalue()))


def _draw_number(frame: Axes, panel: dict[str, Any], run: RecordedRun) -> None:
    (query,) = panel["targets"]
    found, defaults = run.at_end(query["expr"]), panel["fieldConfig"]["defaults"]
    color = _GREEN
    if not found:
        text = defaults["noValue"]
    elif query.get("legendFormat"):
        text = _legend(query["legendFormat"], found[0][0])
    else:
        value = found[0][1]
        limits = [step["value"] for step in defaults["thresholds"]["steps"] if step["value"] is not None]
        color = _RED if limits and value >= limits[0] else _GREEN
        text = _shown(round(value) if defaults.get("decimals") == 0 else value, defaults["unit"])
    frame.text(0.5, 0.42, text, fontsize=15, color=color, ha="center", va="center", transform=frame.transAxes)


def _draw_graph(axes: Axes, panel: dict[str, Any], run: RecordedRun) -> None:
    curves: list[tuple[str, list[float], list[float]]] = []
    for query in panel["targets"]:
        for labels, minutes, values in run.over_time(query["expr"]):
            curves.append((_legend(query["legendFormat"], labels), minutes, values))
    stacking = panel["fieldConfig"]["defaults"].get("custom", {}).get("stacking", {}).get("mode")
    if stacking == "normal" and curves:
        heights = [[0.0 if math.isnan(value) else value for value in values] for _, _, values in curves]
        axes.stackplot(curves[0][1], *heights, labels=[name for name, _, _ in curves], alpha=0.5)
    else:
        for name, minutes, values in curves:
            axes.plot(minutes, values, label=name, linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    unit = panel["fieldConfig"]["defaults"]["unit"]
    axes.yaxis.set_major_formatter(lambda value, _: _shown(value, unit))
    axes.tick_params(labelsize=6, length=2, color="#cccccc")
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("minutes", fontsize=6, labelpad=1, loc="right")
    if curves:
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(-0.04, -0.16),
            ncols=_LEGEND_COLUMNS,
            fontsize=6,
            frameon=False,
            handlelength=1.2,
            columnspacing=1,
            labelspacing=0.2,
            borderaxespad=0,
        )


def _legend(template: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        template = template.replace("{{" + name + "}}", value)
    return template


def _shown(value: float, unit: str) -> str:
    """A value in a unit of Grafana."""
    if unit == "percentunit":
        return f"{100 * value:.0f} %"
    number = f"{value:.{_DIGITS}g}" if abs(value) < 10**_DIGITS else f"{value:,.0f}"
    return f"{number} s" if unit == "s" else number
