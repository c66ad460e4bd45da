"""The custom resources `Restoration` and `Catalog`, as typed documents.

`scripts/crds.py` makes the CustomResourceDefinitions of the chart from these classes: fields, limits and descriptions.
Times are RFC 3339 in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from reelwright.titles.request import PriorityClass

GROUP = "reelwright.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FINALIZER = f"{GROUP}/work"
"""Held by a Restoration until its work has stopped."""

CATALOG_LABEL = f"{GROUP}/catalog"
"""Label of a Restoration: the Catalog that made it, see `catalog_ownership.catalog_label`."""

Phase = Literal["Pending", "Running", "Finished", "Failed", "Suspended"]
ConditionStatus = Literal["True", "False", "Unknown"]


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def format_time(moment: datetime) -> str:
    """A moment as the API server writes it, e.g. 2030-05-01T18:00:00Z."""
    return _in_utc(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_microtime(moment: datetime) -> str:
    """A moment of a Lease or an Event, e.g. 2030-05-01T18:00:00.250000Z: the API's type MicroTime."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Moment = Annotated[datetime, AfterValidator(_in_utc), PlainSerializer(format_time, return_type=str)]


class ApiDocument(BaseModel):
    """A part of a resource. A field that this version does not know is ignored; names are camelCase on the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class Counted(ApiDocument):
    """How much of something is done.

    Attributes:
        done: how many are done.
        total: how many there are; an estimate until the source was read to its end.
    """

    done: int = Field(default=0, ge=0)
    total: int = Field(default=0, ge=0)


class RestorationFailure(ApiDocument):
    """Why there is no film.

    Attributes:
        reason: one line: what, where, and what to do.
        first_frame: the first frame that could not be restored, from 0, where the failure concerns frames.
        last_frame: the last one.
    """

    reason: str
    first_frame: int | None = None
    last_frame: int | None = None

    @classmethod
    def of(cls, reason: str) -> RestorationFailure:
        """The failure that an outcome's reason describes; services write frames as `frames 120-131`."""
        frames = re.search(r"\bframes? (\d+)(?:-(\d+))?\b", reason)
        if frames is None:
            return cls(reason=reason)
        return cls(reason=reason, first_frame=int(frames[1]), last_frame=int(frames[2] or frames[1]))


class StatusCondition(ApiDocument):
    """A condition, as Kubernetes defines it.

    Attributes:
        type: what the condition is about.
        status: True, False or Unknown.
        reason: one word for programs.
        message: one line for people.
        last_transition_time: when `status` changed last.
        observed_generation: generation of the resource that the condition describes.
    """

    type: str = Field(max_length=64)
    status: ConditionStatus
    reason: str = Field(min_length=1, max_length=128)
    message: str = Field(default="", max_length=4096)
    last_transition_time: Moment
    observed_generation: int = 0


class RestorationSpec(ApiDocument):
    """What is asked for. Source, output, recipe and overrides cannot change once the restoration has started.

    Attributes:
        source: the film to restore: an absolute path, or s3://BUCKET/NAME. It is only read.
        output: where the restored film goes, likewise. Manifest and report are written beside it.
        recipe: name of a recipe that ships; `reelwright recipes` lists them.
        overrides: keys that replace those of the recipe.
        priority_class: share of the workers when titles compete.
        deadline: when the film is needed. Workers are shared so that it is held where that is possible.
        suspend: stops the work. Finished segments are kept, and the work goes on from them when this is false again.
    """

    source: str = Field(min_length=1, max_length=1024)
    output: str = Field(min_length=1, max_length=1024)
    recipe: str = Field(default="faithful", min_length=1, max_length=63)
    overrides: dict[str, Any] = Field(default_factory=dict)
    priority_class: PriorityClass = Field(default="standard", alias="class")
    deadline: Moment | None = None
    suspend: bool = False


class RestorationStatus(ApiDocument):
    """What was found and done. Written by the controller.

    Attributes:
        observed_generation: generation of the resource that this status describes.
        phase: the state in one word.
        reason: why it is in that state, in one word.
        message: the same in one line for people.
        conditions: Accepted, Running, Finished, DeadlineAtRisk.
        run: name of the run, for `reelwright status` and logs. The restoration has started once it is set.
        attempt: number of the run's attempt.
        progress: share of the frames that are done, e.g. 40%.
        frames: frames that are restored and encoded.
        segments: segments that are restored and encoded.
        frames_per_second: speed of this title, measured.
        eta: when the film is expected, by the dispatcher's forecast, or at that speed where there is no forecast.
        output: where the film is.
        manifest_digest: digest of the film's manifest, which holds those of the film and of every frame.
        cost: what the restoration has cost, in the currency of the pools' prices.
        failure: why there is no film.
        start_time: when the restoration started.
        completion_time: when it ended.
    """

    observed_generation: int = 0
    phase: Phase | None = None
    reason: str | None = None
    message: str | None = None
    conditions: tuple[StatusCondition, ...] = ()
    run: str | None = None
    attempt: int | None = None
    progress: str | None = None
    frames: Counted | None = None
    segments: Counted | None = None
    frames_per_second: float | None = None
    eta: Moment | None = None
    output: str | None = None
    manifest_digest: str | None = None
    cost: float | None = None
    failure: RestorationFailure | None = None
    start_time: Moment | None = None
    completion_time: Moment | None = None

    def condition(self, kind: str) -> StatusCondition | None:
        """The condition of a type; None when it is not set."""
        return next((condition for condition in self.conditions if condition.type == kind), None)


class ResourceMetadata(ApiDocument):
    """The part of a resource's metadata that the controller reads.

    Attributes:
        name: name of the resource.
        namespace: its namespace.
        uid: identity of the resource, new for each one of the same name.
        generation: changes with each change of the spec.
        creation_timestamp: when it was created.
        deletion_timestamp: when its deletion was asked for; None while it is wanted.
        finalizers: what must be done before it goes.
        labels: its labels.
    """

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    creation_timestamp: datetime = datetime.fromtimestamp(0, UTC)
    deletion_timestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)


class Restoration(ApiDocument):
    """One film to restore.

    Attributes:
        metadata: name, generation and so on.
        spec: what is asked for.
        status: what was found and done.
    """

    metadata: ResourceMetadata
    spec: RestorationSpec
    status: RestorationStatus = RestorationStatus()

    @property
    def deleting(self) -> bool:
        """Whether its deletion was asked for."""
        return self.metadata.deletion_timestamp is not None

    @property
    def settled(self) -> bool:
        """Whether there is nothing more to do for it, unless its spec changes."""
        return self.status.phase in {"Finished", "Failed"}


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
