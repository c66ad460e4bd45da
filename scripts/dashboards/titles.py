"""What becomes of the titles."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from scripts.dashboards.panels import Dashboard, Graph, Number, Query, count
from scripts.dashboards.queries import RESTORED, above_zero, growth, of_titles, per_hour, series

_COST_OF_DELIVERED_HOUR = (
    f"3600 * {growth('reelwright_film_cost_total')} / {above_zero(growth('reelwright_film_seconds_total'))}"
)
_LATE, _FAILED, _FINISHED = (growth(f"reelwright_titles_{end}_total") for end in ("late", "failed", "finished"))
_ON_TIME = f"1 - ({_LATE} + {_FAILED}) / {above_zero(f'({_FINISHED} + {_FAILED})')}"
_KNOWN, _WAITING, _RUNNING = "reelwright_titles", 'state="waiting"', 'state!~"waiting|postponed"'
_POSTPONED = 'state="postponed"'
_LEFT = of_titles("reelwright_frames_left")

DASHBOARD = Dashboard(
    "Titles",
    "How many titles wait, run, are late or failed, and when the work will be done.",
    (
        (
            Number("Waiting", f"sum({series(_KNOWN, _WAITING)})", units.Short, "No decoder is free."),
            Number(
                "Running",
                f"sum({series(_KNOWN, _RUNNING)})",
                units.Short,
                "Decoded or being decoded.",
            ),
            Number(
                "Postponed",
                f"sum({series(_KNOWN, _POSTPONED)})",
                units.Short,
                "The source cannot be read now.",
                red_from=1,
            ),
            Number(
                "Overdue",
                of_titles("reelwright_titles_overdue"),
                units.Short,
                "Not done and past the deadline.",
                red_from=1,
            ),
            Number(
                "Oldest",
                f"max({series('reelwright_oldest_title_seconds')})",
                units.Seconds,
                "Time since its submission.",
            ),
            Number(
                "Time left",
                f"{_LEFT} / {above_zero(RESTORED)}",
                units.Seconds,
                "Until all is restored, at the present speed.",
            ),
            Number("On time", _ON_TIME, units.PercentUnit, "Share of the ended titles, in the time range."),
        ),
        (
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
            Number(
                "Cost",
                growth("reelwright_film_cost_total"),
                units.Short,
                "Of the films delivered, in the time range.",
            ),
            Number(
                "Cost per film hour", _COST_OF_DELIVERED_HOUR, units.Short, "Of the films delivered, in the time range."
            ),
        ),
        (
            Graph(
                "Titles",
                units.Short,
                "Without an outcome, by state.",
                Query(f"sum by (state) ({series(_KNOWN)})", "{{state}}"),
                stacked=True,
            ),
            Graph("Frames left", units.Short, "Frames still to be restored.", Query(_LEFT, "frames")),
        ),
        (
            Graph(
                "Ended titles per hour",
                units.Short,
                "Late ones are finished ones too.",
                *(Query(per_hour(f"reelwright_titles_{end}_total"), end) for end in ("finished", "late", "failed")),
            ),
            Graph(
                "Oldest title",
                units.Seconds,
                "Time since the submission of the oldest title without an outcome.",
                Query(f"max({series('reelwright_oldest_title_seconds')})", "oldest"),
            ),
        ),
    ),
)
