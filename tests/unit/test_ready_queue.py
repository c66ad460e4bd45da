"""Which batch goes next: classes by weight, runs by deadline, a run's batches in the film's order, nobody starved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.dispatcher.fair_share import FairShare
from reelwright.dispatcher.ready_queue import CLASSES, BatchKey, QueuedBatch, ReadyQueue, deadline_weight

NOW = 1_000_000.0
HOUR = 3600.0


def batch(
    run: str,
    number: int = 0,
    segment: int = 0,
    priority: str = "standard",
    model: str = "m",
    frames: int = 1,
    deadline: float | None = None,
) -> QueuedBatch:
    """A batch without content."""
    return QueuedBatch((run, segment, number), priority, "name", model, 0, frames, deadline, b"")


def queue_of(*batches: QueuedBatch) -> ReadyQueue:
    """A queue that holds batches, on a clock that stands."""
    queue = ReadyQueue(lambda: NOW)
    for each in batches:
        queue.put(each)
    return queue


def keys(queue: ReadyQueue) -> list[BatchKey]:
    """All keys in the order the queue gives them."""
    taken = []
    while (each := queue.take({"m"})) is not None:
        taken.append(each.key)
    return taken


def served(queue: ReadyQueue, count: int, refill: Callable[[QueuedBatch], QueuedBatch]) -> Counter[str]:
    """Frames of each run in `count` takes; whoever was served has the next batch at once."""
    frames: Counter[str] = Counter()
    for _ in range(count):
        each = queue.take({"m"})
        assert each is not None
        frames[each.run] += each.frames
        queue.put(refill(each))
    return frames


def following(each: QueuedBatch) -> QueuedBatch:
    """The run's next batch, like this one."""
    run, segment, number = each.key
    return QueuedBatch((run, segment, number + 1), each.priority, "name", "m", 0, each.frames, each.deadline, b"")


def test_classes_share_by_their_weights() -> None:
    """With work in every class, their frames are 16 to 4 to 1."""
    queue = queue_of(*[batch(name, priority=name, frames=4) for name in CLASSES])
    assert served(queue, 210, following) == pytest.approx({"express": 640, "standard": 160, "bulk": 40}, abs=4)


def test_a_class_alone_has_everything() -> None:
    """What no other class wants, bulk gets."""
    queue = queue_of(*[batch("b", number, priority="bulk") for number in range(5)])
    assert len(keys(queue)) == 5


def test_a_class_that_was_away_does_not_take_over() -> None:
    """A class saves nothing up while it has no work: when it comes, it gets its share and not the time it missed."""
    queue = queue_of(batch("e", priority="express"))
    served(queue, 500, following)
    queue.put(batch("b", priority="bulk"))
    assert abs(served(queue, 170, following)["b"] - 10) <= 1


def test_express_does_not_wait_behind_bulk() -> None:
    """Of batches that come together, express is first, whatever the order they came in."""
    queue = queue_of(*[batch(name, priority=name) for name in ("bulk", "standard", "express")])
    assert [run for run, _, _ in keys(queue)] == ["express", "standard", "bulk"]


def test_runs_of_a_class_take_turns() -> None:
    """A run with many batches does not hold up one with few."""
    queue = queue_of(*[batch("long", number) for number in range(4)], batch("short"))
    assert [run for run, _, _ in keys(queue)][:2] == ["long", "short"]


def test_turns_are_counted_in_frames() -> None:
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
    """A run that is due in an hour gets four times the frames of one that nobody waits for."""
    queue = queue_of(batch("due", deadline=NOW + HOUR), batch("any"))
    frames = served(queue, 500, following)
    assert frames["due"] / frames["any"] == pytest.approx(4, rel=0.05)


def test_a_run_goes_in_the_films_order() -> None:
    """Within a run the earliest batch goes first, in whatever order they came."""
    queue = queue_of(*[batch("r", number, segment) for segment, number in ((1, 0), (0, 1), (2, 0), (0, 0))])
    assert keys(queue) == [("r", 0, 0), ("r", 0, 1), ("r", 1, 0), ("r", 2, 0)]


def test_what_does_not_suit_is_passed_over() -> None:
    """A batch that nobody present may take holds up none behind it, of its run or others."""
    queue = queue_of(batch("r", 0), batch("r", 1), batch("s", model="other"))
    taken = queue.take({"m"}, lambda candidate: candidate.key[2] == 1)
    assert taken is not None
    assert (taken.key, len(queue)) == (("r", 0, 1), 2)
    assert queue.take({"m"}, lambda candidate: candidate.key[2] == 1) is None
    assert queue.take({"other"}) is not None


