"""Generates the Grafana dashboards of the chart (`make dashboards`). A test checks that the files are current."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.models import units

from scripts.dashboard_panels import (
    Page,
    Query,
    above_zero,
    by_pool,
    count,
    graph,
    growth,
    number,
    of_titles,
    rate,
    series,
)

FOLDER = Path(__file__).resolve().parent.parent / "helm" / "reelwright" / "files" / "dashboards"
# Frames in an hour of film, at the 24 frames a second of cinema film since 1927.
_FILM_HOUR_FRAMES = 24 * 3600

_COST = f"sum(max by (namespace, pool) ({series('reelwright_pool_cost_per_hour')}))"
_RESTORED = f"sum({rate('reelwright_frames_restored_total')})"
_COST_OF_FILM_HOUR = f"{_COST} / ({above_zero(_RESTORED)} * 3600 / {_FILM_HOUR_FRAMES})"
_COST_OF_DELIVERED_HOUR = (
    f"3600 * {growth('reelwright_film_cost_total')} / {above_zero(growth('reelwright_film_seconds_total'))}"
)
# Seconds of work in a second, for each process that does such work.
_STAGE_LOAD = (
    f"sum by (stage) ({rate('reelwright_stage_seconds_total')})"
    f" / count by (stage) {above_zero(rate('reelwright_stage_seconds_total'))}"
)
_LATE, _FAILED, _FINISHED = (growth(f"reelwright_titles_{end}_total") for end in ("late", "failed", "finished"))
_ON_TIME = f"1 - ({_LATE} + {_FAILED}) / {above_zero(f'({_FINISHED} + {_FAILED})')}"


def fleet() -> Page:
    """Throughput, use and cost of the workers."""
    threads = above_zero(f"sum({series('reelwright_worker_threads')})")
    busy = f"sum({rate('reelwright_worker_busy_seconds_total')}) / {threads}"
    return (
        Page("Fleet", "How much the workers restore, how busy they are, how many are wanted and what they cost.")
        .numbers(
            number("Restored frames per second", _RESTORED, units.Short, "Frames restored and accepted by the bus."),
            number("Busy", busy, units.PercentUnit, "Share of their time in which restoration threads work."),
            number("Workers", f"sum({by_pool('reelwright_workers_connected')})", units.Short, "Connected workers."),
            number("Cost per hour", _COST, units.Short, "Prices per hour of the connected workers, added up."),
            number("Cost per film hour", _COST_OF_FILM_HOUR, units.Short, "For 86,400 frames, at the present speed."),
        )
        .graphs(
            graph(
                "Throughput",
                units.Short,
                "Frames per second. A stage that stays above the next one fills the queue between them.",
                Query(f"sum({rate('reelwright_frames_decoded_total')})", "decoded"),
                Query(_RESTORED, "restored"),
                Query(f"sum({rate('reelwright_frames_encoded_total')})", "encoded"),
            ),
            graph(
                "Busy", units.PercentUnit, "Share of their time in which restoration threads work.", Query(busy, "busy")
            ),
        )
        .graphs(
            graph(
                "Pods wanted and connected",
                units.Short,
                "What the dispatcher answers to KEDA, and the workers that are connected.",
                Query(by_pool("reelwright_pods_wanted"), "{{pool}} wanted"),
                Query(by_pool("reelwright_workers_connected"), "{{pool}} connected"),
            ),
            graph(
                "Why so many pods",
                units.Short,
                "Pods wanted by reason; docs/autoscaling.md has the reasons.",
                Query(f"max by (pool, reason) ({series('reelwright_pods_wanted')})", "{{pool}} {{reason}}"),
            ),
        )
        .graphs(
            graph(
                "Frames per second of a pod",
                units.Short,
                "While it works; the dispatcher measures it.",
                Query(f"max by (pool) ({series('reelwright_pod_frames_per_second')})", "{{pool}}"),
            ),
            graph(
                "Cost per hour",
                units.Short,
                "Prices per hour of the connected workers.",
                Query(by_pool("reelwright_pool_cost_per_hour"), "{{pool}}"),
                stacked=True,
            ),
            graph(
                "Processes",
                units.Short,
                "By role and version. An upgrade shows two versions for a while.",
                Query(f"count by (role, version) ({series('reelwright_build_info')})", "{{role}} {{version}}"),
            ),
        )
    )


def titles() -> Page:
    """What becomes of the titles."""
    known, waiting, running = "reelwright_titles", 'state="waiting"', 'state!="waiting"'
    left = of_titles("reelwright_frames_left")
    return (
        Page("Titles", "How many titles wait, run, are late or failed, and when the work will be done.")
        .numbers(
            number("Waiting", f"sum({series(known, waiting)})", units.Short, "No decoder is free."),
            number(
                "Running",
                f"sum({series(known, running)})",
                units.Short,
                "Decoded or being decoded.",
            ),
            number(
                "Overdue",
                of_titles("reelwright_titles_overdue"),
                units.Short,
                "Not done and past the deadline.",
                red_from=1,
            ),
            number(
                "Oldest",
                f"max({series('reelwright_oldest_title_seconds')})",
                units.Seconds,
                "Time since its submission.",
            ),
            number(
                "Time left",
                f"{left} / {above_zero(_RESTORED)}",
                units.Seconds,
                "Until all is restored, at the present speed.",
            ),
            number("On time", _ON_TIME, units.PercentUnit, "Share of the ended titles, in the time range."),
        )
        .numbers(
            count("Finished", "reelwright_titles_finished_total", "In the time range."),
            count(
                "Late",
                "reelwright_titles_late_total",
                "Films delivered after their deadline, in the time range.",
                red_from=1,
            ),
            count(
                "Failed",
                "reelwright_titles_failed_total",
                "Titles that ended without a film, in the time range.",
                red_from=1,
            ),
            number(
                "Cost",
                growth("reelwright_film_cost_total"),
                units.Short,
                "Of the films delivered, in the time range.",
            ),
            number(
                "Cost per film hour", _COST_OF_DELIVERED_HOUR, units.Short, "Of the films delivered, in the time range."
            ),
        )
        .graphs(
            graph(
                "Titles",
                units.Short,
                "Without an outcome, by state.",
                Query(f"sum by (state) ({series(known)})", "{{state}}"),
                stacked=True,
            ),
            graph("Frames left", units.Short, "Frames still to be restored.", Query(left, "frames")),
        )
        .graphs(
            graph(
                "Ended titles per hour",
                units.Short,
                "Late ones are finished ones too.",
                *(
                    Query(f"3600 * sum({rate(f'reelwright_titles_{end}_total')})", end)
                    for end in ("finished", "late", "failed")
                ),
            ),
            graph(
                "Oldest title",
                units.Seconds,
                "Time since the submission of the oldest title without an outcome.",
                Query(f"max({series('reelwright_oldest_title_seconds')})", "oldest"),
            ),
        )
    )


def pipeline() -> Page:
    """Where the work waits."""
    stages = f"sum by (stage) ({rate('reelwright_stage_seconds_total')})"
    return (
        Page("Pipeline", "Where frames wait, and which stage is the limit.")
        .numbers(
            number(
                "Limiting stage",
                f"topk(1, {_STAGE_LOAD})",
                units.PercentUnit,
                "The stage whose processes are the busiest.",
                legend="{{stage}}",
            ),
            number(
                "Batches queued", f"sum({series('reelwright_batches_queued')})", units.Short, "They wait for a worker."
            ),
            number("Batches leased", f"sum({series('reelwright_batches_leased')})", units.Short, "Workers have them."),
            number(
                "Batches unserved",
                f"sum({series('reelwright_batches_unserved')})",
                units.Short,
                "No connected worker has their model or engine.",
                red_from=1,
            ),
            number(
                "Segments open",
                f"sum({series('reelwright_segments_open')})",
                units.Short,
                "Encoders have a codec open.",
            ),
        )
        .graphs(
            graph(
                "Load of a stage",
                units.PercentUnit,
                "Seconds of work in a second, for each process that does it; more than 100% with several threads.",
                Query(_STAGE_LOAD, "{{stage}}"),
            ),
            graph(
                "Seconds of each stage",
                units.Seconds,
                "In a second, over all processes.",
                Query(stages, "{{stage}}"),
                stacked=True,
            ),
        )
        .graphs(
            graph(
                "Seconds of each stage per restored frame",
                units.Seconds,
                "What a frame costs in each stage.",
                Query(f"{stages} / on () group_left () {above_zero(_RESTORED)}", "{{stage}}"),
            ),
            graph(
                "Records behind",
                units.Short,
                "Records that a group has not acknowledged. Titles stay until their outcome.",
                Query(f"sum by (group, topic) ({series('reelwright_consumer_lag')})", "{{group}} {{topic}}"),
            ),
        )
        .graphs(
            graph(
                "Batches",
                units.Short,
                "At the dispatchers.",
                *(
                    Query(f"sum({series(f'reelwright_batches_{state}')})", state)
                    for state in ("queued", "leased", "unserved")
                ),
            ),
            graph(
                "Segments committed per minute",
                units.Short,
                "To the ledger.",
                Query(f"60 * sum({rate('reelwright_segments_committed_total')})", "committed"),
            ),
            graph(
                "Time since a commit",
                units.Seconds,
                "Of the encoder that committed last, and of the one that waits longest.",
                Query(f"min({series('reelwright_seconds_since_commit')} > 0)", "shortest"),
                Query(f"max({series('reelwright_seconds_since_commit')})", "longest"),
            ),
        )
    )


def reliability() -> Page:
    """What went wrong, and what was recovered."""
    lost, dead = "reelwright_frames_lost_total", "reelwright_dead_letters_total"
    quarantined, retried = "reelwright_workers_quarantined_total", "reelwright_batches_retried_total"
    refused = "reelwright_messages_refused_total"
    return (
        Page("Reliability", "What was lost (nothing), what failed, and what was recovered.")
        .numbers(
            count("Frames lost", lost, "Must read 0, in the time range.", red_from=1),
            count("Dead letters", dead, "In the time range.", red_from=1),
            count("Quarantined workers", quarantined, "In the time range.", red_from=1),
            count("Recovered batches", retried, "Restored again, in the time range."),
        )
        .graphs(
            graph(
                "Recoveries per hour",
                units.Short,
                "Batches that were returned to the queue, by cause, and leases whose time was over.",
                Query(f"3600 * sum by (cause) ({rate(retried)})", "{{cause}}"),
                Query(f"3600 * sum({rate('reelwright_leases_expired_total')})", "leases expired"),
            ),
            graph(
                "Failures per hour",
                units.Short,
                "Failures that nothing recovered.",
                Query(f"3600 * sum({rate('reelwright_titles_failed_total')})", "titles failed"),
                Query(f"3600 * sum({rate(dead)})", "dead letters"),
                Query(f"3600 * sum({rate(lost)})", "frames lost"),
            ),
        )
        .graphs(
            graph(
                "Quarantined workers per hour",
                units.Short,
                "Workers that were sent away because they are broken.",
                Query(f"3600 * sum by (cause) ({rate(quarantined)})", "{{cause}}"),
            ),
            graph(
                "Refused messages per hour",
                units.Short,
                "Streams, messages and credits that the dispatcher refused.",
                Query(f"3600 * sum by (cause) ({rate(refused)})", "{{cause}}"),
            ),
            graph(
                "Work not for this cluster, per hour",
                units.Short,
                "Restored batches of another engine than their run's, and titles without a request in the ledger.",
                Query(f"3600 * sum({rate('reelwright_batches_refused_total')})", "batches of another engine"),
                Query(f"3600 * sum({rate('reelwright_stray_titles_total')})", "stray titles"),
            ),
        )
    )


PAGES: tuple[Callable[[], Page], ...] = (fleet, titles, pipeline, reliability)


def generate(folder: Path) -> None:
    """Writes a file for each dashboard.

    Args:
        folder: the folder that they are written into.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        (folder / f"{page.__name__}.json").write_text(page().json())


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
