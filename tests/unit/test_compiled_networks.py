"""The networks that an engine on processors keeps compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reelwright.restoration import openvino_engine
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from tests.support.films import small_network
from tests.support.scenes import scene


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sides of the tiles for which a network was built so far."""
    sides: list[tuple[int, int]] = []
    build: Callable[..., Any] = openvino_engine.build_graph

    def counted(network: object, weights: object, shape: tuple[int, int]) -> object:
        sides.append(shape)
        return build(network, weights, shape)

    monkeypatch.setattr(openvino_engine, "build_graph", counted)
    return sides


def test_titles_of_several_sizes_in_turn_compile_once(compiled: list[tuple[int, int]]) -> None:
    """The networks of eight sizes are kept while their titles take turns."""
    engine = create_engine("openvino", resolve_model(str(small_network())), threads=1)
    for _ in range(2):
        for size in range(32, 48, 2):
            Restorer(engine, 2, 0.0).restore(scene(0, "gray", size, 32), "gray")
    assert len(compiled) == len(set(compiled)) == 8


def test_the_network_that_was_used_longest_ago_is_dropped(compiled: list[tuple[int, int]]) -> None:
    """Of more sizes than are kept the latest stay, among them one that was used again."""
    engine = create_engine("openvino", resolve_model(str(small_network())), threads=1)
    sizes = [(width, height) for width in range(32, 52, 2) for height in range(32, 52, 2)]
    for size in sizes:
        for each in (size, sizes[0]):
            Restorer(engine, 2, 0.0).restore(scene(0, "gray", *each), "gray")
    assert len(compiled) == len(set(compiled)) == len(sizes)
    for size in (sizes[0], sizes[-1], sizes[1]):
        Restorer(engine, 2, 0.0).restore(scene(0, "gray", *size), "gray")
    assert compiled[len(sizes) :] == [compiled[1]]
