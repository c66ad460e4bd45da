"""The toolchain's identity names every library that may change a bit, and the plan rules name the plan."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import get_args

import av
import numpy as np
import pytest

from reelwright.decoder.segmenter import batches
from reelwright.media import toolchain
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.picture import Picture
from reelwright.media.profiles import profile_spec
from reelwright.media.shots import with_shots
from reelwright.media.toolchain import toolchain_identity
from reelwright.titles.identity import PLAN_RULES
from reelwright.titles.recipe import Profile

_PROFILES = get_args(Profile)
# Changes only together with PLAN_RULES.
_PLANS = {7: "05af43ac781e"}
_NOT_PLANNED = {"correction", "tone", "duplicate", "repeats", "skipped", "fading"}


@pytest.fixture
def fresh() -> Iterator[Callable[[str], str]]:
    """Computes an identity without what was computed before, and leaves nothing behind."""

    def compute(profile: str) -> str:
        toolchain_identity.cache_clear()
        return toolchain_identity(profile)

    yield compute
    toolchain_identity.cache_clear()


def test_every_library_is_named() -> None:
    """The identity names the plan rules, PyAV, OpenCV, FFmpeg and its libraries, and the profile's encoder."""
    identity = toolchain_identity("web")
    for name in ("plan-", "av-", "opencv-", "ffmpeg-", "libavcodec-", "libavfilter-", "libswscale-", "libx264@"):
        assert name in identity


def test_another_process_has_the_same_identity() -> None:
    """Two processes with the same libraries have one identity for each profile, so a resumed run is found again."""
    code = f"from reelwright.media.toolchain import toolchain_identity as t; [print(t(p)) for p in {_PROFILES}]"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.splitlines() == [toolchain_identity(profile) for profile in _PROFILES]


def test_another_library_or_encoder_is_another_identity(
    fresh: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of PyAV, of a library of FFmpeg, or an encoder that gives other bytes changes the identity."""
    seen = {fresh("web")}
    with monkeypatch.context() as patch:
        patch.setattr(av, "__version__", "0.0.1")
        seen.add(fresh("web"))
    with monkeypatch.context() as patch:
        patch.setitem(av.library_versions, "libswscale", (0, 0, 1))
        seen.add(fresh("web"))
    spec = profile_spec("web")
    other = replace(spec, options=MappingProxyType({**spec.options, "crf": "19"}))
    monkeypatch.setattr(toolchain, "profile_spec", lambda _: other)
    seen.add(fresh("web"))
    assert len(seen) == 4


def test_a_changed_plan_needs_new_plan_rules() -> None:
    """Shots, segments and batches of a generated film are those of the plan rules' version."""
    noise = np.random.RandomState(7)
    scenes = noise.randint(16, 235, (9, 8, 12)).astype(np.uint8)
    pictures = []
    for index in range(230):
        scene = np.kron(scenes[(index // 27) % 9], np.ones((12, 12), np.uint8))
        luma = np.clip(scene.astype(int) + noise.randint(-6, 7, scene.shape), 16, 235).astype(np.uint8)
        pictures.append(Picture("gray", 144, 96, (luma,)))
    frames = [
        DecodedFrame(index, FrameRecord(pts=index, duration=1, shot_start=starts), picture)
        for index, ((_, starts), picture) in enumerate(zip(with_shots(enumerate(pictures)), pictures, strict=True))
    ]
    # Only a recipe that asks for them adds corrections, tones, repeats or parts that are skipped. Marks of duplicates
    # and what the report shows may differ.
    plan = [
        (
            batch.segment,
            batch.number,
            batch.last,
            [(frame.index, frame.record.model_dump(exclude=_NOT_PLANNED)) for frame in batch.frames],
        )
        for batch in batches(frames, 48, 4)
    ]
    assert hashlib.sha256(json.dumps(plan).encode()).hexdigest()[:12] == _PLANS[PLAN_RULES]
