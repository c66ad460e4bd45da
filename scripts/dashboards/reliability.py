"""What went wrong, and what was recovered."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from scripts.dashboards.panels import Dashboard, Graph, Query, count
from scripts.dashboards.queries import per_hour, series

_LOST, _DEAD = "reelwright_frames_lost_total", "reelwright_dead_letters_total"
_QUARANTINED, _RETRIED = "reelwright_workers_quarantined_total", "reelwright_batches_retried_total"
_REFUSED, _POSTPONED = "reelwright_messages_refused_total", 'state="postponed"'

DASHBOARD = Dashboard(
    "Reliability",
    "What was lost (nothing), what failed, and what was recovered.",
    (
        (
            count("Frames lost", _LOST, "Must read 0, in the time range.", red_from=1),
            count("Dead letters", _DEAD, "In the time range.", red_from=1),
            count("Quarantined workers", _QUARANTINED, "In the time range.", red_from=1),
            count("Recovered batches", _RETRIED, "Restored again, in the time range."),
        ),
        (
            Graph(
                "Recoveries per hour",
                units.Short,
                "Batches that were returned to the queue, by cause, and leases whose time was over.",
                Query(per_hour(_RETRIED, by="cause"), "{{cause}}"),
                Query(per_hour("reelwright_leases_expired_total"), "leases expired"),
            ),
            Graph(
                "Failures per hour",
                units.Short,
                "Failures that nothing recovered.",
                Query(per_hour("reelwright_titles_failed_total"), "titles failed"),
                Query(per_hour(_DEAD), "dead letters"),
                Query(per_hour(_LOST), "frames lost"),
            ),
        ),
        (
            Graph(
                "Quarantined workers per hour",
                units.Short,
                "Workers that were sent away because they are broken.",
                Query(per_hour(_QUARANTINED, by="cause"), "{{cause}}"),
            ),
            Graph(
                "Refused messages per hour",
                units.Short,
                "Streams, messages and credits that the dispatcher refused.",
                Query(per_hour(_REFUSED, by="cause"), "{{cause}}"),
            ),
            Graph(
                "Work not for this cluster, per hour",
                units.Short,
                "Restored batches of another engine than their run's, and titles without a request in the ledger.",
                Query(per_hour("reelwright_batches_refused_total"), "batches of another engine"),
                Query(per_hour("reelwright_stray_titles_total"), "stray titles"),
            ),
        ),
        (
            Graph(
                "Waiting for a store",
                units.Short,
                "Operations that are repeated, by cause, and titles whose source cannot be read.",
                Query(f"sum by (cause) ({series('reelwright_store_waiting')})", "{{cause}}"),
                Query(f"sum({series('reelwright_titles', _POSTPONED)})", "titles postponed"),
            ),
        ),
    ),
)
