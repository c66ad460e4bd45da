"""Which engine restores which run, so that no film is made of two engines' frames. No clock, thread or network."""

from __future__ import annotations

from dataclasses import dataclass

from reelwright.dispatcher.ready_queue import QueuedBatch
from reelwright.titles.identity import engine_matches

# A run takes about 200 bytes. The oldest is forgotten first; by then its batches name its engine.
_MAX_RUNS = 10_000


@dataclass(slots=True)
class _EngineLoad:
    """What an engine has to do.

    Attributes:
        models: SHA-256 of the models that its workers serve.
        workers: connected workers that have it.
        runs: runs that it restores.
    """

    models: frozenset[str]
    workers: int = 0
    runs: int = 0


class EngineAssignment:
    """Chooses an engine for each run and keeps it.

    A batch names the engine that its run is bound to, or words that the request asks for, or nothing. The first lease
    of a run that is not bound binds it in this dispatcher. The encoder binds it for good, at its first restored frame,
    and announces that: with several dispatchers its word counts.
    """

    def __init__(self) -> None:
        self._loads: dict[str, _EngineLoad] = {}
        # The engine of each run, and whether the encoder announced it.
        self._runs: dict[str, tuple[str, bool]] = {}

    def add_worker(self, engine: str, models: frozenset[str]) -> None:
        """Adds a connected worker; its engine is empty when its version does not name engines."""
        self._loads.setdefault(engine, _EngineLoad(models)).workers += 1

    def remove_worker(self, engine: str) -> None:
        """Removes a worker that has disconnected."""
        self._loads[engine].workers -= 1
        if not self._loads[engine].workers:
            del self._loads[engine]

    def bind(self, run: str, engine: str, *, announced: bool = False) -> None:
        """Gives a run its engine, unless the encoder has announced another one."""
        _, final = self._runs.get(run, ("", False))
        if not engine or (final and not announced) or self._runs.get(run) == (engine, announced):
            return
        self.forget(run)
        while len(self._runs) >= _MAX_RUNS:
            self.forget(next(iter(self._runs)))
        self._runs[run] = (engine, announced)
        if engine in self._loads:
            self._loads[engine].runs += 1

    def forget(self, run: str) -> None:
        """Forgets a run that has ended."""
        engine, _ = self._runs.pop(run, ("", False))
        if engine in self._loads:
            self._loads[engine].runs -= 1

    def is_allowed(self, batch: QueuedBatch, engine: str) -> bool:
        """Whether a worker with this engine may restore a batch, whose model it serves."""
        needed = self._needed_engine(batch)
        if not engine:
            # The encoder will see which engine it is, so it gets only what no other worker can restore.
            return not self._engines_for(batch, needed)
        return engine_matches(engine, needed)

    def unserved_engine(self, batch: QueuedBatch) -> str | None:
        """What a batch needs and no connected worker has: an engine, or words of one; None when a worker has it."""
        needed = self._needed_engine(batch)
        return None if self._engines_for(batch, needed) or self._engines_for(batch, "", unnamed=True) else needed

    def _needed_engine(self, batch: QueuedBatch) -> str:
        known, final = self._runs.get(batch.key.run, ("", False))
        # Nothing durable has this engine before the announcement, so a run does not wait for one that has left.
        if known and engine_matches(known, batch.engine) and (final or self._engines_for(batch, known)):
            return known
        candidates = self._engines_for(batch, batch.engine)
        if not candidates:
            return batch.engine
        # In proportion to the workers: a lone slow worker among many gets no run that the others have time for.
        return min(candidates, key=lambda name: ((self._loads[name].runs + 1) / self._loads[name].workers, name))

    def _engines_for(self, batch: QueuedBatch, wanted: str, *, unnamed: bool = False) -> list[str]:
        return [
            engine
            for engine, load in self._loads.items()
            if batch.model_sha256 in load.models and bool(engine) is not unnamed
            if engine_matches(engine, wanted)
        ]
