"""When a film is expected, and whether its deadline holds: `eta` and the condition DeadlineAtRisk, from one source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from reelwright.client.forecast import FinishForecast
from reelwright.controller.progress import unix_deadline
from reelwright.controller.resources import ConditionStatus, NewCondition, Restoration, RestorationSpec, format_time

_MINUTE = timedelta(minutes=1)
# More pods may come, and then the deadline holds.
_OUTLOOKS: dict[str, tuple[ConditionStatus, str]] = {
    "held": ("False", "OnTime"),
    "at-risk": ("Unknown", "MorePodsNeeded"),
    "missed": ("True", "TooFewPods"),
}


class Expectation(NamedTuple):
    """When a film is expected, and what follows for its deadline.

    Attributes:
        eta: when it is expected; None if that is not known.
        at_risk: whether the deadline is at risk; means nothing without a deadline.
        reason: why, in one word.
        message: why, in one line.
    """

    eta: datetime | None
    at_risk: ConditionStatus
    reason: str
    message: str


def expect(
    spec: RestorationSpec, now: datetime, forecast: FinishForecast | None, measured: datetime | None = None
) -> Expectation:
    """What is expected of a title without an outcome.

    The dispatcher's forecast is the source where there is one, because it knows the other titles and the pods;
    otherwise the measured speed is. A forecast counts no encoding, so it ends when everything is restored.

    Args:
        spec: what is asked for.
        now: the present.
        forecast: the dispatcher's; None if there is none.
        measured: when the film is done at the title's measured speed; None while that is not known.
    """
    if forecast is not None and (measured is None or not 0 < forecast.finish <= now.timestamp()):
        # An outlook on another deadline is that of another Restoration, or of the spec before its last change.
        if forecast.outlook and forecast.deadline == unix_deadline(spec):
            eta = _shown(forecast.finish, spec.deadline) if forecast.finish else None
            return Expectation(eta, *_OUTLOOKS[forecast.outlook], forecast.reason)
        if forecast.finish:
            return _compared(_shown(forecast.finish, spec.deadline), spec.deadline, "TooFewPods")
    if measured is not None:
        return _compared(measured, spec.deadline, "TooSlow")
    return Expectation(
        None,
        "Unknown",
        "NoForecast",
        (forecast.reason if forecast else "") or "the speed of this title is not known yet",
    )


def deadline_condition(restoration: Restoration, now: datetime, expected: Expectation | None) -> list[NewCondition]:
    """The condition DeadlineAtRisk of a title without an outcome, in a list; an empty one without a deadline.

    Args:
        restoration: the resource.
        now: the present.
        expected: what is expected; None if nothing new is known, and the condition stays what the resource shows.
    """
    deadline, status = restoration.spec.deadline, restoration.status
    if deadline is None:
        return []
    shown = format_time(deadline)
    known = status.condition("DeadlineAtRisk")
    if deadline <= restoration.metadata.creation_timestamp:
        message = f"the deadline {shown} was past when this Restoration was created; give a later one"
        new = NewCondition("DeadlineAtRisk", "True", "DeadlinePastAtCreation", message)
    elif deadline <= now:
        new = NewCondition("DeadlineAtRisk", "True", "DeadlinePassed", f"the deadline {shown} has passed")
    elif expected is None and known is not None and known.observed_generation == restoration.metadata.generation:
        new = NewCondition(known.type, known.status, known.reason, known.message)
    else:
        expected = expected or expect(restoration.spec, now, None, status.eta)
        new = NewCondition("DeadlineAtRisk", expected.at_risk, expected.reason, expected.message)
    return [new]


def ended_condition(restoration: Restoration, status: ConditionStatus, reason: str, message: str) -> list[NewCondition]:
    """The condition DeadlineAtRisk of a title that has ended or is suspended; an empty list without a deadline."""
    return [NewCondition("DeadlineAtRisk", status, reason, message)] if restoration.spec.deadline else []


def _compared(eta: datetime, deadline: datetime | None, reason_if_late: str) -> Expectation:
    if deadline is None:
        return Expectation(eta, "Unknown", "NoDeadline", "")
    if eta <= deadline:
        return Expectation(eta, "False", "OnTime", f"the film is expected before {format_time(deadline)}")
    minutes = max(1, round((eta - deadline) / _MINUTE))
    message = f"the film is expected {minutes} min after the deadline {format_time(deadline)}"
    return Expectation(eta, "True", reason_if_late, message)


def _shown(finish: float, deadline: datetime | None) -> datetime:
    """The time of a forecast as a status shows it.

    In whole minutes, because each look changes a more exact time and would write it. The minute is on the same side of
    the deadline as the forecast.
    """
    exact = datetime.fromtimestamp(finish, UTC)
    shown = datetime.fromtimestamp(round(finish / 60) * 60, UTC)
    if deadline is not None and exact <= deadline < shown:
        return shown - _MINUTE
    if deadline is not None and shown <= deadline < exact:
        return shown + _MINUTE
    return shown
