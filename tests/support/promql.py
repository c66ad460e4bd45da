"""Names in PromQL expressions, and the metrics that the services have."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "helm" / "reelwright" / "files" / "dashboards"
RULES = ROOT / "helm" / "reelwright" / "files" / "alerts.yaml"
_METRICS = ROOT / "services" / "reelwright" / "telemetry" / "metrics.py"
# Labels that Prometheus or the Prometheus operator adds to each series of a process.
_TARGET_LABELS = frozenset({"namespace", "pod", "job", "instance"})
# A metric, with its matchers.
_SELECTOR = re.compile(r"\b(reelwright_\w+)(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|on|group_left|ignoring|without) \(([^)]*)\)")


@cache
def known_metrics() -> dict[str, frozenset[str]]:
    """The labels of each metric of the services, by the name that Prometheus shows."""
    found = {}
    for node in ast.parse(_METRICS.read_text()).body:
        match node:
            case ast.Assign(value=ast.Call(func=ast.Name(id="Counter" | "Gauge" as kind), args=arguments)):
                name, _, *labels = map(ast.literal_eval, arguments)
                found[name + "_total" * (kind == "Counter")] = frozenset(labels[0] if labels else ())
    assert found
    return found


def unknown_names(expression: str) -> list[str]:
    """Metrics and labels of an expression that the services do not have."""
    known, unknown = known_metrics(), []
    labels = set(_TARGET_LABELS)
    for metric, matchers in _SELECTOR.findall(expression):
        if metric not in known:
            unknown.append(metric)
            continue
        labels |= known[metric]
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', matchers)))
        unknown += [f"{metric}{{{label}}}" for label in used - known[metric] - _TARGET_LABELS]
    grouped = {label for group in _GROUPING.findall(expression) for label in re.findall(r"\w+", group)}
    return sorted([*unknown, *(grouped - labels)])


def label_values(expressions: Iterable[str]) -> dict[tuple[str, str], set[str]]:
    """The values that expressions name of each label of each metric."""
    found: dict[tuple[str, str], set[str]] = {}
    for metric, matchers in (found for each in expressions for found in _SELECTOR.findall(each)):
        for label, value in re.findall(r'(\w+)\s*!?=\s*"([^"]*)"', matchers):
            found.setdefault((metric, label), set()).add(value)
    return found


def dashboard_queries() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each query of the dashboards, with the names of dashboard and panel."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target


def alerts() -> list[dict[str, Any]]:
    """The alerts of the chart, as in the file."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def selectors(expression: str) -> list[str]:
    """The metrics of an expression, each with its matchers."""
    return [name + "{" + matchers + "}" for name, matchers in _SELECTOR.findall(expression)]


def with_variables(expression: str, *, namespace: str, window: str) -> str:
    """An expression of a dashboard as Grafana sends it.

    Args:
        expression: with Grafana's variables.
        namespace: the chosen one.
        window: the range of the dashboard, and of rates, such as `5m`.
    """
    for variable, value in {"$namespace": namespace, "$__rate_interval": window, "$__range": window}.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression
