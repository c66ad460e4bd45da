"""The faults and titles of a campaign follow from its seed."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.clip import make_clip
from tests.faults.kinds import KINDS
from tests.faults.schedule import MEAN_GAP_SECONDS, fault_schedule, title_schedule
from tests.support.commands import sha256


@given(seed=st.integers(min_value=0, max_value=10**9))
def test_the_same_seed_gives_the_same_campaign(seed: int) -> None:
    """Two schedules of the same seed have the same faults and the same titles."""
    assert list(islice(fault_schedule(seed, KINDS), 100)) == list(islice(fault_schedule(seed, KINDS), 100))
    assert list(islice(title_schedule(seed), 20)) == list(islice(title_schedule(seed), 20))


def test_another_seed_gives_another_campaign() -> None:
    """Two seeds share neither faults nor titles."""
    assert list(islice(fault_schedule(1, KINDS), 10)) != list(islice(fault_schedule(2, KINDS), 10))
    assert list(islice(title_schedule(1), 10)) != list(islice(title_schedule(2), 10))


def test_the_first_round_has_every_kind_once() -> None:
    """A campaign with as many faults as there are kinds tries each kind."""
    assert Counter(fault.kind for fault in islice(fault_schedule(7, KINDS), len(KINDS))) == {
        kind.name: 1 for kind in KINDS
    }


def test_a_long_campaign_follows_the_weights_and_the_mean_gap() -> None:
    """Each kind occurs in proportion to its weight, lasts within its limits, and gaps have the documented mean."""
    many = list(islice(fault_schedule(7, KINDS), 2000))
    count = Counter(fault.kind for fault in many)
    total = sum(kind.weight for kind in KINDS)
    for kind in KINDS:
        assert abs(count[kind.name] - 2000 * kind.weight / total) <= 1.5 * kind.weight + 2, kind.name
        assert all(kind.seconds[0] <= f.seconds <= kind.seconds[1] for f in many if f.kind == kind.name)
    assert sum(fault.gap for fault in many) / len(many) < 1.2 * MEAN_GAP_SECONDS


def test_titles_vary_in_every_property() -> None:
    """Among 40 titles each property has several values, and no number occurs twice."""
    some = list(islice(title_schedule(7), 40))
    for trait in ("colour", "variable", "sound", "suffix", "profile", "priority"):
        assert len({getattr(title, trait) for title in some}) > 1, trait
    assert len({title.number for title in some}) == 40


def test_a_clip_made_twice_is_the_same_file(tmp_path: Path) -> None:
    """The clip of a title is bit-identical when it is made again, so it has the same run ID."""
    some = list(islice(title_schedule(7), 20))
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    for suffix in (".mp4", ".mkv"):
        title = next(title for title in some if title.suffix == suffix and title.sound)
        assert sha256(make_clip(title, first)) == sha256(make_clip(title, second))
