"""A film is made by one engine, although the cluster has two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelwright.cli.main import run
from reelwright.ledger.manifest_file import read_manifest
from reelwright.restoration.engine import Engine
from reelwright.restoration.window_network import NetworkInput
from tests.support.films import small_film
from tests.support.pipeline_harness import default_engine, pipeline_harness, request_for

COUNT = 120
RECIPES = (0.0, 0.5)


class OtherEngine:
    """An engine that gives other samples than this machine's.

    Args:
        real: this machine's engine.
    """

    def __init__(self, real: Engine) -> None:
        self._real, self.scales, self.halo_frames = real, real.scales, real.halo_frames
        self.identity = " ".join(["other-1.0", *real.identity.split()[1:]])

    def upscale(self, luma: NDArray[np.float32], window: NetworkInput | None, scale: int) -> NDArray[np.float32]:
        return np.asarray(0.1 + 0.8 * self._real.upscale(luma, window, scale), np.float32)


def test_two_workers_of_different_engines(tmp_path: Path) -> None:
    """With a worker of each of two engines both films finish, and each is of the one engine that its manifest names."""
    films = {keep: tmp_path / f"film-{keep}.mp4" for keep in RECIPES}
    references = {keep: tmp_path / f"reference-{keep}.mp4" for keep in RECIPES}
    for keep, reference in references.items():
        assert run(["restore", str(small_film(COUNT)), "-o", str(reference), "--set", f"grain.keep={keep}"]) == 0
    real = default_engine()
    foreign = OtherEngine(real)
    with pipeline_harness(str(tmp_path / "ledger"), engines=(real, foreign)) as here:
        requests = [
            request_for(small_film(COUNT), film, grain={"keep": keep}).model_copy(update={"engine": ""})
            for keep, film in films.items()
        ]
        for request in requests:
            here.submit(request)
        for _ in requests:
            event = here.wait_for_any()
            assert event.HasField("title_finished"), event
    made_by = set()
    for keep in RECIPES:
        ours, theirs = read_manifest(str(films[keep])), read_manifest(str(references[keep]))
        made_by.add(ours.engine)
        assert ours.frames_out == COUNT
        same = [one == other for one, other in zip(ours.frame_digests, theirs.frame_digests, strict=True)]
        assert all(same) if ours.engine == real.identity else not any(same)
    assert made_by == {real.identity, foreign.identity}


def test_a_request_gets_the_engine_it_asks_for(tmp_path: Path) -> None:
    """A request that names an engine by a word of its identity is restored by that one."""
    other = OtherEngine(default_engine())
    request = request_for(small_film(COUNT), tmp_path / "out.mp4").model_copy(update={"engine": "other"})
    with pipeline_harness(str(tmp_path / "ledger"), engines=(default_engine(), other)) as here:
        here.submit(request)
        assert here.wait(request).HasField("title_finished")
    assert read_manifest(str(tmp_path / "out.mp4")).engine == other.identity
