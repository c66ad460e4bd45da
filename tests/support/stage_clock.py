"""A clock of the stages that goes on only where a test says so, which makes their seconds exact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from reelwright.telemetry import metrics


class StageClock:
    """Takes the place of the clock by which stages are timed.

    Args:
        monkeypatch: of the test.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now, self._monkeypatch = 0.0, monkeypatch
        clock = SimpleNamespace(perf_counter=lambda: self._now, monotonic=time.monotonic)
        monkeypatch.setattr(metrics, "time", clock)
        self._before = {stage: _counted(stage) for stage in metrics.STAGES}

    def charge(self, owner: object, name: str, seconds: float) -> None:
        """Each call of a function takes so many seconds, or each step of what it returns if that is iterated over."""
        function: Callable[..., Any] = getattr(owner, name)

        def charged(*arguments: Any, **options: Any) -> Any:
            found = function(*arguments, **options)
            if isinstance(found, Iterator):
                return self._steps(found, seconds)
            self._now += seconds
            return found

        self._monkeypatch.setattr(owner, name, charged)

    def counted(self) -> dict[str, Any]:
        """Seconds of each stage since the clock was made, where there are any."""
        grown = {stage: _counted(stage) - before for stage, before in self._before.items()}
        return {stage: pytest.approx(seconds) for stage, seconds in grown.items() if seconds}

    def _steps(self, items: Iterable[Any], seconds: float) -> Iterator[Any]:
        for item in items:
            self._now += seconds
            yield item


def _counted(stage: str) -> float:
    return REGISTRY.get_sample_value("reelwright_stage_seconds_total", {"stage": stage}) or 0.0
