"""Which engine restores which run, so that no film is made of two engines' frames. No clock, thread or network."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import NamedTuple

from reelwright.titles.identity import engine_matches

# A run takes about 200 bytes. The oldest is forgotten first; by then its batches name its engine.
_MAX_RUNS = 10_000


class EngineRequest(NamedTuple):
    """What decides which engines may restore a batch.

    The batches of a run have one, or two while some of them name the run's engine and earlier ones do not.

    Attributes:
        run: the run's id.
        model_sha256: SHA-256 of the model that a worker must serve, as hex.
        engine: the engine that the batch names, in words as for `titles.identity.engine_matches`.
    """

    run: str
    model_sha256: str
    engine: str


class EngineAssignment:
    """Chooses an engine for each run and keeps it.

    A batch names the engine that its run is bound to, or words that the request asks for, or nothing. The first lease
    of a run that is not bound binds it in this dispatcher. The encoder binds it for good, at its first restored frame,
    and announces that: with several dispatchers its word counts.
    """

    def __init__(self) -> None:
        # Of each model the connected workers that serve it, counted by engine.
        self._workers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        # The engine of each run, and whether the encoder announced it.
        self._runs: dict[str, tuple[str, bool]] = {}
        # Those runs counted by engine, whether or not a worker with it is connected.
        self._run_counts: Counter[str] = Counter()

    def add_worker(self, engine: str, models: Collection[str]) -> None:
        """Adds a connected worker; its engine is empty when its version does not name engines."""
        for model in models:
            self._workers[model][engine] += 1

    def remove_worker(self, engine: str, models: Collection[str]) -> None:
        """Removes a worker that has disconnected."""
        for model in models:
            self._workers[model] -= Counter((engine,))
            if not self._workers[model]:
                del self._workers[model]

    def bind(self, run: str, engine: str, *, announced: bool = False) -> None:
        """Gives a run its engine, unless the encoder has announced another one."""
        _, final = self._runs.get(run, ("", False))
        if not engine or (final and not announced) or self._runs.get(run) == (engine, announced):
            return
        self.forget(run)
        while len(self._runs) >= _MAX_RUNS:
            self.forget(next(iter(self._runs)))
        self._runs[run] = (engine, announced)
        self._run_counts[engine] += 1

    def forget(self, run: str) -> None:
        """Forgets a run that has ended; has no effect on one that has no engine."""
        engine, _ = self._runs.pop(run, ("", False))
        if engine:
            self._run_counts -= Counter((engine,))

    def is_allowed(self, request: EngineRequest, engine: str) -> bool:
        """Whether a worker with this engine may restore batches whose model it serves."""
        needed = self._needed_engine(request)
        if not engine:
            # The encoder will see which engine it is, so it gets only what no other worker can restore.
            return not self._engines_for(request, needed)
        return engine_matches(engine, needed)

    def unserved_engine(self, request: EngineRequest) -> str | None:
        """What batches need and no connected worker has: an engine, or words of one; None when a worker has it."""
        needed = self._needed_engine(request)
        unnamed = self._workers.get(request.model_sha256, Counter())[""]
        return None if self._engines_for(request, needed) or unnamed else needed

    def _needed_engine(self, request: EngineRequest) -> str:
        known, final = self._runs.get(request.run, ("", False))
        # Nothing durable has this engine before the announcement, so a run does not wait for one that has left.
        if known and engine_matches(known, request.engine) and (final or self._engines_for(request, known)):
            return known
        workers = self._engines_for(request, request.engine)
        if not workers:
            return request.engine
        # In proportion to the workers: a lone slow worker among many gets no run that the others have time for.
        return min(workers, key=lambda name: ((self._run_counts[name] + 1) / workers[name], name))

    def _engines_for(self, request: EngineRequest, wanted: str) -> dict[str, int]:
        """The engines that match `wanted` and have workers for the model, and how many."""
        workers = self._workers.get(request.model_sha256, Counter())
        return {engine: count for engine, count in workers.items() if engine and engine_matches(engine, wanted)}
