"""The report names every violation and ends with a line of the results."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.campaign import CampaignResult, FaultEvent
from tests.faults.check import CheckResult
from tests.faults.report import MEGABYTE, MEMORY_LIMIT_MEGABYTES, last_line, markdown, slow_recoveries, violations
from tests.faults.schedule import ScheduledFault
from tests.faults.supervisor import UnexpectedExit


def good_result() -> CampaignResult:
    """A campaign of two faults and two films without a violation."""
    result = CampaignResult(seed=7, outage_seconds=60, seconds=120.0)
    result.events = [
        FaultEvent(ScheduledFault(0, "SIGKILL encoder", 1.0, 0.5, 1), 10.0, 10.5, recovery=4.2),
        FaultEvent(ScheduledFault(1, "store full", 1.0, 2.0, 2), 11.0, 13.0, recovery=6.9),
    ]
    result.checks = {"title 0": CheckResult(frames=120), "title 1": CheckResult(frames=240)}
    result.peak_bytes = dict.fromkeys(MEMORY_LIMIT_MEGABYTES, 100 * MEGABYTE)
    return result


def test_a_campaign_without_violations_reports_none() -> None:
    """A good campaign has no violation, a table row for each kind, and the line of results at the end."""
    result = good_result()
    assert violations(result) == slow_recoveries(result) == []
    text = markdown(result)
    assert "| SIGKILL encoder | 1 | 4.2 s | 4.2 s |" in text
    assert text.splitlines()[-1] == last_line(result)
    assert last_line(result) == (
        "faults 2, frames lost 0, frames doubled 0, films identical 2 of 2, slowest recovery 7 s"
    )


def lose_a_frame(result: CampaignResult) -> None:
    result.checks["title 1"] = CheckResult(frames=240, lost=1, problems=["1 frames lost, 0 doubled"])


def end_a_process(result: CampaignResult) -> None:
    result.unexpected_exits = [UnexpectedExit("encoder-0", "ended unexpectedly with exit code 1", "")]


def exceed_a_memory_limit(result: CampaignResult) -> None:
    result.peak_bytes["dispatcher"] = (MEMORY_LIMIT_MEGABYTES["dispatcher"] + 1) * MEGABYTE


def fail_to_inject_a_fault(result: CampaignResult) -> None:
    result.events[0].error = "TimeoutError: no payload was stored"


def finish_no_title(result: CampaignResult) -> None:
    result.checks = {}


def stall(result: CampaignResult) -> None:
    result.violations = ["nothing was committed for 240 s"]


@pytest.mark.parametrize(
    "violate",
    [
        lose_a_frame,
        end_a_process,
        exceed_a_memory_limit,
        fail_to_inject_a_fault,
        finish_no_title,
        stall,
    ],
)
def test_each_violation_is_one_line_of_the_report(violate: Callable[[CampaignResult], None]) -> None:
    """The report has one line for each kind of violation."""
    result = good_result()
    violate(result)
    (line,) = violations(result)
    assert line in markdown(result)


def test_a_slow_recovery_from_a_kill_is_reported() -> None:
    """The limit is 30 s and two undisturbed gaps of the same run, in the campaign and in the separate measurement."""
    result = good_result()
    result.events[0].recovery = 31.0
    result.role_kill_recovery = {"decoder": 32.0, "encoder": 5.0}
    assert len(slow_recoveries(result)) == 2
    assert last_line(result).endswith("slowest recovery 31 s")
    result.undisturbed_gap = 0.75
    (line,) = slow_recoveries(result)
    assert line == "every decoder killed: 32.0 s to the next committed segment, limit 31.5 s"
