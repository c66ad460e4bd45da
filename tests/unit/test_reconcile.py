"""What the controller decides about a Restoration: tables of facts and decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reelwright.client.forecast import FinishForecast
from reelwright.controller.reconcile import needs_title, reconcile
from reelwright.controller.resources import Restoration, RestorationStatus, format_microtime, format_time
from reelwright.controller.restoration_facts import (
    AddFinalizer,
    CancelTitle,
    ChangeTitle,
    RemoveFinalizer,
    Resolve,
    RestorationFacts,
    SubmitTitle,
    Trouble,
    WriteStatus,
)
from tests.support.ledgers import RUN
from tests.support.restorations import NOW, OUTPUT, document_of, facts_of, resolution_of, title_of

BEGUN = {"phase": "Pending", "run": RUN, "attempt": 1, "reason": "Submitting"}
RUNNING = {**BEGUN, "phase": "Running", "reason": "Running"}
SUSPENDED = {**BEGUN, "phase": "Suspended"}
FAILED = {**BEGUN, "phase": "Failed"}
STOP = {"suspend": True}
UNREACHABLE = Trouble("BrokerUnreachable", "kafka:9092: does not answer", temporary=True)


def condition_of(status: RestorationStatus, kind: str) -> tuple[str, str]:
    """Status and reason of a condition."""
    found = status.condition(kind)
    assert found is not None
    return found.status, found.reason


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        (facts_of(document_of(finalizer=False)), AddFinalizer),
        (facts_of(document_of()), Resolve),
        (facts_of(document_of(), resolution=resolution_of()), WriteStatus),
        (facts_of(document_of(status=BEGUN)), Resolve),
        (facts_of(document_of(status=BEGUN), resolution=resolution_of()), SubmitTitle),
        (facts_of(document_of(status=BEGUN), resolution=resolution_of(run="f" * 20)), WriteStatus),
        (facts_of(document_of(status=BEGUN), title=title_of("queued")), type(None)),
        (facts_of(document_of(status={**BEGUN, "attempt": 2}), title=title_of("cancelled")), Resolve),
        (facts_of(document_of(status=RUNNING, spec=STOP), title=title_of("running")), WriteStatus),
        (facts_of(document_of(status=SUSPENDED, spec=STOP), title=title_of("running")), CancelTitle),
        (facts_of(document_of(status=SUSPENDED, spec=STOP), title=title_of("running"), shared=True), type(None)),
        (facts_of(document_of(status=SUSPENDED, spec=STOP), title=title_of("cancelled")), type(None)),
        (facts_of(document_of(status=SUSPENDED), title=title_of("cancelled")), Resolve),
        (facts_of(document_of(status=FAILED)), RemoveFinalizer),
        (facts_of(document_of(status=FAILED, finalizer=False)), type(None)),
        (facts_of(document_of(status=FAILED, spec=STOP, finalizer=False)), AddFinalizer),
        (facts_of(document_of(status=FAILED, spec=STOP)), WriteStatus),
        (facts_of(document_of(status=RUNNING, deleting=True), title=title_of("running")), CancelTitle),
        (facts_of(document_of(status=RUNNING, deleting=True), title=title_of("running"), shared=True), RemoveFinalizer),
        (facts_of(document_of(status=RUNNING, deleting=True), title=title_of("cancelled")), RemoveFinalizer),
        (facts_of(document_of(status=RUNNING, deleting=True)), RemoveFinalizer),
        (facts_of(document_of(status=RUNNING, deleting=True), trouble=UNREACHABLE), type(None)),
        (facts_of(document_of(deleting=True, finalizer=False)), type(None)),
    ],
)
def test_each_state_has_one_next_step(facts: RestorationFacts, step: type[object]) -> None:
    """What is known decides the next step: nothing is submitted before it is recorded, nor let go before it stopped."""
    assert type(reconcile(facts).step) is step


def test_the_record_names_run_and_attempt() -> None:
    """The status that is written before a submission names the run and the attempt that is to be."""
    step = reconcile(facts_of(document_of(status=SUSPENDED), resolution=resolution_of(attempt=2))).step
    assert isinstance(step, WriteStatus)
    assert (step.status.run, step.status.attempt, step.status.phase) == (RUN, 2, "Pending")
    assert condition_of(step.status, "Accepted") == ("True", "Accepted")
    assert step.status.start_time == NOW


@pytest.mark.parametrize(
    ("title", "phase", "reason", "following"),
    [
        (title_of("queued"), "Pending", "Queued", "look"),
        (title_of("running", frames=(30, 120)), "Running", "Running", "look"),
        (title_of("finished", frames=(120, 120), manifest_digest="sha256:aa"), "Finished", "Finished", "change"),
        (title_of("failed", reason="frames 24-35 could not be restored"), "Failed", "Failed", "change"),
        (title_of("cancelled", reason="cancelled by `reelwright cancel`"), "Failed", "Cancelled", "change"),
    ],
)
def test_the_status_follows_the_ledger(title: Any, phase: str, reason: str, following: str) -> None:
    """Phase, reason and the time of the next look follow from the run's state."""
    decision = reconcile(facts_of(document_of(status=BEGUN), title=title))
    assert (decision.status.phase, decision.status.reason, decision.following) == (phase, reason, following)


