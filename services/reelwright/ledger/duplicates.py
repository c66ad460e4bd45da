"""What the frames that repeat the one before say about how a film was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

# Distances between repeats follow a pattern when there are so many of them, up to so long, and when two adjacent
# lengths make up so large a share: a rate that does not divide the other one alternates between two.
_LEAST_REPEATS, _LONGEST, _REGULAR = 8, 12, 0.8
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}


def repeat_distance(duplicates: Sequence[int]) -> Fraction | None:
    """The mean distance between frames that repeat the one before, in frames; None when they follow no pattern.

    Args:
        duplicates: indices of these frames, ascending.
    """
    distances = Counter(later - index for index, later in pairwise(duplicates))
    if distances.total() < _LEAST_REPEATS - 1:
        return None
    best = max(range(1, _LONGEST + 1), key=lambda length: distances[length] + distances[length + 1])
    regular = {length: distances[length] for length in (best, best + 1)}
    count = sum(regular.values())
    if count < _REGULAR * distances.total():
        return None
    return Fraction(sum(length * each for length, each in regular.items()), count)


def duplicates_sentence(duplicates: Sequence[int], frames: int, rate: Fraction) -> str:
    """How many frames repeat the one before, and what follows, e.g. `10 of 40 frames repeat the one before, every 4th`.

    Args:
        duplicates: indices of these frames, ascending; at least one.
        frames: of the film.
        rate: frames per second; 0 when unknown.
    """
    found = f"{len(duplicates)} of {frames} frames repeat the one before"
    distance = repeat_distance(duplicates)
    if distance is None:
        return f"{found}, without a pattern."
    if distance == 1:
        return f"{found}, each time several in a row."
    nearest = round(distance)
    about = "" if distance == nearest else "about "
    made = f": the film was made at about {float(rate * (1 - 1 / distance)):.1f} frames per second" if rate else ""
    return f"{found}, {about}every {nearest}{_ordinal(nearest)}{made}."


def _ordinal(number: int) -> str:
    return "th" if number in {11, 12, 13} else _ORDINALS.get(number % 10, "th")
