"""Which member of a consumer group has which partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

Member = TypeVar("Member")


def assign_partitions(partitions: int, members: Sequence[Member], owners: Mapping[int, Member]) -> dict[int, Member]:
    """Deals partitions 0..`partitions`-1 to `members`, none getting more than its even share rounded up.

    A member keeps what it has up to that share: whatever moves is delivered twice, so as little as possible does.

    Args:
        partitions: how many there are.
        members: in the order they joined; hashable.
        owners: who has what now; may name members that are gone.

    Returns:
        The new owner of every partition; empty when there are no members.
    """
    if not members:
        return {}
    share = -(-partitions // len(members))
    load = dict.fromkeys(members, 0)
    dealt: dict[int, Member] = {}
    for partition, owner in sorted(owners.items()):
        if load.get(owner, share) < share:
            load[owner] += 1
            dealt[partition] = owner
    for partition in range(partitions):
        if partition not in dealt:
            dealt[partition] = min(load, key=load.__getitem__)
            load[dealt[partition]] += 1
    return dealt