def test_missing_models_are_told() -> None:
    """The queue knows which models its batches wait for that nobody serves, and how many they are."""
    queue = queue_of(batch("r"), batch("s", 0, model="x"), batch("t", 1, model="x", priority="bulk"))
    assert queue.unserved({"m"}) == {"x": ("name", 2)}
    queue.drop_run("s")
    queue.drop_run("t")
    assert queue.unserved({"m"}) == {}


def test_a_workers_second_model_does_not_starve_the_first() -> None:
    """A model that waited for its workers gets its turns, not all those it missed, when one comes that serves two."""
    queue = queue_of(*[batch("r", number) for number in range(200)], *[batch("x", n, model="x") for n in range(200)])
    for _ in range(100):
        queue.take({"m"})
    both = [queue.take({"m", "x"}) for _ in range(40)]
    assert Counter(each.model_sha256 for each in both if each)["m"] >= 19


runs = st.lists(
    st.tuples(
        st.sampled_from(sorted(CLASSES)),
        st.integers(1, 16),
        st.one_of(st.none(), st.floats(-HOUR, 10 * HOUR).map(lambda left: NOW + left)),
    ),
    min_size=1,
    max_size=8,
)


@given(runs)
def test_nobody_starves(kinds: list[tuple[str, int, float | None]]) -> None:
    """Whatever classes, batch sizes and deadlines there are, every run is served within a bound it can know."""
    waiting = [batch(f"{n}", 0, 0, kind, "m", frames, due) for n, (kind, frames, due) in enumerate(kinds)]
    queue = queue_of(*waiting)
    # A class has at least 1/21 of the frames, a run of it at least 1/(1 + 16 * others); and one batch more of each
    # may come before it.
    bound = 21 * (1 + 16 * len(kinds)) * (1 + max(frames for _, frames, _ in kinds))
    left = set(range(len(kinds)))
    for _ in range(bound):
        each = queue.take({"m"})
        assert each is not None
        left.discard(int(each.run))
        if not left:
            return
        queue.put(following(each))
    raise AssertionError(f"runs {left} starve")


@given(st.dictionaries(st.integers(0, 9), st.floats(0.5, 16.0), min_size=2, max_size=6), st.data())
def test_shares_converge_to_the_weights(weights: dict[int, float], data: st.DataObject) -> None:
    """While all wait, what each is served over its weight differs by no more than the largest turns of two."""
    turns: FairShare[int] = FairShare()
    for name in weights:
        turns.add(name)
    most = 8
    amounts = dict.fromkeys(weights, 0.0)
    for cost in data.draw(st.lists(st.integers(1, most), min_size=1, max_size=100)):
        name = next(iter(turns))
        turns.serve(name, cost, weights[name])
        amounts[name] += cost / weights[name]
        for one, weight in weights.items():
            for other, other_weight in weights.items():
                bound = most / weight + most / other_weight
                assert abs(amounts[one] - amounts[other]) <= bound + 1e-9


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from(["put", "take", "drop", "discard"]))))
def test_the_queue_holds_what_it_was_given(steps: list[tuple[int, int, str]]) -> None:
    """Each batch comes out once and in its run's order, unless it was discarded or its run dropped."""
    queue, here = queue_of(), dict[BatchKey, QueuedBatch]()
    for run, number, step in steps:
        each = here.get((f"{run}", 0, number), batch(f"{run}", number))
        if step == "put" and each.key not in here:
            queue.put(each)
            here[each.key] = each
        elif step == "take" and (taken := queue.take({"m"})):
            assert taken is here.pop(taken.key)
            assert all(key > taken.key for key in here if key[0] == taken.run)
        elif step == "drop":
            queue.drop_run(f"{run}")
            here = {key: value for key, value in here.items() if key[0] != f"{run}"}
        elif step == "discard":
            queue.discard(each)
            here.pop(each.key, None)
        assert len(queue) == len(here)
    assert set(keys(queue)) == set(here)


def test_who_is_gone_is_forgotten() -> None:
    """However many runs come and go, the memory of turns is bounded by those that wait."""
    turns: FairShare[int] = FairShare()
    for name in range(10_000):
        turns.add(name)
        turns.serve(name, 5)
        turns.remove(name)
    assert len(turns._at) + len(turns._heap) < 100


def test_who_waits_for_ever_costs_nothing() -> None:
    """However often others are served over the head of one that cannot be, the memory of turns stays bounded."""
    turns: FairShare[int] = FairShare()
    turns.add(0)
    turns.add(1)
    for _ in range(10_000):
        turns.serve(1, 5)
    assert next(iter(turns)) == 0
    assert len(turns._heap) < 100
