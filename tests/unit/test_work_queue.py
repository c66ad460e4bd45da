"""The controller's work queue: order, once each, delays, and pauses that grow."""

from __future__ import annotations

from reelwright.controller.work_queue import WorkQueue


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_keys_come_in_the_order_of_their_arrival_and_once() -> None:
    """A key that is there already keeps its place, and is handed out once."""
    queue: WorkQueue[str] = WorkQueue(60)
    for key in ("a", "b", "a", "c"):
        queue.add_key(key)
    assert [queue.take_key(0) for _ in range(4)] == ["a", "b", "c", None]


def test_a_key_is_never_worked_on_twice_at_once() -> None:
    """A key that is added while it is worked on comes again afterwards, once."""
    queue: WorkQueue[str] = WorkQueue(60)
    queue.add_key("a")
    assert queue.take_key(0) == "a"
    queue.add_key("a")
    queue.add_key("a")
    assert queue.take_key(0) is None
    queue.done("a")
    assert queue.take_key(0) == "a"
    queue.done("a")
    assert queue.take_key(0) is None


def test_a_returned_key_is_the_next_one() -> None:
    """A key whose work could not begin goes before those that have waited less."""
    queue: WorkQueue[str] = WorkQueue(60)
    for key in ("a", "b"):
        queue.add_key(key)
    assert queue.take_key(0) == "a"
    queue.return_key("a")
    assert queue.take_key(0) == "b"
    queue.done("a")
    queue.add_key("c")
    assert [queue.take_key(0) for _ in range(3)] == ["a", "c", None]


def test_a_delayed_key_comes_when_it_is_due() -> None:
    """The earlier of two delays counts, and an addition without one ends the wait."""
    clock = _Clock()
    queue: WorkQueue[str] = WorkQueue(60, clock)
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    queue.add_after("b", 30)
    assert len(queue) == 0
    clock.now = 5.0
    assert queue.take_key(0) == "a"
    queue.done("a")
    queue.add_key("b")
    assert queue.take_key(0) == "b"
    queue.done("b")
    clock.now = 100.0
    assert queue.take_key(0) is None


def test_pauses_grow_to_a_limit_and_begin_again() -> None:
    """Each failure in a row doubles the pause up to the limit; a success begins again with one second."""
    clock = _Clock()
    queue: WorkQueue[str] = WorkQueue(10, clock)
    pauses = []
    for _ in range(6):
        pauses.append(queue.add_failed("a"))
        clock.now += pauses[-1]
        assert queue.take_key(0) == "a"
        queue.done("a")
    assert pauses == [1, 2, 4, 8, 10, 10]
    queue.forget_failures("a")
    assert queue.add_failed("a") == 1


def test_a_closed_queue_lets_its_takers_go() -> None:
    """After `close`, nothing is handed out."""
    queue: WorkQueue[str] = WorkQueue(60)
    queue.add_key("a")
    queue.close()
    assert queue.take_key(10) is None
