"""A seed decides a campaign."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.clip import make_clip
from tests.faults.generator import MEAN_GAP_SECONDS, faults, titles
from tests.faults.kinds import KINDS
from tests.support.commands import sha256

ODDS = [kind.odds for kind in KINDS]


@given(seed=st.integers(min_value=0, max_value=10**9))
def test_the_same_seed_gives_the_same_campaign(seed: int) -> None:
    """Faults, their times, their luck and the titles are a function of the seed."""
    assert list(islice(faults(seed, ODDS), 100)) == list(islice(faults(seed, ODDS), 100))
    assert list(islice(titles(seed), 20)) == list(islice(titles(seed), 20))


def test_another_seed_gives_another_campaign() -> None:
    """Two seeds share neither faults nor titles."""
    assert list(islice(faults(1, ODDS), 10)) != list(islice(faults(2, ODDS), 10))
    assert list(islice(titles(1), 10)) != list(islice(titles(2), 10))


def test_the_first_deck_holds_every_kind_once() -> None:
    """A campaign of as many faults as there are kinds, as the short one is, tries each of them."""
    assert Counter(fault.kind for fault in islice(faults(7, ODDS), len(ODDS))) == {kind.name: 1 for kind in ODDS}


def test_long_campaigns_keep_to_weights_and_pace() -> None:
    """A kind comes as often as it weighs, for as long as it says, and a fault comes about every second and a half."""
    many = list(islice(faults(7, ODDS), 2000))
    count = Counter(fault.kind for fault in many)
    total = sum(kind.weight for kind in ODDS)
    for kind in ODDS:
        assert abs(count[kind.name] - 2000 * kind.weight / total) <= 1.5 * kind.weight + 2, kind.name
        assert all(kind.seconds[0] <= f.seconds <= kind.seconds[1] for f in many if f.kind == kind.name)
    assert sum(fault.gap for fault in many) / len(many) < 1.2 * MEAN_GAP_SECONDS


def test_titles_are_of_many_kinds_and_none_is_twice() -> None:
    """Both colour and gray, constant and variable rate, with sound and without, each with pictures of its own."""
    some = list(islice(titles(7), 40))
    for trait in ("colour", "variable", "sound", "suffix", "profile", "priority"):
        assert len({getattr(title, trait) for title in some}) > 1, trait
    assert len({title.number for title in some}) == 40


def test_a_title_is_the_same_file_every_time(tmp_path: Path) -> None:
    """The clip of a title is bit-identical when made again, so that its run is the same run."""
    some = list(islice(titles(7), 20))
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    for suffix in (".mp4", ".mkv"):
        title = next(title for title in some if title.suffix == suffix and title.sound)
        assert sha256(make_clip(title, first)) == sha256(make_clip(title, second))
