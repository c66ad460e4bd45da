"""Which batch is leased next: classes by weight, runs by deadline, batches in the film's order, no run starved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.dispatcher.engine_assignment import EngineRequest
from reelwright.dispatcher.fair_share import FairShare
from reelwright.dispatcher.queued_batch import BatchKey, QueuedBatch
from reelwright.dispatcher.ready_queue import CLASS_WEIGHTS, ReadyQueue, UnservedModel, deadline_weight

NOW = 1_000_000.0
HOUR = 3600.0


def batch(
    run: str,
    number: int = 0,
    segment: int = 0,
    *,
    priority: str = "standard",
    model: str = "m",
    frames: int = 1,
    deadline: float | None = None,
) -> QueuedBatch:
    """A batch without content."""
    return QueuedBatch(
        key=BatchKey(run, segment, number),
        priority=priority,
        model="name",
        model_sha256=model,
        engine="",
        first_frame=0,
        frames=frames,
        film_frames=frames,
        pixels=frames,
        deadline=deadline,
        value=b"",
    )


def queue_of(*batches: QueuedBatch) -> ReadyQueue:
    """A queue that holds batches, on a clock that always shows NOW."""
    queue = ReadyQueue(lambda: NOW)
    for each in batches:
        queue.add_batch(each)
    return queue


def keys(queue: ReadyQueue) -> list[BatchKey]:
    """All keys in the order in which the queue returns them."""
    taken = []
    while (each := queue.pop_batch({"m"})) is not None:
        taken.append(each.key)
    return taken


def served(queue: ReadyQueue, count: int, refill: Callable[[QueuedBatch], QueuedBatch]) -> Counter[str]:
    """Frames of each run in `count` batches; a run that was served adds its next batch at once."""
    frames: Counter[str] = Counter()
    for _ in range(count):
        each = queue.pop_batch({"m"})
        assert each is not None
        frames[each.key.run] += each.frames
        queue.add_batch(refill(each))
    return frames


def following(each: QueuedBatch) -> QueuedBatch:
    """The run's next batch, like this one."""
    return replace(each, key=each.key._replace(batch=each.key.batch + 1))


def test_classes_share_by_their_weights() -> None:
    """With work in every class, their frames are 16 to 4 to 1."""
    queue = queue_of(*[batch(name, priority=name, frames=4) for name in CLASS_WEIGHTS])
    assert served(queue, 210, following) == pytest.approx({"express": 640, "standard": 160, "bulk": 40}, abs=4)


def test_a_class_alone_has_everything() -> None:
    """With no work in other classes, bulk gets all workers."""
    queue = queue_of(*[batch("b", number, priority="bulk") for number in range(5)])
    assert len(keys(queue)) == 5


def test_an_idle_class_gets_no_credit() -> None:
    """A class that had no work for a while gets its share afterwards and no more."""
    queue = queue_of(batch("e", priority="express"))
    served(queue, 500, following)
    queue.add_batch(batch("b", priority="bulk"))
    assert abs(served(queue, 170, following)["b"] - 10) <= 1


def test_express_does_not_wait_behind_bulk() -> None:
    """Of batches that are added together, express is first, in whatever order they are added."""
    queue = queue_of(*[batch(name, priority=name) for name in ("bulk", "standard", "express")])
    assert [key.run for key in keys(queue)] == ["express", "standard", "bulk"]


def test_runs_of_a_class_alternate() -> None:
    """A run with many batches does not delay one with few."""
    queue = queue_of(*[batch("long", number) for number in range(4)], batch("short"))
    assert [key.run for key in keys(queue)][:2] == ["long", "short"]


def test_shares_are_counted_in_frames() -> None:
    """A run of larger batches gets fewer of them."""
    queue = queue_of(batch("large", frames=8), batch("small", frames=2))
    frames = served(queue, 100, following)
    assert abs(frames["large"] - frames["small"]) <= 8


@pytest.mark.parametrize(
    ("hours", "weight"), [(None, 1), (100, 1), (4, 1), (2, 2), (1, 4), (0.25, 16), (0, 16), (-3, 16)]
)
def test_a_run_weighs_more_as_its_deadline_nears(hours: float | None, weight: float) -> None:
    """From four hours before its deadline on, a run's weight is inverse to the time left, up to 16."""
    deadline = None if hours is None else NOW + hours * HOUR
    assert deadline_weight(deadline, NOW) == pytest.approx(weight)


def test_a_near_deadline_gets_its_share() -> None:
    """A run that is due in an hour gets four times the frames of one without a deadline."""
    queue = queue_of(batch("due", deadline=NOW + HOUR), batch("any"))
    frames = served(queue, 500, following)
    assert frames["due"] / frames["any"] == pytest.approx(4, rel=0.05)


def test_a_run_goes_in_the_films_order() -> None:
    """Within a run the earliest batch goes first, in whatever order the batches are added."""
    queue = queue_of(*[batch("r", number, segment) for segment, number in ((1, 0), (0, 1), (2, 0), (0, 0))])
    assert keys(queue) == [BatchKey("r", *key) for key in ((0, 0), (0, 1), (1, 0), (2, 0))]


def test_a_batch_that_is_not_allowed_is_skipped() -> None:
    """A batch that the worker may not have delays no batch behind it, of its run or of others."""
    queue = queue_of(batch("r", 0), batch("r", 1), batch("s", model="other"))
    taken = queue.pop_batch({"m"}, lambda candidate: candidate.key[2] == 1)
    assert taken is not None
    assert (taken.key, len(queue)) == (BatchKey("r", 0, 1), 2)
    assert queue.pop_batch({"m"}, lambda candidate: candidate.key[2] == 1) is None
    assert queue.pop_batch({"other"}) is not None


