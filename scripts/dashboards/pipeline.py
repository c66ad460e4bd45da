"""Where the work waits."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from scripts.dashboards.panels import Dashboard, Graph, Number, Query
from scripts.dashboards.queries import RESTORED, above_zero, rate, series

# Seconds of work in a second, for each process that does such work.
_STAGE_LOAD = (
    f"sum by (stage) ({rate('reelwright_stage_seconds_total')})"
    f" / count by (stage) {above_zero(rate('reelwright_stage_seconds_total'))}"
)
_STAGES = f"sum by (stage) ({rate('reelwright_stage_seconds_total')})"

DASHBOARD = Dashboard(
    "Pipeline",
    "Where frames wait, and which stage is the limit.",
    (
        (
            Number(
                "Limiting stage",
                f"topk(1, {_STAGE_LOAD})",
                units.PercentUnit,
                "The stage whose processes are the busiest.",
                legend="{{stage}}",
            ),
            Number(
                "Batches queued", f"sum({series('reelwright_batches_queued')})", units.Short, "They wait for a worker."
            ),
            Number("Batches leased", f"sum({series('reelwright_batches_leased')})", units.Short, "Workers have them."),
            Number(
                "Batches unserved",
                f"sum({series('reelwright_batches_unserved')})",
                units.Short,
                "No connected worker has their model or engine.",
                red_from=1,
            ),
            Number(
                "Segments open",
                f"sum({series('reelwright_segments_open')})",
                units.Short,
                "Encoders have a codec open.",
            ),
        ),
        (
            Graph(
                "Load of a stage",
                units.PercentUnit,
                "Seconds of work in a second, for each process that does it; more than 100% with several threads.",
                Query(_STAGE_LOAD, "{{stage}}"),
            ),
            Graph(
                "Seconds of each stage",
                units.Seconds,
                "In a second, over all processes.",
                Query(_STAGES, "{{stage}}"),
                stacked=True,
            ),
        ),
        (
            Graph(
                "Seconds of each stage per restored frame",
                units.Seconds,
                "What a frame costs in each stage.",
                Query(f"{_STAGES} / on () group_left () {above_zero(RESTORED)}", "{{stage}}"),
            ),
            Graph(
                "Records behind",
                units.Short,
                "Records that a group has not acknowledged. Titles stay until their outcome.",
                Query(f"sum by (group, topic) ({series('reelwright_consumer_lag')})", "{{group}} {{topic}}"),
            ),
        ),
        (
            Graph(
                "Batches",
                units.Short,
                "At the dispatchers.",
                *(
                    Query(f"sum({series(f'reelwright_batches_{state}')})", state)
                    for state in ("queued", "leased", "unserved")
                ),
            ),
            Graph(
                "Segments committed per minute",
                units.Short,
                "To the ledger.",
                Query(f"60 * sum({rate('reelwright_segments_committed_total')})", "committed"),
            ),
            Graph(
                "Time since a commit",
                units.Seconds,
                "Of the encoder that committed last, and of the one that waits longest.",
                Query(f"min({series('reelwright_seconds_since_commit')} > 0)", "shortest"),
                Query(f"max({series('reelwright_seconds_since_commit')})", "longest"),
            ),
        ),
    ),
)
