"""Which engine restores which run: runs are shared in proportion to the workers, whatever comes and goes."""

from __future__ import annotations

import pytest

from reelwright.dispatcher.engine_assignment import EngineAssignment, EngineRequest

MODELS = frozenset({"m"})


def two_engines() -> EngineAssignment:
    """One connected worker of each of two engines."""
    engines = EngineAssignment()
    for name in ("one-1", "two-1"):
        engines.add_worker(name, MODELS)
    return engines


def engine_of(engines: EngineAssignment, run: str) -> str:
    """The engine that may restore a run."""
    (allowed,) = [name for name in ("one-1", "two-1") if engines.is_allowed(EngineRequest(run, "m", ""), name)]
    return allowed


def test_a_run_that_ends_twice_counts_once() -> None:
    """The second end of a run, or of one that was never leased, makes no engine look less busy than it is."""
    engines = two_engines()
    engines.add_worker("", MODELS)
    engines.bind("r", "one-1")
    for run in ("r", "r", "never leased"):
        engines.forget(run)
    engines.bind("s", "one-1")
    assert engine_of(engines, "t") == "two-1"


@pytest.mark.parametrize("lost", [False, True])
def test_runs_of_an_absent_engine_count_when_it_returns(lost: bool) -> None:
    """A worker that connects, for the first time or again, has the runs that its engine was given before."""
    engines = EngineAssignment()
    if lost:
        engines.add_worker("one-1", MODELS)
    engines.bind("r", "one-1", announced=True)
    if lost:
        engines.remove_worker("one-1", MODELS)
    for name in ("one-1", "two-1"):
        engines.add_worker(name, MODELS)
    assert engine_of(engines, "s") == "two-1"
    engines.forget("r")
    assert engine_of(engines, "s") == "one-1"
    engines.bind("s", "one-1")
    assert engine_of(engines, "t") == "two-1"


def test_every_model_of_unnamed_engines_is_served() -> None:
    """Workers of an earlier version, which name no engine, may serve different models."""
    engines = EngineAssignment()
    engines.add_worker("", frozenset({"m"}))
    engines.add_worker("", frozenset({"other"}))
    assert [engines.unserved_engine(EngineRequest("r", model, "")) for model in ("m", "other", "x")] == [None, None, ""]
    engines.remove_worker("", frozenset({"m"}))
    assert [engines.unserved_engine(EngineRequest("r", model, "")) for model in ("m", "other", "x")] == ["", None, ""]
