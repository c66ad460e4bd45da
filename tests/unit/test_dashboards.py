"""The dashboards are what the script says, and query only what the services have."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest
import yaml

from scripts.dashboards.generator import generate
from tests.support.promql import (
    DASHBOARDS,
    dashboard_queries,
    known_metrics,
    label_values,
    selectors,
    unknown_names,
    with_variables,
)

PROMTOOL = shutil.which("promtool")


def test_generated_dashboards_are_current(tmp_path: Path) -> None:
    """`make dashboards` would change no file of the chart."""
    generate(tmp_path)
    fresh = {path.name: path.read_text() for path in tmp_path.iterdir()}
    held = {path.name: path.read_text() for path in DASHBOARDS.iterdir()}
    assert held == fresh, "run `make dashboards` and commit the result"


def test_dashboards_query_metrics_that_exist() -> None:
    """Each metric and label of a query or legend is one of the services or of Prometheus."""
    for panel, target in dashboard_queries():
        assert unknown_names(target["expr"]) == [], panel
        for label in re.findall(r"{{(\w+)}}", target.get("legendFormat", "")):
            assert unknown_names(f"sum by ({label}) ({target['expr']})") == [], panel


def test_every_query_is_whole_with_namespace_and_window() -> None:
    """A query has no other variables than those that Grafana fills in."""
    for panel, target in dashboard_queries():
        assert "$" not in with_variables(target["expr"], namespace="x", window="5m"), panel


@pytest.mark.skipif(PROMTOOL is None and "CI" not in os.environ, reason="needs promtool")
def test_an_idle_cluster_shows_no_infinity(tmp_path: Path) -> None:
    """With every metric at 0, every selector finds one, and no query gives NaN or infinity."""
    queries = [with_variables(target["expr"], namespace="x", window="5m") for _, target in dashboard_queries()]
    named = label_values(queries)
    series = [
        {"series": name + "{" + ", ".join(f'{label}="{value}"' for label, value in of_one) + "}", "values": "0x60"}
        for name, labels in known_metrics().items()
        for of_one in product(
            *([(label, value) for value in sorted(named.get((name, label), set()) | {"x"})] for label in labels),
            [("namespace", "x")],
        )
    ]
    unsound = {f"count(({query}) != ({query}) or abs({query}) == Inf) or vector(0)" for query in queries}
    missing = {f"absent({selector}) or vector(0)" for query in queries for selector in selectors(query)}
    asked = [
        {"expr": expression, "eval_time": "60m", "exp_samples": [{"labels": "{}", "value": 0}]}
        for expression in sorted(unsound | missing)
    ]
    path = tmp_path / "test.yaml"
    test = {"interval": "1m", "input_series": series, "promql_expr_test": asked}
    path.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([str(PROMTOOL), "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_series_is_of_the_chosen_namespaces() -> None:
    """Two installations in one Prometheus are not added up unless the reader asks for it."""
    for panel, target in dashboard_queries():
        assert "reelwright_" not in re.sub(r'reelwright_\w+\{namespace=~"\$namespace"', "", target["expr"]), panel


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.json")), ids=lambda path: path.stem)
def test_panels_do_not_overlap(path: Path) -> None:
    """Panels do not overlap on the grid of 24 columns, and each has a unit and a description."""
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(path.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize(
    ("expression", "unknown"),
    [
        ("sum by (stage) (rate(reelwright_stage_seconds_total[5m]))", []),
        ('reelwright_stage_seconds{stage="decode"}', ["reelwright_stage_seconds"]),
        ('reelwright_titles{phase="x", namespace="y"}', ["reelwright_titles{phase}"]),
        ("sum by (pool) (reelwright_batches_queued)", ["pool"]),
    ],
)
def test_unknown_names_are_found(expression: str, unknown: list[str]) -> None:
    """A metric or label that the services lack is named, in selectors and in groupings."""
    assert unknown_names(expression) == unknown
