"""The in-process bus keeps the contract of every bus, and its own bounds."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.bus.assignment import share_out
from reelwright.bus.local import LocalBus
from reelwright.bus.protocol import Bus
from tests.contract.bus import BoundedBusContract, BusContract, MakeBus, collect


@pytest.fixture
def make_bus() -> Iterator[MakeBus]:
    """Makes buses of eight partitions and closes them after the test."""
    buses: list[LocalBus] = []

    def make(max_bytes: int = 1 << 20) -> Bus:
        buses.append(LocalBus(partitions=8, max_bytes=max_bytes))
        return buses[-1]

    yield make
    for bus in buses:
        bus.close()


class TestLocalBus(BusContract, BoundedBusContract):
    pass


def test_finished_records_are_released() -> None:
    """A record that every group is done with is held no longer: neither counted nor referenced."""
    bus = LocalBus()
    consumer = bus.consumer(["t"], "g")
    value = bytes(100)
    references = sys.getrefcount(value)
    bus.publish("t", b"k", value)
    assert bus.held_bytes("t") == 101
    assert sys.getrefcount(value) > references
    consumer.done(collect(consumer, 1)[0])
    assert bus.held_bytes("t") == 0
    assert sys.getrefcount(value) == references


def test_values_are_handed_on_by_reference() -> None:
    """Publishing and polling copy no payload."""
    bus = LocalBus()
    value = bytes(1 << 20)
    bus.publish("t", b"k", value)
    assert collect(bus.consumer(["t"], "g"), 1)[0].value is value


@given(st.integers(1, 20), st.lists(st.integers(0, 9), max_size=6, unique=True), st.data())
def test_partitions_are_dealt_evenly(partitions: int, members: list[int], data: st.DataObject) -> None:
    """Every partition has one owner, no member exceeds its rounded-up share, and no one within it loses anything."""
    owners = data.draw(st.dictionaries(st.integers(0, partitions - 1), st.integers(0, 9)))
    dealt = share_out(partitions, members, owners)
    if not members:
        assert dealt == {}
        return
    share = -(-partitions // len(members))
    assert set(dealt) == set(range(partitions))
    assert set(dealt.values()) <= set(members)
    assert max(Counter(dealt.values()).values()) <= share
    for member in members:
        had = {partition for partition, owner in owners.items() if owner == member}
        kept = {partition for partition in had if dealt[partition] == member}
        assert len(kept) == min(len(had), share)
