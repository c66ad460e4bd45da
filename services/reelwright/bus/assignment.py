"""Assignment of partitions to the members of a consumer group, on the local bus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

Member = TypeVar("Member")


def assign_partitions(partitions: int, members: Sequence[Member], owners: Mapping[int, Member]) -> dict[int, Member]:
    """Assigns partitions 0 to `partitions` - 1, at most the even share, rounded up, to each member.

    A member keeps its present partitions up to that share (a sticky assignment): records of a partition that moves are
    delivered twice, so as few as possible move.

    Args:
        partitions: number of partitions.
        members: members in the order they joined; hashable.
        owners: present owner of each partition; may name members that have left.

    Returns:
        The new owner of every partition; empty when there are no members.
    """
    if not members:
        return {}
    share = -(-partitions // len(members))
    load = dict.fromkeys(members, 0)
    assigned: dict[int, Member] = {}
    for partition, owner in sorted(owners.items()):
        if load.get(owner, share) < share:
            load[owner] += 1
            assigned[partition] = owner
    for partition in range(partitions):
        if partition not in assigned:
            assigned[partition] = min(load, key=load.__getitem__)
            load[assigned[partition]] += 1
    return assigned
