"""The name of the installation: releases on one broker and one store do not meet."""

from __future__ import annotations

import itertools
import re

import pytest

from reelwright.settings import InstallationSettings
from tests.chart.rendering import installation

_LONG = "film-restoration-production-eu-central-1"
_PAIRS = [
    # Each group would have one name, were namespace and release only joined, or cut off after 40 characters.
    [("films", "prod-reelwright"), ("films-prod", "reelwright")],
    [(_LONG, "blue"), (_LONG, "green"), (_LONG, _LONG)],
    [("film", "s"), ("film-s", "film-s")],
    [("a", "b-c-d"), ("a-b", "c-d"), ("a-b-c", "d"), ("a-b-c-d", "a-b-c-d")],
    [("n" * 63, "r" * 53), ("n" * 63, "r" * 52), ("n" * 62, "r" * 53)],
]


@pytest.mark.parametrize("releases", _PAIRS)
def test_two_releases_have_two_installations(releases: list[tuple[str, str]]) -> None:
    """Releases that differ in namespace or name have different installations, with names that the services accept."""
    names = [installation(*release) for release in releases]
    for one, other in itertools.combinations(names, 2):
        assert one != other
    for name in names:
        assert InstallationSettings(installation=name).installation == name


@pytest.mark.parametrize(
    ("namespace", "release", "name"),
    [
        ("films", "film", "films-film"),
        ("film-restoration", "reelwright", "film-restoration-reelwright"),
        ("reelwright", "reelwright", "reelwright"),
        ("n" * 30, "r" * 9, f"{'n' * 30}-{'r' * 9}"),
    ],
)
def test_a_short_name_is_namespace_and_release(namespace: str, release: str, name: str) -> None:
    """A release without a hyphen has the name NAMESPACE-RELEASE if that is short, or RELEASE if both are one."""
    assert installation(namespace, release) == name


def test_any_other_name_ends_with_a_hash() -> None:
    """The name of a release with a hyphen, and one that is too long, is cut off before a hash of both."""
    assert re.fullmatch("films-prod-reelwright-[0-9a-f]{8}", installation("films", "prod-reelwright"))
    assert re.fullmatch("film-restoration-production-eu-[0-9a-f]{8}", installation(_LONG, "blue"))


def test_the_value_comes_first() -> None:
    """With the value `installation` a release has exactly that name."""
    assert installation("films", "prod-reelwright", "--set=installation=former") == "former"
