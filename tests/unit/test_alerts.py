"""The alerts ask for metrics that exist, name a runbook each, and fire when they should and not otherwise."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from reelwright.telemetry.metrics import TITLE_STATES
from tests.support.promql import ROOT, RULES, alerts, unknown_names

ALERTS = alerts()
PROMTOOL = shutil.which("promtool")
# Series as promtool writes them: a first value, a step a minute, and the number of steps.
FINE = {"reelwright_titles_finished_total": "0+1x400", "reelwright_titles_late_total": "0x400"}
LOST = {"ReelwrightFramesLost", "ReelwrightFramesLostToday"}
RUNNING = 'reelwright_titles{state="decoded"}'
COMMITTED = "reelwright_segments_committed_total"
FILM_MISSING = 'reelwright_titles{state="committed"}'
FINISHED = "reelwright_titles_finished_total"
DECODER = 'reelwright_build_info{role="decoder", pod="d-0"}'
WAITING = 'reelwright_titles{state="waiting"}'
POSTPONED = 'reelwright_titles{state="postponed"}'
NOT_ANSWERED = 'reelwright_store_waiting{cause="unavailable"}'
CASES: list[tuple[str, dict[str, str], set[str]]] = [
    ("all on time", FINE, set()),
    ("a lost frame", {**FINE, "reelwright_frames_lost_total": "0x390 1x10"}, LOST),
    ("a frame lost before the first scrape", {**FINE, "reelwright_frames_lost_total": "_x390 1x10"}, LOST),
    (
        "a frame lost days ago, and a pause of the scrapes an hour ago",
        {**FINE, "reelwright_frames_lost_total": "1x330 _x10 1x60"},
        {"ReelwrightFramesLostToday"},
    ),
    ("a frame lost hours ago", {**FINE, "reelwright_frames_lost_total": "0x200 1x200"}, {"ReelwrightFramesLostToday"}),
    (
        "every fifth title late",
        {"reelwright_titles_finished_total": "0+10x400", "reelwright_titles_late_total": "0+2x400"},
        {"ReelwrightTitlesLateFast", "ReelwrightTitlesLateSlow"},
    ),
    (
        "every tenth title late",
        {"reelwright_titles_finished_total": "0+10x400", "reelwright_titles_late_total": "0+1x400"},
        {"ReelwrightTitlesLateSlow"},
    ),
    (
        "one late title of one",
        {"reelwright_titles_finished_total": "0x390 1x10", "reelwright_titles_late_total": "0x390 1x10"},
        {"ReelwrightTitlesLateSlow"},
    ),
    ("late titles of hours ago", {**FINE, "reelwright_titles_late_total": "0+1x200 200x200"}, set()),
    ("no commit while a title runs", {RUNNING: "1x400", COMMITTED: "0+1x360 360x40"}, {"ReelwrightNoCommit"}),
    ("a title runs without any encoder", {RUNNING: "1x400"}, {"ReelwrightNoCommit"}),
    ("commits while a title runs", {RUNNING: "1x400", COMMITTED: "0+1x400"}, set()),
    ("rare commits while a title runs", {RUNNING: "1x400", COMMITTED: "0x370 1x30"}, set()),
    (
        "no commit while a decoder is replaced now and then",
        {RUNNING: "1x370 _x4 1x30", COMMITTED: "9x400"},
        {"ReelwrightNoCommit"},
    ),
    (
        "no commit while titles change their state all the time",
        {RUNNING: " ".join(["1x8 0x0"] * 40), COMMITTED: "9x400"},
        {"ReelwrightNoCommit"},
    ),
    ("titles that no decoder takes", {WAITING: "5x400", COMMITTED: "9x400"}, {"ReelwrightNoCommit"}),
    ("titles that wait for others", {WAITING: "5x400", RUNNING: "1x400", COMMITTED: "0+1x400"}, set()),
    (
        "a source that does not answer",
        {POSTPONED: "0x350 1x50", COMMITTED: "9x400"},
        {"ReelwrightNoCommit", "ReelwrightStoreWaiting"},
    ),
    ("a source of one title of many", {POSTPONED: "0x350 1x50", COMMITTED: "0+1x400"}, {"ReelwrightStoreWaiting"}),
    ("a store that does not answer", {NOT_ANSWERED: "0x370 3x30"}, {"ReelwrightStoreWaiting"}),
    ("an output that does not answer", {NOT_ANSWERED: "0x350" + " 1x2 0x2" * 9}, {"ReelwrightStoreWaiting"}),
    ("requests that are tried twice", {NOT_ANSWERED: " ".join(["0x9 1x0"] * 37)}, set()),
    (
        "all decoders are gone",
        {DECODER: "1x100 _x300", RUNNING: "1x100 _x300", COMMITTED: "9x400"},
        {"ReelwrightRoleMissing"},
    ),
    (
        "a decoder is replaced",
        {DECODER: "1x390 _x10", 'reelwright_build_info{role="decoder", pod="d-1"}': "_x394 1x6"},
        set(),
    ),
    ("a decoder that starts slowly", {DECODER: "1x380 _x8 1x10"}, set()),
    ("no encoder while there is no work", {'reelwright_build_info{role="encoder"}': "1x100 _x300"}, set()),
    ("a title that has begun after hours without one", {RUNNING: "0x380 1x20", COMMITTED: "9x400"}, set()),
    (
        "a film that is assembled for hours",
        {RUNNING: "1x180 0x220", FILM_MISSING: "0x180 1x220", COMMITTED: "0+1x180 180x220"},
        set(),
    ),
    ("a film that nobody delivers", {FILM_MISSING: "0x20 1x380", FINISHED: "9x400"}, {"ReelwrightNoDelivery"}),
    ("films one after another", {FILM_MISSING: "1x400", FINISHED: "0x100 1x100 2x100 3x100"}, set()),
    (
        "no commit while another film is assembled",
        {RUNNING: "1x400", FILM_MISSING: "0x300 1x100", COMMITTED: "9x400"},
        {"ReelwrightNoCommit"},
    ),
    ("titles past their deadline", {**FINE, "reelwright_titles_overdue": "0x370 1x30"}, {"ReelwrightTitlesOverdue"}),
    ("failed titles", {**FINE, "reelwright_titles_failed_total": "0x390 5x10"}, {"ReelwrightTitlesFail"}),
    (
        "titles failed before the first scrape",
        {"reelwright_titles_failed_total": "_x390 5x10"},
        {"ReelwrightTitlesFail"},
    ),
    ("three failed titles", {**FINE, "reelwright_titles_failed_total": "7x390 10x10"}, set()),
    ("titles failed days ago, and a pause", {"reelwright_titles_failed_total": "9x330 _x10 9x60"}, set()),
    (
        "a dead letter before the first scrape",
        {"reelwright_dead_letters_total": "_x390 1x10"},
        {"ReelwrightDeadLetters"},
    ),
    ("a dead letter of days ago, and a pause", {"reelwright_dead_letters_total": "1x330 _x10 1x60"}, set()),
    (
        "a worker in quarantine before the first scrape",
        {'reelwright_workers_quarantined_total{cause="self_test"}': "_x390 1x10"},
        {"ReelwrightWorkersQuarantined"},
    ),
    ("a dead letter", {**FINE, "reelwright_dead_letters_total": "0x390 1x10"}, {"ReelwrightDeadLetters"}),
    ("unserved batches", {**FINE, "reelwright_batches_unserved": "0x370 1x30"}, {"ReelwrightBatchesUnserved"}),
    (
        "a worker in quarantine",
        {**FINE, "reelwright_workers_quarantined_total": "0x390 1x10"},
        {"ReelwrightWorkersQuarantined"},
    ),
    ("no commit without titles", {RUNNING: "0x400", COMMITTED: "9x400"}, set()),
]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_names_metrics_and_a_runbook_that_exist(alert: dict[str, Any]) -> None:
    """Each metric, label and state of an alert is one of the services, and its runbook is a page of the docs."""
    assert unknown_names(alert["expr"]) == []
    states = {state for group in re.findall(r'state=~?"([^"]*)"', alert["expr"]) for state in group.split("|")}
    assert states <= set(TITLE_STATES)
    page = alert["annotations"]["runbook_url"].removeprefix("RUNBOOKS/")
    assert (ROOT / "docs" / "runbooks" / page).is_file()


def test_every_runbook_belongs_to_an_alert() -> None:
    """No runbook is left behind when its alert is removed."""
    named = {alert["annotations"]["runbook_url"].removeprefix("RUNBOOKS/") for alert in ALERTS}
    assert {path.name for path in (ROOT / "docs" / "runbooks").iterdir()} == named


@pytest.mark.skipif(PROMTOOL is None and "CI" not in os.environ, reason="needs promtool")
@pytest.mark.parametrize(("situation", "series", "firing"), CASES, ids=[case[0] for case in CASES])
def test_alerts_fire(situation: str, series: dict[str, str], firing: set[str], tmp_path: Path) -> None:
    """After more than six hours of a situation exactly its alerts fire, by Prometheus' own test of rules."""
    inputs = [{"series": _in_namespace(name), "values": values} for name, values in series.items()]
    # promtool compares labels and annotations too; the names alone are asked for here.
    fires = [
        {
            "expr": f'count(ALERTS{{alertname="{alert["alert"]}", alertstate="firing"}}) or vector(0)',
            "eval_time": "395m",
            "exp_samples": [{"labels": "{}", "value": int(alert["alert"] in firing)}],
        }
        for alert in ALERTS
    ]
    test = {"name": situation, "interval": "1m", "input_series": inputs, "promql_expr_test": fires}
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([str(PROMTOOL), "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _in_namespace(series: str) -> str:
    name, _, labels = series.rstrip("}").partition("{")
    return name + "{" + ", ".join(filter(None, [labels, 'namespace="films"'])) + "}"
