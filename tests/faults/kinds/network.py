"""The network between workers and dispatchers, and between the roles and their servers, breaks, stalls and slows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random

from tests.faults.kinds.kind import Injection, Kind
from tests.faults.proxy import Proxy
from tests.faults.trial_cluster import TrialCluster

# Slow enough to be felt on pictures of this size, fast enough to get on.
_SLOW_BYTES_PER_SECOND = (100_000, 1_000_000)
Choice = Callable[[TrialCluster], list[Proxy]]


def _cut(choose: Choice) -> Injection:
    @contextmanager
    def inject(world: TrialCluster, luck: Random) -> Iterator[None]:
        for proxy in choose(world):
            proxy.cut(luck)
        yield

    return inject


def _stall(choose: Choice) -> Injection:
    @contextmanager
    def inject(world: TrialCluster, luck: Random) -> Iterator[None]:
        proxy = luck.choice(choose(world))
        with proxy.lock, proxy.stalled():
            yield

    return inject


def _slow(choose: Choice) -> Injection:
    @contextmanager
    def inject(world: TrialCluster, luck: Random) -> Iterator[None]:
        rate = luck.uniform(*_SLOW_BYTES_PER_SECOND)
        with ExitStack() as stack:
            for proxy in choose(world):
                stack.enter_context(proxy.lock)
                stack.enter_context(proxy.slowed(rate))
            yield

    return inject


def _workers(world: TrialCluster) -> list[Proxy]:
    return world.network.to_dispatchers


def _broker(world: TrialCluster) -> list[Proxy]:
    return [world.network.to_broker]


def _store(world: TrialCluster) -> list[Proxy]:
    return [world.network.to_store]


KINDS = tuple(
    kind
    for name, choose in (("gRPC", _workers), ("broker", _broker), ("store", _store))
    for kind in (
        Kind(f"{name} connections cut in a message", 4, (0.0, 0.0), _cut(choose)),
        Kind(f"{name} connections stalled", 2, (1.0, 8.0), _stall(choose)),
        Kind(f"{name} connections slowed", 2, (2.0, 12.0), _slow(choose)),
    )
)
