"""Throughput, use and cost of the workers."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from scripts.dashboards.panels import Dashboard, Graph, Number, Query
from scripts.dashboards.queries import RESTORED, above_zero, by_pool, rate, series

# Frames in an hour of film, at the 24 frames a second of cinema film since 1927.
_FILM_HOUR_FRAMES = 24 * 3600

_COST = f"sum(max by (namespace, pool) ({series('reelwright_pool_cost_per_hour')}))"
_COST_OF_FILM_HOUR = f"{_COST} / ({above_zero(RESTORED)} * 3600 / {_FILM_HOUR_FRAMES})"
_THREADS = above_zero(f"sum({series('reelwright_worker_threads')})")
_BUSY = f"sum({rate('reelwright_worker_busy_seconds_total')}) / {_THREADS}"

DASHBOARD = Dashboard(
    "Fleet",
    "How much the workers restore, how busy they are, how many are wanted and what they cost.",
    (
        (
            Number("Restored frames per second", RESTORED, units.Short, "Frames restored and accepted by the bus."),
            Number("Busy", _BUSY, units.PercentUnit, "Share of their time in which restoration threads work."),
            Number("Workers", f"sum({by_pool('reelwright_workers_connected')})", units.Short, "Connected workers."),
            Number("Cost per hour", _COST, units.Short, "Prices per hour of the connected workers, added up."),
            Number("Cost per film hour", _COST_OF_FILM_HOUR, units.Short, "For 86,400 frames, at the present speed."),
        ),
        (
            Graph(
                "Throughput",
                units.Short,
                "Frames per second. A stage that stays above the next one fills the queue between them.",
                Query(f"sum({rate('reelwright_frames_decoded_total')})", "decoded"),
                Query(RESTORED, "restored"),
                Query(f"sum({rate('reelwright_frames_encoded_total')})", "encoded"),
            ),
            Graph(
                "Busy",
                units.PercentUnit,
                "Share of their time in which restoration threads work.",
                Query(_BUSY, "busy"),
            ),
        ),
        (
            Graph(
                "Pods wanted and connected",
                units.Short,
                "What the dispatcher answers to KEDA, and the workers that are connected.",
                Query(by_pool("reelwright_pods_wanted"), "{{pool}} wanted"),
                Query(by_pool("reelwright_workers_connected"), "{{pool}} connected"),
            ),
            Graph(
                "Why so many pods",
                units.Short,
                "Pods wanted by reason; docs/autoscaling.md has the reasons.",
                Query(f"max by (pool, reason) ({series('reelwright_pods_wanted')})", "{{pool}} {{reason}}"),
            ),
        ),
        (
            Graph(
                "Frames per second of a pod",
                units.Short,
                "While it works; the dispatcher measures it.",
                Query(f"max by (pool) ({series('reelwright_pod_frames_per_second')})", "{{pool}}"),
            ),
            Graph(
                "Cost per hour",
                units.Short,
                "Prices per hour of the connected workers.",
                Query(by_pool("reelwright_pool_cost_per_hour"), "{{pool}}"),
                stacked=True,
            ),
            Graph(
                "Processes",
                units.Short,
                "By role and version. An upgrade shows two versions for a while.",
                Query(f"count by (role, version) ({series('reelwright_build_info')})", "{{role}} {{version}}"),
            ),
        ),
    ),
)
