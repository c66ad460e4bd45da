"""The report says what broke, and its last line is the one that people and scripts look for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.campaign import Happened, Result
from tests.faults.check import Verdict
from tests.faults.generator import Fault
from tests.faults.report import BOUND_MEGABYTES, MEGABYTE, broken_promises, last_line, markdown, slow_recoveries
from tests.faults.supervisor import Ended


def good() -> Result:
    """A campaign of two faults and two films in which nothing broke."""
    result = Result(seed=7, outage_seconds=60, seconds=120.0)
    result.happened = [
        Happened(Fault(0, "SIGKILL encoder", 1.0, 0.5, 1), 10.0, 10.5, recovery=4.2),
        Happened(Fault(1, "store full", 1.0, 2.0, 2), 11.0, 13.0, recovery=6.9),
    ]
    result.verdicts = {"title 0": Verdict(frames=120), "title 1": Verdict(frames=240)}
    result.most_bytes = dict.fromkeys(BOUND_MEGABYTES, 100 * MEGABYTE)
    return result


def test_nothing_broken_is_told_so() -> None:
    """A good campaign has no complaint, a row for each kind, and its one line at the end."""
    result = good()
    assert broken_promises(result) == slow_recoveries(result) == []
    text = markdown(result)
    assert "| SIGKILL encoder | 1 | 4.2 s | 4.2 s |" in text
    assert text.splitlines()[-1] == last_line(result)
    assert last_line(result) == (
        "faults 2, frames lost 0, frames doubled 0, films identical 2 of 2, slowest recovery 7 s"
    )


def a_frame_is_lost(result: Result) -> None:
    result.verdicts["title 1"] = Verdict(frames=240, lost=1, faults=["1 frames lost, 0 doubled"])


def a_process_ends_by_itself(result: Result) -> None:
    result.ended = [Ended("encoder-0", "ended by itself with 1", "")]


def a_role_grows_past_its_bound(result: Result) -> None:
    result.most_bytes["dispatcher"] = (BOUND_MEGABYTES["dispatcher"] + 1) * MEGABYTE


def a_fault_is_not_injected(result: Result) -> None:
    result.happened[0].error = "TimeoutError: no payload was stored"


def no_film_is_made(result: Result) -> None:
    result.verdicts = {}


def nothing_moves_any_more(result: Result) -> None:
    result.broken = ["nothing was committed for 240 s"]


@pytest.mark.parametrize(
    "spoil",
    [
        a_frame_is_lost,
        a_process_ends_by_itself,
        a_role_grows_past_its_bound,
        a_fault_is_not_injected,
        no_film_is_made,
        nothing_moves_any_more,
    ],
)
def test_whatever_breaks_is_told(spoil: Callable[[Result], None]) -> None:
    """Each way to break a promise is one line of the report."""
    result = good()
    spoil(result)
    (complaint,) = broken_promises(result)
    assert complaint in markdown(result)


def test_a_slow_recovery_from_a_kill_is_told() -> None:
    """More than 30 s to the next commit is told after a kill, in the campaign or alone."""
    result = good()
    result.happened[0].recovery = 31.0
    result.alone = {"decoder": 32.0, "encoder": 5.0}
    assert len(slow_recoveries(result)) == 2
    assert last_line(result).endswith("slowest recovery 31 s")
