"""When titles will be restored, and whether their deadlines hold: `reelwright.v1.Forecast`, beside the scaler."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from typing import Any

import grpc.aio

from reelwright.dispatcher.finish_times import Capacity, TitleAhead, finish_times
from reelwright.dispatcher.planner import Planner
from reelwright.dispatcher.pods_wanted import PoolState
from reelwright.dispatcher.ready_queue import CLASS_WEIGHTS
from reelwright.dispatcher.titles_under_way import TitleUnderWay
from reelwright.media.timestamp import time_span
from reelwright.titles.request import due_time, known_time
from reelwright.wire import forecast_pb2 as wire
from reelwright.wire.forecast_pb2_grpc import ForecastServicer
from reelwright.wire.titles_pb2 import TitleProgress

# With more titles than these, of those that wait the last ones have no forecast: it would say little and take long.
_MAX_TITLES = 2000
_PLANNED_KEY = "planned"


class ForecastService(ForecastServicer):
    """Answers on the event loop of the planner.

    Args:
        planner: knows titles and pools.
        clock: Unix seconds.
    """

    def __init__(self, planner: Planner, clock: Callable[[], float] = time.time) -> None:
        self._planner, self._clock = planner, clock

    async def Read(  # noqa: N802 - a name in the proto
        self, request: wire.ForecastRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> wire.ForecastReply:
        """The forecasts of the titles without an outcome."""
        del context
        return wire.ForecastReply(titles=self.forecasts(frozenset(request.runs)))

    async def Check(  # noqa: N802 - a name in the proto
        self, request: wire.PlannedTitle, context: grpc.aio.ServicerContext[Any, Any]
    ) -> wire.TitleForecast:
        """The forecast of a title that is not submitted yet."""
        del context
        return self.check(request)

    def forecasts(self, runs: Collection[str] = ()) -> list[wire.TitleForecast]:
        """The forecasts of the titles of these runs; of all when there are none."""
        titles = self._planner.titles.titles()
        ahead = self._titles_ahead(titles)
        times = self._times(list(ahead.values()))
        return [
            self._forecast(
                title.run,
                title.attempt,
                progress=title.progress,
                frames_left=title.frames_left,
                ahead=ahead.get(_key(title)),
                times=times,
            )
            for title in titles
            if not runs or title.run in runs
        ]

    def check(self, planned: wire.PlannedTitle) -> wire.TitleForecast:
        """The forecast of a title beside those that are submitted."""
        progress = TitleProgress(
            frames=planned.frames,
            frame_pixels=planned.frame_pixels,
            priority_class=planned.priority_class,
            model_sha256=planned.model_sha256,
            engine=planned.engine,
            deadline=known_time(planned.deadline),
            submitted=self._clock(),
            waiting=True,
        )
        ahead = self._titles_ahead(self._planner.titles.titles())
        mine = self._title_ahead(_PLANNED_KEY, progress, planned.frames)
        titles = [*ahead.values(), *([mine] if mine else [])]
        return self._forecast(
            "", 0, progress=progress, frames_left=planned.frames, ahead=mine, times=self._times(titles)
        )

    def _titles_ahead(self, titles: list[TitleUnderWay]) -> dict[str, TitleAhead]:
        ahead = {}
        for title in sorted(titles, key=lambda each: (each.progress.waiting, each.progress.submitted))[:_MAX_TITLES]:
            if found := self._title_ahead(_key(title), title.progress, title.frames_left):
                ahead[found.key] = found
        return ahead

    def _title_ahead(self, key: str, progress: TitleProgress, frames_left: int) -> TitleAhead | None:
        """A title as the forecast handles it; None when its size is not known."""
        if not (progress.frames and progress.frame_pixels and progress.model_sha256):
            return None
        pools, known_class = self._planner.pools, progress.priority_class in CLASS_WEIGHTS
        return TitleAhead(
            key=key,
            pixels=float(frames_left * progress.frame_pixels),
            priority=progress.priority_class if known_class else "standard",
            deadline=progress.deadline or None,
            due=due_time(progress.deadline, progress.submitted),
            waiting=progress.waiting,
            pools=pools.able(progress.model_sha256, progress.engine, pools.states()),
        )

    def _times(self, titles: list[TitleAhead]) -> tuple[dict[str, float], dict[str, float]]:
        """When each title is restored: by the pods there are, and by as many as the pools may have."""
        states, now = self._planner.pools.states(), self._clock()
        present = [Capacity(pool=state.name, speed=state.pods * state.speed) for state in states if state.speed]
        more = [_possible(state) for state in states if state.speed and state.max_pods > state.pods]
        usual = finish_times(titles, present, now)
        return usual, finish_times(titles, [*present, *more], now) if more else usual

    def _forecast(
        self,
        run: str,
        attempt: int,
        *,
        progress: TitleProgress,
        frames_left: int,
        ahead: TitleAhead | None,
        times: tuple[dict[str, float], dict[str, float]],
    ) -> wire.TitleForecast:
        forecast = wire.TitleForecast(run=run, attempt=attempt, deadline=progress.deadline, frames_left=frames_left)
        if ahead is None:
            forecast.reason = "the number of its frames is not known yet"
            return forecast
        finish, earliest = (found.get(ahead.key, math.inf) for found in times)
        forecast.finish = finish if math.isfinite(finish) else 0.0
        forecast.earliest_finish = earliest if math.isfinite(earliest) else 0.0
        if not math.isfinite(earliest):
            what = "no pool has its model and engine" if not ahead.pools else "the speed of its pools is not known yet"
            forecast.reason = what
        elif progress.deadline:
            forecast.outlook, forecast.reason = _outlook(finish, earliest, progress.deadline)
        return forecast


def _possible(state: PoolState) -> Capacity:
    """The pods that a pool may have beside those that it has."""
    assert state.speed is not None
    more = state.max_pods - state.pods
    return Capacity(pool=state.name, speed=more * state.speed, start_seconds=state.start_seconds)


def _outlook(finish: float, earliest: float, deadline: float) -> tuple[wire.Outlook, str]:
    if finish <= deadline:
        return wire.OUTLOOK_HELD, f"the pods there are restore it {_about(deadline - finish)} before its deadline"
    if earliest <= deadline:
        late = f"{_about(finish - deadline)} after its deadline" if math.isfinite(finish) else "never"
        return wire.OUTLOOK_AT_RISK, f"the pods there are restore it {late}; more pods can hold it"
    late = _about(earliest - deadline)
    return wire.OUTLOOK_MISSED, f"as many pods as its pools may have restore it {late} after its deadline"


def _about(seconds: float) -> str:
    """A time span in whole minutes: a Restoration's condition has it, and each change of that is written."""
    return time_span(60 * max(1, round(seconds / 60)))


def _key(title: TitleUnderWay) -> str:
    return f"{title.run}/{title.attempt}"
