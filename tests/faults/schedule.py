"""The faults and the titles of a campaign, as functions of its seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.faults.kinds.kind import FaultKind

Priority = Literal["express", "standard", "bulk"]

# Short enough that most faults begin while the cluster still recovers from earlier ones.
MEAN_GAP_SECONDS = 1.5
_LONGEST_GAP_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class ScheduledFault:
    """A fault of the schedule.

    Attributes:
        number: position in the campaign, from 0.
        kind: name of its kind.
        gap: seconds from the beginning of the fault before it to its own.
        seconds: its duration.
        random_seed: seed of all other choices: which process, which bytes.
    """

    number: int
    kind: str
    gap: float
    seconds: float
    random_seed: int


@dataclass(frozen=True, slots=True)
class ScheduledTitle:
    """A title of the schedule.

    Attributes:
        number: position in the campaign, from 0. Titles differ in their pictures because of it.
        width, height: of the source, in samples.
        frames: number of frames in the source.
        rate: frames per second.
        colour: whether the source has colour.
        variable: whether its frames have different durations.
        sound: whether it has an audio stream.
        suffix: of the source's file name, which decides its container.
        grain_keep: the recipe's `grain.keep`, 0 to 1.
        profile: the recipe's `profile`.
        priority: priority class.
        deadline_seconds: from its submission; None for no deadline.
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
    grain_keep: float
    profile: str
    priority: Priority
    deadline_seconds: int | None


def fault_schedule(seed: int, kinds: Sequence[FaultKind]) -> Iterator[ScheduledFault]:
    """Yields faults without end. The first round has each kind once; each later round has it `weight` times."""
    rng = Random(f"faults-{seed}")
    deck = list(kinds)
    number = 0
    while True:
        rng.shuffle(deck)
        for kind in deck:
            gap = min(rng.expovariate(1 / MEAN_GAP_SECONDS), _LONGEST_GAP_SECONDS)
            yield ScheduledFault(number, kind.name, gap, rng.uniform(*kind.seconds), rng.getrandbits(32))
            number += 1
        deck = [kind for kind in kinds for _ in range(kind.weight)]


def title_schedule(seed: int) -> Iterator[ScheduledTitle]:
    """Yields titles without end."""
    number = 0
    while True:
        # One random generator for each title, so that a new property does not change the titles after it.
        rng = Random(f"title-{seed}-{number}")
        width, height = rng.choice([(160, 120), (160, 120), (192, 108), (240, 180), (320, 240)])
        # The cost of a title follows from its samples, so the longest films are the smallest.
        longest = 40 * 160 * 120 // (width * height)
        yield ScheduledTitle(
            number=number,
            width=width,
            height=height,
            frames=12 * rng.randint(10, max(10, longest)),
            rate=rng.choice([12, 15, 24, 25]),
            colour=rng.random() < 0.5,
            variable=rng.random() < 0.4,
            sound=rng.random() < 0.7,
            suffix=rng.choice([".mp4", ".mkv"]),
            grain_keep=rng.choice([0.0, 0.25, 0.4]),
            profile=rng.choice(["web", "web", "web", "master"]),
            priority=rng.choice(["express", "standard", "bulk"]),
            deadline_seconds=rng.choice([None, 60, 600]),
        )
        number += 1
