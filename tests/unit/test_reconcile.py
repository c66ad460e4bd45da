"""What the controller decides about a Restoration: tables of facts and decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reelwright.client.forecast import FinishForecast
from reelwright.controller.reconcile import needs_title, reconcile
from reelwright.controller.resources import Restoration, RestorationStatus
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


@pytest.mark.parametrize(
    ("outlook", "expected"),
    [
        ("held", ("False", "OnTime")),
        ("at-risk", ("Unknown", "MorePodsNeeded")),
        ("missed", ("True", "TooFewPods")),
        ("", ("Unknown", "NoForecast")),
    ],
)
def test_the_forecast_of_the_dispatcher_decides(outlook: Any, expected: tuple[str, str]) -> None:
    """Whether the deadline holds is said at submission and under way, with the dispatcher's reason."""
    forecast = FinishForecast(NOW.timestamp() if outlook else 0.0, outlook, "because of the pods")
    document = document_of(spec={"deadline": (NOW + timedelta(hours=2)).isoformat()}, status=BEGUN)
    under_way = reconcile(facts_of(document, title=title_of("queued", forecast=forecast))).status
    new = document_of(spec={"deadline": (NOW + timedelta(hours=2)).isoformat()})
    submitting = reconcile(facts_of(new, resolution=replace(resolution_of(), forecast=forecast))).step
    assert isinstance(submitting, WriteStatus)
    for status in (under_way, submitting.status):
        found = status.condition("DeadlineAtRisk")
        assert found is not None
        assert (found.status, found.reason, found.message) == (*expected, "because of the pods")


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
