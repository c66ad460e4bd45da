"""Decides what to do about a Restoration, and what its status and conditions say: a pure function of what is known.

Each decision is one step, after which everything that it may have changed is looked at again. A step is safe to repeat,
and what it needs to be found again is written before it is done: a controller may be killed at any instruction. The
order for a title is: finalizer, run and attempt in the status, submission. For its end: the request (deletion of the
resource, or the phase Suspended), cancellation, and for a deletion the finalizer. A title that has ended has none.
"""

from __future__ import annotations

from reelwright.controller.deadlines import deadline_condition, ended_condition, expect
from reelwright.controller.progress import progress_of, unix_deadline
from reelwright.controller.resources import (
    FINALIZER,
    ConditionStatus,
    NewCondition,
    Restoration,
    RestorationFailure,
    RestorationStatus,
    format_time,
    set_conditions,
)
from reelwright.controller.restoration_facts import (
    AddFinalizer,
    CancelTitle,
    ChangeTitle,
    Decision,
    RemoveFinalizer,
    Resolve,
    RestorationFacts,
    RunFacts,
    SubmitTitle,
    WriteStatus,
)


def needs_title(restoration: Restoration) -> bool:
    """Whether a decision depends on what the ledger says of the run."""
    wanted = restoration.deleting or not restoration.settled
    return bool(restoration.status.run) and FINALIZER in restoration.metadata.finalizers and wanted


def reconcile(facts: RestorationFacts) -> Decision:
    """Decides the next step for a Restoration, or the status to leave."""
    restoration, status = facts.restoration, facts.restoration.status
    if restoration.deleting:
        decision = _delete(facts)
    elif status.phase == "Finished" or (status.phase == "Failed" and not restoration.spec.suspend):
        decision = _settle(facts)
    elif FINALIZER not in restoration.metadata.finalizers:
        decision = Decision(AddFinalizer(), status)
    elif facts.trouble is not None:
        decision = _wait_out(facts)
    elif restoration.spec.suspend:
        decision = _suspend(facts)
    elif not status.run or status.phase == "Suspended":
        decision = _begin(facts)
    else:
        decision = _follow(facts)
    return decision


def _settle(facts: RestorationFacts) -> Decision:
    """Leaves an ended title alone, without the finalizer: its namespace can go, and the controller goes with that."""
    restoration, status = facts.restoration, facts.restoration.status
    if FINALIZER in restoration.metadata.finalizers:
        return Decision(RemoveFinalizer(), status)
    return Decision(None, status.model_copy(update={"observed_generation": restoration.metadata.generation}))


def _delete(facts: RestorationFacts) -> Decision:
    restoration, status = facts.restoration, facts.restoration.status
    if FINALIZER not in restoration.metadata.finalizers:
        return Decision(None, status)
    if facts.trouble is not None:
        return _wait_out(facts)
    if facts.title is not None and facts.title.under_way and not facts.shared:
        return Decision(CancelTitle(facts.title.run.run, f"Restoration {_name(restoration)} was deleted"), status)
    return Decision(RemoveFinalizer(), status)


def _suspend(facts: RestorationFacts) -> Decision:
    restoration, status = facts.restoration, facts.restoration.status
    message = "suspended; the work goes on from the last finished segment when spec.suspend is false"
    suspended = _updated(
        facts,
        phase="Suspended",
        reason="Suspended",
        message=message,
        frames_per_second=None,
        eta=None,
        conditions=[
            NewCondition("Running", "False", "Suspended", message),
            *ended_condition(restoration, "Unknown", "Suspended", "nothing is restored while it is suspended"),
        ],
    )
    if status.phase != "Suspended":
        return Decision(WriteStatus(suspended), status)
    if facts.title is not None and facts.title.run.state == "finished":
        return _finish(facts, facts.title)
    if facts.title is not None and facts.title.under_way and not facts.shared:
        return Decision(CancelTitle(facts.title.run.run, f"Restoration {_name(restoration)} was suspended"), status)
    return Decision(None, suspended)


def _begin(facts: RestorationFacts) -> Decision:
    if facts.resolution is None:
        return Decision(Resolve(), facts.restoration.status)
    return _record(facts)


def _record(facts: RestorationFacts) -> Decision:
    """Writes run and attempt before the submission, so that a killed controller submits no second time."""
    assert facts.resolution is not None
    expected = expect(facts.restoration.spec, facts.now, facts.resolution.forecast)
    begun = _updated(
        facts,
        phase="Pending",
        reason="Submitting",
        message="source, output and recipe are accepted",
        run=facts.resolution.request.run,
        attempt=facts.resolution.attempt,
        failure=None,
        eta=expected.eta,
        start_time=facts.restoration.status.start_time or facts.now,
        completion_time=None,
        conditions=[
            NewCondition("Accepted", "True", "Accepted", "source, output and recipe can be used"),
            NewCondition("Finished", "False", "NotYet"),
            *deadline_condition(facts.restoration, facts.now, expected),
        ],
    )
    return Decision(WriteStatus(begun), facts.restoration.status)


