"""Fixtures of the dispatch tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.dispatch_harness import DispatchHarness, until


@pytest.fixture(params=["tcp", "unix"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An address to listen on: loopback or a Unix socket."""
    if request.param == "tcp":
        return "127.0.0.1:0"
    folder: Path = tmp_path_factory.mktemp("s")
    return f"unix:{folder}/d"


@pytest.fixture
def make_harness() -> Iterator[Callable[..., DispatchHarness]]:
    """Builds harnesses; after the test none of their threads may be left."""
    before = set(threading.enumerate())
    built: list[DispatchHarness] = []

    def build(address: str = "127.0.0.1:0", **settings: object) -> DispatchHarness:
        built.append(DispatchHarness(address, **settings))  # type: ignore[arg-type]
        return built[-1]

    yield build
    for each in built:
        each.close()
    until(lambda: not [t for t in threading.enumerate() if t not in before and not t.daemon], "threads to end")