def test_progress_is_told() -> None:
    """Frames, share, speed and the time of the end are in the status; a share never reads 100% before the end."""
    eta = NOW + timedelta(seconds=90)
    title = title_of("running", frames=(30, 120), frames_per_second=1.0, eta=eta)
    status = reconcile(facts_of(document_of(status=BEGUN), title=title)).status
    assert status.frames is not None
    assert (status.progress, status.frames.done, status.frames.total) == ("25%", 30, 120)
    assert (status.frames_per_second, status.eta) == (1.0, eta)
    over = reconcile(facts_of(document_of(status=BEGUN), title=title_of("running", frames=(121, 120)))).status
    assert over.progress == "99%"


def test_a_finished_film_is_told() -> None:
    """Output, digest, frames and cost of a finished film are in the status, and its conditions say so."""
    title = title_of("finished", frames=(120, 120), manifest_digest="sha256:aa", cost=1.25)
    status = reconcile(facts_of(document_of(status=RUNNING), title=title)).status
    assert status.cost == 1.25
    assert (status.output, status.manifest_digest, status.progress) == (OUTPUT, "sha256:aa", "100%")
    assert condition_of(status, "Finished") == ("True", "Finished")
    assert condition_of(status, "Running") == ("False", "Finished")


def test_a_failure_names_its_frames() -> None:
    """The frames in the reason of a failure are fields of the status; a reason without frames has none."""
    title = title_of("failed", reason="frames 24-35 could not be restored; last failure: x")
    failure = reconcile(facts_of(document_of(status=RUNNING), title=title)).status.failure
    assert failure is not None
    assert (failure.first_frame, failure.last_frame) == (24, 35)
    other = reconcile(
        facts_of(document_of(status=RUNNING), title=title_of("failed", reason="disk full"))
    ).status.failure
    assert other is not None
    assert (other.reason, other.first_frame) == ("disk full", None)


@pytest.mark.parametrize(
    ("status", "trouble", "kind", "value"),
    [
        ({}, Trouble("SourceMissing", "/films/a.mov: no such file", temporary=False), "Accepted", "False"),
        ({}, UNREACHABLE, "Accepted", "Unknown"),
    ],
)
def test_trouble_is_a_condition(status: dict[str, Any], trouble: Trouble, kind: str, value: str) -> None:
    """Why a title cannot begin is a condition with its reason, and it is tried again after a pause."""
    decision = reconcile(facts_of(document_of(status=status), trouble=trouble))
    assert condition_of(decision.status, kind) == (value, trouble.reason)
    assert (decision.status.message, decision.status.phase) == (trouble.message, "Pending")
    assert decision.following == "retry"


