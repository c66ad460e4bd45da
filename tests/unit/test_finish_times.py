"""When titles will be done: shares by class and deadline, waiting titles, and pods that come later."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.dispatcher.finish_times import Capacity, TitleAhead, finish_times

NOW = 1000.0


def title(key: str, pixels: float, **changes: object) -> TitleAhead:
    """A title that is decoded, in the middle class, for the pool `p`."""
    known = {"priority": "standard", "deadline": None, "due": 0.0, "waiting": False, "pools": frozenset({"p"})}
    return TitleAhead(key=key, pixels=pixels, **{**known, **changes})  # type: ignore[arg-type]


def ends(titles: list[TitleAhead], *capacities: Capacity) -> dict[str, float]:
    """Seconds until each title is done."""
    return {key: round(at - NOW, 3) for key, at in finish_times(titles, capacities, NOW).items()}


ONE = Capacity(pool="p", speed=10.0)


def test_titles_of_a_class_share_the_pods() -> None:
    """Two equal titles have half of the pods each; when one is done, the other has all."""
    assert ends([title("a", 100), title("b", 200)], ONE) == {"a": 20, "b": 30}


def test_a_higher_class_has_a_larger_share() -> None:
    """Express has 16 parts, standard 4: four fifths of the pods."""
    assert ends([title("a", 80, priority="express"), title("b", 100)], ONE) == {"a": 10, "b": 18}


def test_waiting_titles_follow_by_their_due_times() -> None:
    """A waiting title begins when one of its class is done, the most urgent first, and does not share before."""
    titles = [title("a", 100), title("late", 100, waiting=True, due=9.0), title("soon", 100, waiting=True, due=3.0)]
    assert ends(titles, ONE) == {"a": 10, "soon": 20, "late": 30}


def test_pods_that_start_later_help_from_then_on() -> None:
    """Pods on their way shorten the rest."""
    assert ends([title("a", 1000)], ONE, Capacity(pool="p", speed=90.0, start_seconds=10.0)) == {"a": 19}


def test_a_title_without_a_pool_never_ends() -> None:
    """It neither ends nor takes a share of the pods that others have."""
    assert ends([title("a", 100, pools=frozenset({"q"})), title("b", 100)], ONE) == {"a": math.inf, "b": 10}


@given(
    st.lists(
        st.tuples(st.floats(0, 1e12), st.sampled_from(["express", "standard", "bulk"]), st.booleans()), max_size=30
    ),
    st.floats(1e-3, 1e9),
)
def test_the_last_title_ends_when_all_work_is_done(works: list[tuple[float, str, bool]], speed: float) -> None:
    """However titles share, the pods are never idle, so the last one ends after the sum of the work."""
    titles = [
        title(str(number), pixels, priority=name, waiting=waiting)
        for number, (pixels, name, waiting) in enumerate(works)
    ]
    found = finish_times(titles, [Capacity(pool="p", speed=speed)], 0.0)
    assert found.keys() == {each.key for each in titles}
    total = sum(pixels for pixels, _, _ in works) / speed
    assert max(found.values(), default=0.0) == pytest.approx(total, rel=1e-3, abs=1e-3)
