"""Conditions of a resource: set in place, with the time of the last change of their status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from reelwright.controller.resources import ConditionStatus, StatusCondition


class NewCondition(NamedTuple):
    """What a condition is to say.

    Attributes:
        type: what the condition is about.
        status: True, False or Unknown.
        reason: one word for programs.
        message: one line for people.
    """

    type: str
    status: ConditionStatus
    reason: str
    message: str = ""


def set_conditions(
    known: Sequence[StatusCondition], new: Sequence[NewCondition], generation: int, now: datetime
) -> tuple[StatusCondition, ...]:
    """The conditions with some of them set; the others stay as they are.

    Args:
        known: the conditions so far.
        new: those to set. The transition time of one whose status stays the same is kept.
        generation: of the resource that they describe.
        now: transition time of the others.
    """
    found = {condition.type: condition for condition in known}
    for wanted in new:
        before = found.get(wanted.type)
        since = before.last_transition_time if before is not None and before.status == wanted.status else now
        found[wanted.type] = StatusCondition(
            **wanted._asdict(), last_transition_time=since, observed_generation=generation
        )
    return tuple(found.values())
