"""The same request is the same run."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from reelwright.titles.identity import content_fingerprint, run_id
from reelwright.titles.recipe import load_recipe

RECIPE = load_recipe("faithful")


@given(st.binary(max_size=200), st.integers(0, 199))
def test_any_changed_byte_of_a_small_file_changes_the_fingerprint(data: bytes, place: int) -> None:
    """A small file's fingerprint covers every byte."""
    if place >= len(data):
        return
    changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    assert content_fingerprint(io.BytesIO(data)) != content_fingerprint(io.BytesIO(changed))


def test_a_large_file_is_sampled_over_its_whole_length() -> None:
    """A large file's fingerprint covers its size, its ends and samples between them."""
    size = 64 << 20
    base = content_fingerprint(io.BytesIO(bytes(size)))
    assert content_fingerprint(io.BytesIO(bytes(size + 1))) != base
    for place in (0, size - 1):
        data = bytearray(size)
        data[place] = 1
        assert content_fingerprint(io.BytesIO(data)) != base
    data = bytearray(size)
    data[size // 3 : size // 3 + (2 << 20)] = b"\1" * (2 << 20)
    assert content_fingerprint(io.BytesIO(data)) != base


def test_run_id_depends_on_source_recipe_engine_and_toolchain_alone() -> None:
    """The same source, recipe, engine and toolchain give one run ID, and any difference gives another."""
    run = run_id("a" * 64, RECIPE, "engine-1", "av-1")
    assert run == run_id("a" * 64, load_recipe("faithful", {"scale": "2"}), "engine-1", "av-1")
    others = {
        run_id("b" * 64, RECIPE, "engine-1", "av-1"),
        run_id("a" * 64, load_recipe("faithful", {"grain.keep": "0.1"}), "engine-1", "av-1"),
        run_id("a" * 64, RECIPE, "engine-2", "av-1"),
        run_id("a" * 64, RECIPE, "engine-1", "av-2"),
    }
    assert run not in others
    assert len(others) == 4