def test_unserved_models_are_found() -> None:
    """The queue names the models and engines that no worker has, and counts the batches that wait for them."""

    def lacking(request: EngineRequest) -> str | None:
        return None if request.model_sha256 == "m" else "torch"

    queue = queue_of(batch("r"), batch("s", 0, model="x"), batch("t", 1, model="x", priority="bulk"))
    assert queue.unserved_models(lacking) == [UnservedModel("name", "x", "torch", 2)]
    for waiting in [each for each in queue if each.key.run in {"s", "t"}]:
        queue.remove_batch(waiting)
    assert queue.unserved_models(lacking) == []


def test_engines_are_found_unserved_batch_by_batch() -> None:
    """Of a run whose later batches name its engine, the batches that no worker may restore are counted apart."""
    named = [replace(batch("r", number), engine="torch") for number in (2, 3, 4)]
    queue = queue_of(batch("r", 0), batch("r", 1), *named)
    assert queue.unserved_models(lambda request: request.engine or None) == [UnservedModel("name", "m", "torch", 3)]
    for _ in range(2):
        taken = queue.pop_batch({"m"}, is_engine_allowed=lambda request: request.engine == "torch")
        assert taken in named
    assert keys(queue) == [BatchKey("r", 0, number) for number in (0, 1, 4)]


def test_a_workers_second_model_does_not_starve_the_first() -> None:
    """A model that waited for a worker gets its share, and no more, of one that serves two models."""
    queue = queue_of(*[batch("r", number) for number in range(200)], *[batch("x", n, model="x") for n in range(200)])
    for _ in range(100):
        queue.pop_batch({"m"})
    both = [queue.pop_batch({"m", "x"}) for _ in range(40)]
    assert Counter(each.model_sha256 for each in both if each)["m"] >= 19


runs = st.lists(
    st.tuples(
        st.sampled_from(sorted(CLASS_WEIGHTS)),
        st.integers(1, 16),
        st.one_of(st.none(), st.floats(-HOUR, 10 * HOUR).map(lambda left: NOW + left)),
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(runs)
def test_no_run_starves(kinds: list[tuple[str, int, float | None]]) -> None:
    """With any classes, batch sizes and deadlines, every run is served within a bound."""
    waiting = [batch(f"{n}", priority=kind, frames=frames, deadline=due) for n, (kind, frames, due) in enumerate(kinds)]
    queue = queue_of(*waiting)
    # A class has at least 1/21 of the frames, a run of it at least 1/(1 + 16 * others); and one batch more of each
    # may be served before it.
    bound = 21 * (1 + 16 * len(kinds)) * (1 + max(frames for _, frames, _ in kinds))
    left = set(range(len(kinds)))
    for _ in range(bound):
        each = queue.pop_batch({"m"})
        assert each is not None
        left.discard(int(each.key.run))
        if not left:
            return
        queue.add_batch(following(each))
    raise AssertionError(f"runs {left} starve")


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 9), st.floats(0.5, 16.0), min_size=2, max_size=6), st.data())
def test_shares_converge_to_the_weights(weights: dict[int, float], data: st.DataObject) -> None:
    """While all flows wait, cost over weight differs between two by at most one largest cost of each."""
    share: FairShare[int] = FairShare()
    for name in weights:
        share.add_flow(name)
    most = 8
    amounts = dict.fromkeys(weights, 0.0)
    for cost in data.draw(st.lists(st.integers(1, most), min_size=1, max_size=100)):
        name = next(iter(share))
        share.charge(name, cost, weights[name])
        amounts[name] += cost / weights[name]
        for one, weight in weights.items():
            for other, other_weight in weights.items():
                bound = most / weight + most / other_weight
                assert abs(amounts[one] - amounts[other]) <= bound + 1e-9


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from(["add", "pop", "drop", "remove"]))))
def test_the_queue_returns_each_batch_once(steps: list[tuple[int, int, str]]) -> None:
    """Each batch is returned once and in its run's order, unless it was removed or its run dropped."""
    queue, held = queue_of(), dict[BatchKey, QueuedBatch]()
    for run, number, step in steps:
        each = held.get(BatchKey(f"{run}", 0, number), batch(f"{run}", number))
        if step == "add" and each.key not in held:
            queue.add_batch(each)
            held[each.key] = each
        elif step == "pop" and (taken := queue.pop_batch({"m"})):
            assert taken is held.pop(taken.key)
            assert all(key > taken.key for key in held if key[0] == taken.key.run)
        elif step == "drop":
            for waiting in [each for each in queue if each.key.run == f"{run}"]:
                queue.remove_batch(waiting)
            held = {key: value for key, value in held.items() if key[0] != f"{run}"}
        elif step == "remove":
            queue.remove_batch(each)
            held.pop(each.key, None)
        assert len(queue) == len(held)
    assert set(keys(queue)) == set(held)


def test_absent_flows_are_forgotten() -> None:
    """However many flows are added and removed, memory is bounded by the number that wait."""
    share: FairShare[int] = FairShare()
    for name in range(10_000):
        share.add_flow(name)
        share.charge(name, 5)
        share.remove(name)
    assert share.memory_entries < 100


def test_a_flow_that_is_never_served_costs_no_memory() -> None:
    """However often other flows are served before the first one, memory stays bounded."""
    share: FairShare[int] = FairShare()
    share.add_flow(0)
    share.add_flow(1)
    for _ in range(10_000):
        share.charge(1, 5)
    assert next(iter(share)) == 0
    assert share.memory_entries < 100
