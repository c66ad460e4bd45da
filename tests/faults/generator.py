"""What a campaign will do: a function of its seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Priority = Literal["express", "standard", "bulk"]

# A fault every second and a half on average, so that most faults meet the consequences of the ones before.
MEAN_GAP_SECONDS = 1.5
_LONGEST_GAP_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Odds:
    """How often a kind of fault comes, and how long one lasts.

    Attributes:
        name: of the kind.
        weight: faults of this kind in a deck, against the other kinds'.
        seconds: shortest and longest time from its beginning to its end.
    """

    name: str
    weight: int
    seconds: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to come.

    Attributes:
        number: in the campaign, from 0.
        kind: name of its kind.
        gap: seconds between the beginning of the one before and its own.
        seconds: from its beginning to its end.
        luck: seed of everything else that it draws: which process, which bytes.
    """

    number: int
    kind: str
    gap: float
    seconds: float
    luck: int


@dataclass(frozen=True, slots=True)
class Title:
    """One title to come.

    Attributes:
        number: in the campaign, from 0; it alone tells two titles apart, in pictures and recipe.
        width, height: of the source, in samples.
        frames: in the source.
        rate: frames per second.
        colour: whether there is any.
        variable: whether frames are held for different times.
        sound: whether there is a tone.
        suffix: of the source's container.
        keep: share of the grain that is put back.
        profile: of the film.
        priority: its class.
        deadline_seconds: from its submission; None when nobody waits.
    """

    number: int
    width: int
    height: int
    frames: int
    rate: int
    colour: bool
    variable: bool
    sound: bool
    suffix: str
    keep: float
    profile: str
    priority: Priority
    deadline_seconds: int | None


def faults(seed: int, odds: Sequence[Odds]) -> Iterator[Fault]:
    """Faults without end. The first deck holds each kind once; the ones after hold each as often as it weighs."""
    luck = Random(f"faults-{seed}")
    deck = list(odds)
    number = 0
    while True:
        luck.shuffle(deck)
        for kind in deck:
            gap = min(luck.expovariate(1 / MEAN_GAP_SECONDS), _LONGEST_GAP_SECONDS)
            yield Fault(number, kind.name, gap, luck.uniform(*kind.seconds), luck.getrandbits(32))
            number += 1
        deck = [kind for kind in odds for _ in range(kind.weight)]


def titles(seed: int) -> Iterator[Title]:
    """Titles without end."""
    number = 0
    while True:
        # One generator each, so that a title stays what it is when another property is drawn for all of them.
        luck = Random(f"title-{seed}-{number}")
        width, height = luck.choice([(160, 120), (160, 120), (192, 108), (240, 180), (320, 240)])
        # The longest films are the smallest: what a title costs is its samples.
        longest = 40 * 160 * 120 // (width * height)
        yield Title(
            number=number,
            width=width,
            height=height,
            frames=12 * luck.randint(10, max(10, longest)),
            rate=luck.choice([12, 15, 24, 25]),
            colour=luck.random() < 0.5,
            variable=luck.random() < 0.4,
            sound=luck.random() < 0.7,
            suffix=luck.choice([".mp4", ".mkv"]),
            keep=luck.choice([0.0, 0.25, 0.4]),
            profile=luck.choice(["web", "web", "web", "master"]),
            priority=luck.choice(["express", "standard", "bulk"]),
            deadline_seconds=luck.choice([None, 60, 600]),
        )
        number += 1