def test_trouble_with_a_running_title_leaves_its_phase_and_heals() -> None:
    """A store that does not answer makes Running unknown; when it answers again, Running is true again."""
    running = reconcile(facts_of(document_of(status=BEGUN), title=title_of("running"))).status
    held = document_of(status=running.model_dump(mode="json", by_alias=True, exclude_none=True))
    away = reconcile(facts_of(held, trouble=Trouble("StoreUnreachable", "s3://films: away", temporary=True))).status
    assert (away.phase, condition_of(away, "Running")) == ("Running", ("Unknown", "StoreUnreachable"))
    held["status"] = away.model_dump(mode="json", by_alias=True, exclude_none=True)
    healed = reconcile(facts_of(held, title=title_of("running"))).status
    assert condition_of(healed, "Running") == ("True", "Running")
    assert condition_of(healed, "Accepted") == ("True", "Accepted")


@pytest.mark.parametrize(
    ("hours", "eta_hours", "state", "expected"),
    [
        (-2, None, "queued", ("True", "DeadlinePastAtCreation")),
        (-0.5, None, "queued", ("True", "DeadlinePassed")),
        (2, None, "queued", ("Unknown", "NoForecast")),
        (2, 3, "running", ("True", "TooSlow")),
        (2, 1, "running", ("False", "OnTime")),
        (2, None, "finished", ("False", "DeadlineHeld")),
        (-0.5, None, "finished", ("True", "DeadlineMissed")),
    ],
)
def test_whether_the_deadline_holds_is_a_condition(
    hours: float, eta_hours: float | None, state: str, expected: tuple[str, str]
) -> None:
    """DeadlineAtRisk says whether the film comes in time, and why not."""
    deadline = NOW + timedelta(hours=hours)
    eta = NOW + timedelta(hours=eta_hours) if eta_hours is not None else None
    document = document_of(spec={"deadline": deadline.isoformat()}, status=BEGUN)
    title = title_of(state, frames=(60, 120), eta=eta, deadline=deadline.timestamp())
    assert condition_of(reconcile(facts_of(document, title=title)).status, "DeadlineAtRisk") == expected


DEADLINE = NOW + timedelta(hours=2)


def forecast_of(outlook: Any, hours: float | None, deadline: Any = DEADLINE) -> FinishForecast:
    """A forecast of the dispatcher: the film is restored so many hours from now."""
    finish = (NOW + timedelta(hours=hours)).timestamp() if hours is not None else 0.0
    return FinishForecast(finish, outlook, "because of the pods", deadline.timestamp())


@pytest.mark.parametrize(
    ("forecast", "measured_hours", "eta_hours", "expected"),
    [
        # The forecast of the dispatcher decides, whatever the measured speed says.
        (forecast_of("held", 1), None, 1, ("False", "OnTime")),
        (forecast_of("held", 1), 3, 1, ("False", "OnTime")),
        (forecast_of("at-risk", 3), None, 3, ("Unknown", "MorePodsNeeded")),
        (forecast_of("at-risk", 3), 1, 3, ("Unknown", "MorePodsNeeded")),
        (forecast_of("at-risk", None), 1, None, ("Unknown", "MorePodsNeeded")),
        (forecast_of("missed", 3), 1, 3, ("True", "TooFewPods")),
        # An outlook on another deadline says nothing about this one; the time does.
        (forecast_of("held", 3, NOW + timedelta(hours=9)), 1, 3, ("True", "TooFewPods")),
        (forecast_of("missed", 1, NOW + timedelta(hours=0.5)), 3, 1, ("False", "OnTime")),
        # Everything is restored, so that only the speed of encoding counts.
        (forecast_of("held", -0.01), 3, 3, ("True", "TooSlow")),
        # A dispatcher that knows no time leaves the measured speed.
        (forecast_of("", None), 3, 3, ("True", "TooSlow")),
        (forecast_of("", None), 1, 1, ("False", "OnTime")),
        (forecast_of("", None), None, None, ("Unknown", "NoForecast")),
        (None, 1, 1, ("False", "OnTime")),
        (None, None, None, ("Unknown", "NoForecast")),
    ],
)
def test_eta_and_deadline_have_one_source(
    forecast: FinishForecast | None, measured_hours: float | None, eta_hours: float | None, expected: tuple[str, str]
) -> None:
    """`eta` and DeadlineAtRisk follow from the same forecast or speed, and never contradict each other."""
    document = document_of(spec={"deadline": DEADLINE.isoformat()}, status=BEGUN)
    measured = NOW + timedelta(hours=measured_hours) if measured_hours is not None else None
    status = reconcile(
        facts_of(document, title=title_of("running", deadline=DEADLINE.timestamp(), eta=measured, forecast=forecast))
    ).status
    assert condition_of(status, "DeadlineAtRisk") == expected
    assert status.eta == (NOW + timedelta(hours=eta_hours) if eta_hours is not None else None)
    if status.eta is not None:
        assert (status.eta > DEADLINE) is (expected[0] != "False")