def _follow(facts: RestorationFacts) -> Decision:
    status, title, resolution = facts.restoration.status, facts.title, facts.resolution
    if title is None or title.run.attempt < (status.attempt or 0):
        if facts.submitted:
            # Somebody has removed the run since. The next try submits it again.
            return Decision(None, status, "retry")
        if resolution is None:
            return Decision(Resolve(), status)
        if (resolution.request.run, resolution.attempt) != (status.run, status.attempt):
            # The source has another content by now, or the run was submitted elsewhere and has ended.
            return _record(facts)
        return Decision(SubmitTitle(resolution.request, resolution.probe), status)
    if title.under_way:
        return _watch(facts, title)
    return _finish(facts, title) if title.run.state == "finished" else _fail(facts, title)


def _watch(facts: RestorationFacts, title: RunFacts) -> Decision:
    restoration, spec = facts.restoration, facts.restoration.spec
    changed = restoration.metadata.generation != restoration.status.observed_generation
    wanted = (spec.priority_class, unix_deadline(spec))
    # Only after a change of the spec: of two resources with one run, neither undoes what the other has asked for.
    if changed and not facts.submitted and wanted != (title.run.priority_class, title.run.deadline):
        return Decision(ChangeTitle(title.run.run, *wanted), restoration.status)
    running = title.run.state == "running"
    message = "segments are being restored" if running else "submitted; waits for its turn"
    expected = expect(spec, facts.now, title.forecast, title.eta)
    status = _updated(
        facts,
        phase="Running" if running else "Pending",
        reason="Running" if running else "Queued",
        message=message,
        attempt=title.run.attempt,
        **progress_of(title),
        eta=expected.eta,
        conditions=[
            NewCondition("Accepted", "True", "Accepted", "source, output and recipe can be used"),
            NewCondition("Running", "True" if running else "False", "Running" if running else "Queued", message),
            *deadline_condition(restoration, facts.now, expected),
        ],
    )
    return Decision(None, status, "look")


def _finish(facts: RestorationFacts, title: RunFacts) -> Decision:
    message = f"{title.run.frames} frames are restored"
    ended, deadline = facts.restoration.status.completion_time or facts.now, facts.restoration.spec.deadline
    late = deadline is not None and ended > deadline
    held: tuple[ConditionStatus, str] = ("True", "DeadlineMissed") if late else ("False", "DeadlineHeld")
    status = _updated(
        facts,
        phase="Finished",
        reason="Finished",
        message=message,
        attempt=title.run.attempt,
        **progress_of(title),
        eta=None,
        output=title.run.output,
        manifest_digest=title.manifest_digest or None,
        # Pools without a price say nothing about it.
        cost=title.run.cost or None,
        failure=None,
        completion_time=ended,
        conditions=[
            NewCondition("Accepted", "True", "Accepted", "source, output and recipe can be used"),
            NewCondition("Running", "False", "Finished"),
            NewCondition("Finished", "True", "Finished", message),
            *ended_condition(facts.restoration, *held, f"finished at {format_time(ended)}"),
        ],
    )
    return Decision(WriteStatus(status), status)


def _fail(facts: RestorationFacts, title: RunFacts) -> Decision:
    reason = "Failed" if title.run.state == "failed" else "Cancelled"
    failure = RestorationFailure.of(title.run.reason)
    status = _updated(
        facts,
        phase="Failed",
        reason=reason,
        message=failure.reason,
        attempt=title.run.attempt,
        frames_per_second=None,
        eta=None,
        failure=failure,
        completion_time=facts.restoration.status.completion_time or facts.now,
        conditions=[
            NewCondition("Running", "False", reason),
            NewCondition("Finished", "False", reason, failure.reason),
            *ended_condition(facts.restoration, "True", reason, "there is no film"),
        ],
    )
    return Decision(WriteStatus(status), status)


def _wait_out(facts: RestorationFacts) -> Decision:
    trouble, status = facts.trouble, facts.restoration.status
    assert trouble is not None
    accepted = status.condition("Accepted")
    kind = "Running" if accepted is not None and accepted.status == "True" else "Accepted"
    condition = NewCondition(kind, "Unknown" if trouble.temporary else "False", trouble.reason, trouble.message)
    changed = _updated(
        facts,
        phase=status.phase or "Pending",
        reason=trouble.reason,
        message=trouble.message,
        # What was known last still holds: `eta` stays too.
        conditions=[condition, *deadline_condition(facts.restoration, facts.now, None)],
    )
    return Decision(None, changed, "retry")


def _updated(facts: RestorationFacts, *, conditions: list[NewCondition], **changes: object) -> RestorationStatus:
    status, generation = facts.restoration.status, facts.restoration.metadata.generation
    kept = [each for each in status.conditions if each.type != "DeadlineAtRisk" or facts.restoration.spec.deadline]
    known = set_conditions(kept, conditions, generation, facts.now)
    return status.model_copy(update={**changes, "conditions": known, "observed_generation": generation})


def _name(restoration: Restoration) -> str:
    return f"{restoration.metadata.namespace}/{restoration.metadata.name}"
