"""What the controller knows of a Restoration when it decides, and what it can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reelwright.client.forecast import FinishForecast
from reelwright.client.status import RunStatus
from reelwright.controller.resources import Restoration, RestorationStatus
from reelwright.ledger.records import SourceProbe
from reelwright.titles.request import PriorityClass, RunRequest


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a spec leads to.

    Attributes:
        request: the checked request.
        attempt: number of the attempt that a submission joins or begins.
        probe: what the source holds.
        forecast: of the title beside those that are submitted; None without a deadline, or when no dispatcher answers.
    """

    request: RunRequest
    attempt: int
    probe: SourceProbe
    forecast: FinishForecast | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something could not be found out or done.

    Attributes:
        reason: one word for programs.
        message: one line: what, where, and what to do.
        temporary: whether waiting helps; if not, a person must mend something.
    """

    reason: str
    message: str
    temporary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What the ledger says of a run.

    Attributes:
        run: state of its last attempt.
        frames_per_second: its measured speed; None while that is not known.
        eta: when the film will be done at that speed; None likewise. It stays the same until there is progress again.
        manifest_digest: of a finished film; empty otherwise.
        forecast: the dispatcher's; None when it has none, or does not answer.
    """

    run: RunStatus
    frames_per_second: float | None = None
    eta: datetime | None = None
    manifest_digest: str = ""
    forecast: FinishForecast | None = None

    @property
    def under_way(self) -> bool:
        """Whether the attempt has not ended."""
        return self.run.state in {"queued", "running"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorationFacts:
    """All that a decision depends on.

    Attributes:
        restoration: the resource as it was seen last.
        now: the present.
        title: what the ledger says of the run in the status; None where there is no such run, or nobody asked.
        resolution: what the spec leads to, once that was found out.
        trouble: why the last step failed; None if it did not.
        submitted: whether a step has submitted the title.
        shared: whether another Restoration wants the same run, so that it must go on.
    """

    restoration: Restoration
    now: datetime
    title: RunFacts | None = None
    resolution: Resolution | None = None
    trouble: Trouble | None = None
    submitted: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Has the resource wait for its work to stop when it is deleted."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Removes the finalizer, so that Kubernetes can delete the resource without the controller."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """Checks source, output and recipe, and finds out the run."""


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Writes the status before anything else is done.

    Attributes:
        status: the new one.
    """

    status: RestorationStatus


@dataclass(frozen=True, slots=True)
class SubmitTitle:
    """Submits a title.

    Attributes:
        request: the checked request.
        probe: what the source holds.
    """

    request: RunRequest
    probe: SourceProbe


@dataclass(frozen=True, slots=True)
class ChangeTitle:
    """Gives a title that is under way another class or deadline.

    Attributes:
        run: name of the run.
        priority_class: the class wanted.
        deadline: Unix seconds; 0 for none.
    """

    run: str
    priority_class: PriorityClass
    deadline: float


@dataclass(frozen=True, slots=True)
class CancelTitle:
    """Ends the present attempt of a run. Its committed segments are kept.

    Attributes:
        run: name of the run.
        reason: shown by `reelwright status`.
    """

    run: str
    reason: str


Step = AddFinalizer | RemoveFinalizer | Resolve | WriteStatus | SubmitTitle | ChangeTitle | CancelTitle

Next = Literal["change", "look", "retry"]
"""When to decide again: at the next change of the resource, to look at its progress, or after a growing pause."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do.

    Attributes:
        step: what to do now, before the next decision; None when the status is all.
        status: the status to leave, when there is no step.
        following: when to decide again, when there is no step.
    """

    step: Step | None
    status: RestorationStatus
    following: Next = "change"
