"""What a worker says of its pool when it opens a stream."""

from __future__ import annotations

import math

import pytest
from prometheus_client import REGISTRY
from pydantic import ValidationError

from reelwright.dispatcher.connected_worker import read_hello
from reelwright.inference.settings import InferenceSettings
from reelwright.telemetry import metrics
from reelwright.wire.dispatch_pb2 import Hello


def test_a_worker_tells_its_pool() -> None:
    """Pool, batches at the same time and price are those of the hello."""
    hello = read_hello(Hello(worker="w", session="s", pool="h100", parallel=4, price_per_hour=2.5))
    assert (hello.pool, hello.parallel, hello.price_per_hour) == ("h100", 4, 2.5)


def test_a_worker_of_an_earlier_version_has_the_default_pool() -> None:
    """A hello without the fields is of the pool `default`, restores one batch at a time and costs nothing."""
    hello = read_hello(Hello(worker="w"))
    assert (hello.pool, hello.parallel, hello.price_per_hour) == ("default", 1, 0.0)


@pytest.mark.parametrize(
    "hello",
    [Hello(pool="A"), Hello(pool="a b"), Hello(pool="-a"), Hello(pool="a" * 64), Hello(price_per_hour=math.nan)]
    + [Hello(price_per_hour=price) for price in (-1.0, math.inf)],
    ids=str,
)
def test_a_hello_that_no_worker_sends_is_refused(hello: Hello) -> None:
    """A pool's name becomes a label of metrics and a price is summed up, so neither may be anything."""
    with pytest.raises(ValueError, match=r"the name of a pool|the price of an hour"):
        read_hello(hello)


@pytest.mark.parametrize("wrong", [{"pool": "GPU"}, {"pool": ""}, {"price_per_hour": -0.1}])
def test_a_worker_does_not_start_with_a_wrong_pool(wrong: dict[str, object]) -> None:
    """A pool or a price that a dispatcher would refuse is refused by the worker's own settings."""
    with pytest.raises(ValidationError):
        InferenceSettings(**wrong)  # type: ignore[arg-type]


def test_an_empty_pool_reads_zero() -> None:
    """A pool whose last worker left has 0 workers, and many former pools are forgotten."""

    def read(pool: str) -> float | None:
        return REGISTRY.get_sample_value("reelwright_workers_connected", {"pool": pool})

    metrics.set_workers_connected({"cpu": 2})
    metrics.set_workers_connected({"gpu": 1})
    assert (read("cpu"), read("gpu")) == (0, 1)
    metrics.set_workers_connected({f"p{number}": 1 for number in range(200)})
    metrics.set_workers_connected({"gpu": 3})
    (family,) = metrics.WORKERS_CONNECTED.collect()
    assert len(family.samples) <= 101
    assert read("gpu") == 3
