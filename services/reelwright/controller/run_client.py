"""The cluster as the controller uses it: resolves, submits, follows and cancels runs through `reelwright.client`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from typing_extensions import override

from reelwright.bus.protocol import Bus
from reelwright.client.cancellation import cancel
from reelwright.client.forecast import FinishForecast, Forecasts
from reelwright.client.request import resolve_title
from reelwright.client.status import RunStatus, find_status, manifest_digest
from reelwright.client.submission import find_requests, next_attempt, submit
from reelwright.controller.progress import unix_deadline
from reelwright.controller.resources import RestorationSpec
from reelwright.controller.restoration_facts import Resolution, Trouble
from reelwright.ledger.records import SourceProbe
from reelwright.ledger.run_ledger import OpenLedger
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import (
    BrokerError,
    InputError,
    ModelError,
    OneLineError,
    OutputError,
    RecipeError,
    ReelwrightError,
    UnavailableError,
    one_line,
)
from reelwright.titles.named_recipes import recipe_names
from reelwright.titles.recipe_parsing import merge_recipe
from reelwright.titles.request import PriorityClass, RunRequest

log = get_logger(__name__)


class RunClient(Protocol):
    """What the controller asks of a cluster. Thread-safe. Every method raises the errors of `reelwright.client`."""

    def resolve(self, spec: RestorationSpec) -> Resolution:
        """Checks a spec, and finds out its run and attempt. Writes nothing."""

    def submit(self, request: RunRequest, probe: SourceProbe | None = None) -> None:
        """Submits a title; the same request under way is the same attempt. Without a probe the decoder makes one."""

    def change(self, run: str, priority_class: PriorityClass, deadline: float) -> None:
        """Gives a run that is under way another class or deadline (Unix seconds; 0 for none)."""

    def cancel(self, run: str, reason: str) -> None:
        """Ends the present attempt of a run, if it has not ended."""

    def status(self, run: str) -> RunStatus | None:
        """The state of a run; None when the ledger has no such run."""

    def forecast(self, run: str, attempt: int) -> FinishForecast | None:
        """The dispatcher's forecast of a title under way; None when it has none, or does not answer."""

    def manifest_digest(self, output: str) -> str:
        """The digest of the manifest beside a film; empty when there is none."""

    def close(self) -> None:
        """Ends its connections."""


class BrokerUnreachable(UnavailableError):
    """The broker cannot be reached, as opposed to the store. Temporary."""


class ClusterRunClient(RunClient):
    """The RunClient of an installation. The broker is connected to when it is first needed, and again after a loss.

    Args:
        connect: connects to the broker.
        ledger: opens the ledger of an attempt.
        forecasts: of a dispatcher.
    """

    def __init__(self, connect: Callable[[], Bus], ledger: OpenLedger, forecasts: Forecasts) -> None:
        self._connect, self._ledger, self._forecasts = connect, ledger, forecasts
        self._bus: Bus | None = None
        self._lock = threading.Lock()

    @override
    def close(self) -> None:
        with self._lock:
            if self._bus is not None:
                self._bus.close()
        self._forecasts.close()

    @override
    def resolve(self, spec: RestorationSpec) -> Resolution:
        if spec.recipe not in recipe_names():
            # The name of a file would be read here, in the controller's pod.
            raise RecipeError(f"no recipe named {spec.recipe!r}", "spec.recipe", f"known: {', '.join(recipe_names())}")
        recipe = merge_recipe(spec.recipe, spec.overrides, "spec.overrides")
        title = resolve_title(spec.source, spec.output, recipe, "")
        request = title.request.model_copy(
            update={"priority_class": spec.priority_class, "deadline": unix_deadline(spec)},
        )
        forecast = self._forecasts.check(request) if request.deadline else None
        return Resolution(request, next_attempt(request, self._ledger(request.run)), title.probe, forecast)

    @override
    def submit(self, request: RunRequest, probe: SourceProbe | None = None) -> None:
        with self._connected() as bus:
            submit(request, self._ledger(request.run), bus, probe)

    @override
    def change(self, run: str, priority_class: PriorityClass, deadline: float) -> None:
        (request,) = find_requests([run], self._ledger)
        self.submit(request.model_copy(update={"priority_class": priority_class, "deadline": deadline}))

    @override
    def cancel(self, run: str, reason: str) -> None:
        with self._connected() as bus:
            cancel(run, self._ledger, bus, reason)

    @override
    def status(self, run: str) -> RunStatus | None:
        return find_status(run, self._ledger)

    @override
    def forecast(self, run: str, attempt: int) -> FinishForecast | None:
        return self._forecasts.of(run, attempt)

    @override
    def manifest_digest(self, output: str) -> str:
        return manifest_digest(output)

    @contextmanager
    def _connected(self) -> Iterator[Bus]:
        """The bus; one that was closed because the broker took nothing is replaced the next time."""
        with self._lock:
            if self._bus is None:
                try:
                    self._bus = self._connect()
                except UnavailableError as error:
                    raise BrokerUnreachable(error.what, error.where, error.remedy) from None
            bus = self._bus
        try:
            yield bus
        except UnavailableError as error:
            if error.where != "the broker":
                raise
            with self._lock:
                if self._bus is bus:
                    self._bus = None
            raise BrokerUnreachable(error.what, error.where, error.remedy) from None


_REASONS: tuple[tuple[type[ReelwrightError], str], ...] = (
    (BrokerUnreachable, "BrokerUnreachable"),
    (BrokerError, "BrokerRefuses"),
    (UnavailableError, "StoreUnreachable"),
    (InputError, "SourceNotUsable"),
    (OutputError, "OutputNotWritable"),
    (RecipeError, "RecipeNotValid"),
    (ModelError, "ModelNotValid"),
)
TITLE_REASONS = frozenset({"SourceMissing", *(reason for _, reason in _REASONS[3:])})
"""Reasons that concern one title alone, so that other titles need not wait for it to be mended."""


def trouble_of(error: ReelwrightError) -> Trouble:
    """Why a step failed, as conditions show it. An error that is a failure of ours is logged with its traceback."""
    if isinstance(error, InputError) and error.what in {"no such file", "no such bucket"}:
        return Trouble("SourceMissing", str(error), temporary=False)
    if isinstance(error, OneLineError):
        reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), "NotValid")
        return Trouble(reason, str(error), error.temporary)
    log.exception("step failed", exc_info=error)
    return Trouble("InternalError", one_line(f"{type(error).__name__}: {error}")[:1000], temporary=True)
