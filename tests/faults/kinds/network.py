"""Connections break, stall and slow down: workers to dispatchers, roles to the broker and to the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random

from tests.faults.kinds.kind import FaultKind, Injection
from tests.faults.proxy import Proxy
from tests.faults.trial_cluster import TrialCluster

# Slow enough to delay pictures of this size, fast enough to make progress.
_SLOW_BYTES_PER_SECOND = (100_000, 1_000_000)
ProxyChoice = Callable[[TrialCluster], list[Proxy]]


def _cut(choose: ProxyChoice) -> Injection:
    @contextmanager
    def inject(trial: TrialCluster, rng: Random) -> Iterator[None]:
        for proxy in choose(trial):
            proxy.cut(rng)
        yield

    return inject


def _stall(choose: ProxyChoice) -> Injection:
    @contextmanager
    def inject(trial: TrialCluster, rng: Random) -> Iterator[None]:
        proxy = rng.choice(choose(trial))
        with proxy.lock, proxy.stalled():
            yield

    return inject


def _slow(choose: ProxyChoice) -> Injection:
    @contextmanager
    def inject(trial: TrialCluster, rng: Random) -> Iterator[None]:
        rate = rng.uniform(*_SLOW_BYTES_PER_SECOND)
        with ExitStack() as stack:
            for proxy in choose(trial):
                stack.enter_context(proxy.lock)
                stack.enter_context(proxy.slowed(rate))
            yield

    return inject


def _to_dispatchers(trial: TrialCluster) -> list[Proxy]:
    return trial.network.to_dispatchers


def _to_broker(trial: TrialCluster) -> list[Proxy]:
    return [trial.network.to_broker]


def _to_store(trial: TrialCluster) -> list[Proxy]:
    return [trial.network.to_store]


KINDS = tuple(
    kind
    for name, choose in (("gRPC", _to_dispatchers), ("broker", _to_broker), ("store", _to_store))
    for kind in (
        FaultKind(f"{name} connections cut in a message", 4, (0.0, 0.0), _cut(choose)),
        FaultKind(f"{name} connections stalled", 2, (1.0, 8.0), _stall(choose)),
        FaultKind(f"{name} connections slowed", 2, (2.0, 12.0), _slow(choose)),
    )
)
