"""The same request is the same run."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.titles.identity import content_fingerprint, engine_matches, run_id
from reelwright.titles.recipe_parsing import load_recipe

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


def test_run_id_depends_on_source_recipe_model_toolchain_and_engine_alone() -> None:
    """The same source, recipe, model, toolchain and engine give one run ID, and any difference gives another."""
    run = run_id("a" * 64, RECIPE, model_sha256="c" * 64, toolchain="av-1", engine="engine-1")
    assert run == run_id(
        "a" * 64, load_recipe("faithful", {"scale": "2"}), model_sha256="c" * 64, toolchain="av-1", engine="engine-1"
    )
    others = {
        run_id("b" * 64, RECIPE, model_sha256="c" * 64, toolchain="av-1", engine="engine-1"),
        run_id(
            "a" * 64,
            load_recipe("faithful", {"grain.keep": "0.1"}),
            model_sha256="c" * 64,
            toolchain="av-1",
            engine="engine-1",
        ),
        run_id("a" * 64, RECIPE, model_sha256="d" * 64, toolchain="av-1", engine="engine-1"),
        run_id("a" * 64, RECIPE, model_sha256="c" * 64, toolchain="av-2", engine="engine-1"),
        run_id("a" * 64, RECIPE, model_sha256="c" * 64, toolchain="av-1", engine="engine-2"),
        run_id("a" * 64, RECIPE, model_sha256="c" * 64, toolchain="av-1"),
    }
    assert run not in others
    assert len(others) == 6


CPU = "openvino-2026.4.1+chain.2 fp32 cpu avx2 reel-s@0123456789ab"


@pytest.mark.parametrize("wanted", ["", "openvino", "fp32 openvino", "openvino-2026.4.1+chain.2", "avx2", CPU])
def test_an_engine_is_wanted_by_words_of_its_identity(wanted: str) -> None:
    """An engine matches the words of its identity in any order, its name alone, and no words at all."""
    assert engine_matches(CPU, wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        "torch",
        "open",
        "openvino-2026",
        "openvino-2026.4.1",
        "bf16",
        "avx",
        CPU.replace("4.1", "4.2"),
        CPU.replace("chain.2", "chain.1"),
        CPU.replace("fp32", "bf16"),
        CPU.replace("avx2", "avx512"),
        CPU.replace("cpu", "nvidia-h100"),
        CPU.replace("9ab", "9ac"),
    ],
)
def test_an_engine_that_differs_in_a_word_is_another(wanted: str) -> None:
    """An engine of another runtime, version, chain, precision, device, instruction set or model does not match."""
    assert not engine_matches(CPU, wanted)
    assert not engine_matches("", wanted)
