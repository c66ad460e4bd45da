"""The variables of the dashboards' queries."""

from __future__ import annotations

from tests.support.promql import dashboard_queries, with_variables


def test_every_query_is_whole_with_namespace_and_window() -> None:
    """A query has no other variables than those that Grafana fills in."""
    for panel, target in dashboard_queries():
        assert "$" not in with_variables(target["expr"], namespace="x", window="5m"), panel