@pytest.mark.parametrize(("seconds", "outlook"), [(-1, "held"), (-29, "held"), (1, "missed"), (29, "missed")])
def test_an_eta_in_whole_minutes_is_on_the_side_of_the_deadline(seconds: int, outlook: Any) -> None:
    """A film that is forecast some seconds before or after its deadline is not shown on the other side of it."""
    for deadline in (DEADLINE, DEADLINE + timedelta(seconds=45)):
        forecast = FinishForecast(deadline.timestamp() + seconds, outlook, "", deadline.timestamp())
        document = document_of(spec={"deadline": deadline.isoformat()}, status=BEGUN)
        title = title_of("running", deadline=deadline.timestamp(), forecast=forecast)
        eta = reconcile(facts_of(document, title=title)).status.eta
        assert eta is not None
        assert (eta > deadline) is (outlook == "missed")
        assert eta.second == 0


@pytest.mark.parametrize(
    ("outlook", "hours", "expected"),
    [
        ("held", 1, ("False", "OnTime")),
        ("at-risk", 3, ("Unknown", "MorePodsNeeded")),
        ("missed", 3, ("True", "TooFewPods")),
        ("", None, ("Unknown", "NoForecast")),
    ],
)
def test_a_deadline_is_judged_at_submission(outlook: Any, hours: float | None, expected: tuple[str, str]) -> None:
    """The forecast at the submission gives `eta` and the condition, with the dispatcher's reason."""
    new = document_of(spec={"deadline": DEADLINE.isoformat()})
    resolution = replace(resolution_of(), forecast=forecast_of(outlook, hours))
    step = reconcile(facts_of(new, resolution=resolution)).step
    assert isinstance(step, WriteStatus)
    found = step.status.condition("DeadlineAtRisk")
    assert found is not None
    assert (found.status, found.reason, found.message) == (*expected, "because of the pods")
    assert step.status.eta == (NOW + timedelta(hours=hours) if hours is not None else None)


