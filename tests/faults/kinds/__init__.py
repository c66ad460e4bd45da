"""Every kind of fault, in one table."""

from __future__ import annotations

from tests.faults.kinds import (
    clocks,
    deployments,
    disks,
    forged_messages,
    messages,
    network,
    processes,
    requests,
    servers,
    unauthenticated_clients,
)
from tests.faults.kinds.kind import FaultKind
from tests.faults.trial_cluster import find_faketime

KINDS: tuple[FaultKind, ...] = (
    *processes.KINDS,
    *servers.KINDS,
    *messages.KINDS,
    *network.KINDS,
    *disks.KINDS,
    *clocks.KINDS,
)


HOSTILE: tuple[FaultKind, ...] = (
    *forged_messages.KINDS,
    *unauthenticated_clients.KINDS,
    *requests.KINDS,
    *deployments.KINDS,
)


def available_kinds(*, hostile: bool = False) -> tuple[list[FaultKind], list[str]]:
    """The kinds of a campaign that this machine allows, and one line for each that it does not."""
    if hostile:
        return list(HOSTILE), []
    if find_faketime() is None:
        return [kind for kind in KINDS if kind not in clocks.SKEWS], [
            "no wrong clock was tried: libfaketime is not installed"
        ]
    return list(KINDS), []
