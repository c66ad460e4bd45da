"""Expressions in PromQL that several panels share.

Each query is limited to the namespaces that the reader chooses; `All` also matches series
without a namespace, as on one machine. Every dispatcher receives the reports of all titles and has a stream to every
worker, so its gauges of titles and pools are joined by `max`; what belongs to one process alone is added up.
"""

from __future__ import annotations

_NAMESPACE = 'namespace=~"$namespace"'


def series(name: str, *matchers: str) -> str:
    """The series of a metric in the chosen namespaces."""
    return name + "{" + ", ".join((_NAMESPACE, *matchers)) + "}"


def rate(name: str, *matchers: str) -> str:
    """How much a counter grows in a second."""
    return f"rate({series(name, *matchers)}[$__rate_interval])"


def per_hour(name: str, *, by: str = "") -> str:
    """How much a counter of all processes grows in an hour, for each value of the label `by` if one is named."""
    joined = f"sum by ({by}) " if by else "sum"
    return f"3600 * {joined}({rate(name)})"


def growth(name: str) -> str:
    """How much a counter of all processes grew in the time range of the dashboard."""
    return f"sum(increase({series(name)}[$__range]))"


def by_pool(name: str) -> str:
    """A gauge of pools that every dispatcher shows."""
    return f"sum by (pool) (max by (namespace, pool) ({series(name)}))"


def of_titles(name: str) -> str:
    """A gauge of titles that every dispatcher shows."""
    return f"sum(max by (namespace) ({series(name)}))"


def above_zero(expression: str) -> str:
    """An expression to divide by: without a value where it is 0, so that a panel says nothing instead of infinity."""
    return f"({expression} > 0)"


RESTORED = f"sum({rate('reelwright_frames_restored_total')})"
"""Restored frames in a second."""