def document_after(spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A Restoration whose last status had the forecast that only more pods hold its deadline."""
    document = document_of(spec=spec, status=BEGUN)
    title = title_of("running", deadline=DEADLINE.timestamp(), forecast=forecast_of("at-risk", 3))
    status = reconcile(facts_of(document, title=title)).status
    return document_of(spec=spec, status=status.model_dump(mode="json", by_alias=True, exclude_none=True)) | changes


def test_what_was_forecast_stays_while_nothing_can_be_asked() -> None:
    """While broker or store are away, `eta` and the condition stay what they were, until the deadline has passed."""
    held = document_after({"deadline": DEADLINE.isoformat()})
    away = reconcile(facts_of(held, trouble=UNREACHABLE)).status
    assert condition_of(away, "DeadlineAtRisk") == ("Unknown", "MorePodsNeeded")
    assert away.eta == NOW + timedelta(hours=3)
    later = replace(facts_of(held, trouble=UNREACHABLE), now=DEADLINE)
    assert condition_of(reconcile(later).status, "DeadlineAtRisk") == ("True", "DeadlinePassed")


def test_another_deadline_is_compared_with_what_is_known() -> None:
    """A deadline that is moved while the broker is away is compared with the `eta` that was known last."""
    held = document_after({"deadline": DEADLINE.isoformat()})
    held["spec"]["deadline"] = (NOW + timedelta(hours=4)).isoformat()
    held["metadata"]["generation"] = 2
    status = reconcile(facts_of(held, trouble=UNREACHABLE)).status
    assert condition_of(status, "DeadlineAtRisk") == ("False", "OnTime")


@pytest.mark.parametrize(
    ("spec", "state", "expected"),
    [
        ({}, "failed", ("True", "Failed")),
        ({}, "cancelled", ("True", "Cancelled")),
        ({}, "finished", ("False", "DeadlineHeld")),
        (STOP, "cancelled", ("Unknown", "Suspended")),
    ],
)
def test_the_end_of_a_title_ends_its_forecast(spec: dict[str, Any], state: str, expected: tuple[str, str]) -> None:
    """A title that has ended, or is suspended, has no `eta`, and its condition says what became of it."""
    phase = "Suspended" if spec else "Running"
    held = document_after({"deadline": DEADLINE.isoformat(), **spec})
    held["status"]["phase"] = phase
    status = reconcile(facts_of(held, title=title_of(state))).status
    assert condition_of(status, "DeadlineAtRisk") == expected
    assert status.eta is None


def test_a_deadline_that_is_taken_away_takes_its_condition_along() -> None:
    """Without a deadline there is no condition about it."""
    past = {"type": "DeadlineAtRisk", "status": "True", "reason": "TooSlow", "lastTransitionTime": NOW.isoformat()}
    document = document_of(status={**RUNNING, "conditions": [past]})
    assert reconcile(facts_of(document, title=title_of("running"))).status.condition("DeadlineAtRisk") is None


def test_class_and_deadline_may_change_under_way() -> None:
    """A new class or deadline is passed on once, and only when the spec has changed."""
    document = document_of(spec={"class": "express"}, status=RUNNING, generation=2)
    step = reconcile(facts_of(document, title=title_of("running"))).step
    assert step == ChangeTitle(RUN, "express", 0.0)
    assert reconcile(facts_of(document, title=title_of("running"), submitted=True)).step is None
    same = document_of(spec={"class": "express"}, status=RUNNING)
    assert reconcile(facts_of(same, title=title_of("running"))).step is None


def test_transition_times_change_with_the_status_alone() -> None:
    """A condition keeps the time of its last change while its status stays the same."""
    first = reconcile(facts_of(document_of(status=BEGUN), title=title_of("running"))).status
    held = document_of(status=first.model_dump(mode="json", by_alias=True, exclude_none=True))
    later = RestorationFacts(
        restoration=Restoration.model_validate(held), now=NOW + timedelta(hours=1), title=title_of("running")
    )
    assert reconcile(later).status == first


@pytest.mark.parametrize(
    ("document", "needed"),
    [
        (document_of(), False),
        (document_of(status=BEGUN), True),
        (document_of(status=SUSPENDED, spec=STOP), True),
        (document_of(status=FAILED), False),
        (document_of(status={**BEGUN, "phase": "Finished"}), False),
        (document_of(status={**BEGUN, "phase": "Finished"}, deleting=True), True),
    ],
)
def test_the_ledger_is_asked_only_where_it_decides(document: dict[str, Any], needed: bool) -> None:
    """A title that has ended is not looked at again, so that what is finished costs nothing."""
    assert needs_title(Restoration.model_validate(document)) is needed


def test_a_moment_of_an_event_has_microseconds() -> None:
    """Events of one second have an order; times of a status are whole seconds, as the API server writes them."""
    moment = NOW + timedelta(microseconds=250_000)
    assert format_microtime(moment) == "2030-05-01T12:00:00.250000Z"
    assert format_time(moment) == "2030-05-01T12:00:00Z"
