"""A planner for tests, on a scheduler without a network and a clock that the test moves."""

from __future__ import annotations

from reelwright.dispatcher.forecast_service import ForecastService
from reelwright.dispatcher.known_pools import ScaledPool
from reelwright.dispatcher.planner import Planner
from reelwright.wire.titles_pb2 import Event, TitleFinished, TitleProgress
from tests.support.schedulers import SchedulerHarness, batch

HOUR = 3600.0
CPU = ScaledPool(name="cpu", max_pods=10, start_seconds=30.0)


class PlannerHarness(SchedulerHarness):
    """A scheduler with a planner. The clock is also that of Unix seconds; frames have one pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.planner = Planner(self.scheduler, target_seconds=HOUR, clock=self.clock, wall_clock=self.clock)
        self.forecast = ForecastService(self.planner, self.clock)

    def follow(self, seconds: float = 0.0) -> None:
        """Lets the planner see the decisions; of a restored batch it is said how long it took."""
        for decision in self.scheduler.pop_decisions():
            self.planner.record_decision(decision, seconds)
            self.keep(decision)
        self.planner.sample()

    def restore(
        self, stream: int, run: str, *, seconds: float, number: int = 0, segment: int = 0, repeats: int = 0
    ) -> None:
        """A worker is leased a batch of a run and restores it."""
        self.scheduler.add_batch(batch(run, number, segment=segment, repeats=repeats))
        self.scheduler.add_credits(stream, 1)
        self.follow()
        self.clock.now += seconds
        self.scheduler.complete_batch(stream, self.granted(stream)[-1].lease_id)
        self.follow(seconds)

    def measure(self, pool: str, engine: str = "one-1") -> int:
        """A worker of a pool connects and restores a title of one batch in a second; its stream."""
        stream = self.connect("w", pool=pool, engine=engine)
        self.restore(stream, "warm", seconds=1.0)
        self.planner.record_event(Event(run="warm", attempt=1, title_finished=TitleFinished()))
        return stream

    def progress(self, run: str, frames: int, *, committed: int = 0, attempt: int = 1, **fields: object) -> None:
        """A decoder reports a title."""
        known = {"model_sha256": "m", "frame_pixels": 1, "submitted": self.clock.now, "priority_class": "standard"}
        progress = TitleProgress(frames=frames, frames_committed=committed, **{**known, **fields})  # type: ignore[arg-type]
        self.planner.record_event(Event(run=run, attempt=attempt, title_progress=progress))

    def pass_time(self, seconds: float) -> None:
        """Moves the clock, with samples on the way."""
        for _ in range(int(seconds)):
            self.clock.now += 1
            self.planner.sample()
