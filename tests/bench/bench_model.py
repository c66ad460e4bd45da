"""Measures the network alone: its frames per second compared with SPAN's, and its PSNR-Y above bicubic.

`python -m tests.bench.bench_model`. Both networks run in OpenVINO with the product's settings. They alternate every few
seconds, so that other load on the machine slows both equally. The time of `reel-s` is that of the worker's whole chain,
with alignment, measurement, margins and the bicubic enlargement; the time of SPAN is that of the network alone.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from reelwright.media.picture import Picture
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import resolve_model
from reelwright.restoration.openvino_engine import compile_options
from reelwright.restoration.restore import Restorer
from training import material

ROWS, COLUMNS = 360, 480
THREADS = STREAMS = 2
SPAN = Path(__file__).resolve().parents[3] / "shared" / "weights" / "span_x2_ch48.safetensors"
_TURNS, _SECONDS = 4, 3.0
_SEED = 5

Frame = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelBench:
    """The measured figures.

    Attributes:
        engine: identity of the engine that ran `reel-s`.
        fps: frames of 480x360 per second with `reel-s` x2.
        span_fps: the same for SPAN x2 with 48 channels; None if it cannot run here.
        span_missing: why SPAN cannot run here; empty if it can.
        gain: PSNR-Y above bicubic on damaged film (`training.material.FILM`) in dB, the mean over clips; 0 if there are
            none on this machine.
        clips: number of clips in that mean.
    """

    engine: str
    fps: float
    span_fps: float | None
    span_missing: str
    gain: float
    clips: int

    @property
    def ratio(self) -> float | None:
        """Speed of `reel-s` divided by that of SPAN; None if SPAN cannot run here."""
        return self.fps / self.span_fps if self.span_fps else None


def measure(turns: int = _TURNS, seconds: float = _SECONDS) -> ModelBench:
    """Measures all figures.

    Args:
        turns: how often each network is timed.
        seconds: duration of each timing.
    """
    engine = create_engine("openvino", resolve_model("reel-s"), threads=THREADS, streams=STREAMS)
    restorer = Restorer(engine, 2, 0.0)
    film = _grainy_pan()
    works: list[Callable[[], object]] = [lambda: _restore(restorer, film)]
    missing = _span_missing()
    if not missing:
        works.append(_span(film[2].planes[0].astype(np.float32) / np.float32(255)))
    rates = _measure_alternately(works, turns, seconds)
    gains = _film_gains(restorer)
    span_fps = rates[1] if not missing else None
    return ModelBench(engine.identity, rates[0], span_fps, missing, float(np.mean(gains)) if gains else 0.0, len(gains))


def _grainy_pan() -> list[Picture]:
    """Five frames of a moving picture with grain of six levels."""
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(rng.standard_normal((ROWS, COLUMNS + 32)).astype(np.float32), (0, 0), 3)
    wide = 128 + wide * (40 / wide.std())
    frames = [wide[:, 3 * i : 3 * i + COLUMNS] + rng.normal(0, 6, (ROWS, COLUMNS)) for i in range(5)]
    codes = [np.clip(np.rint(frame), 0, 255).astype(np.uint8) for frame in frames]
    return [Picture("gray", COLUMNS, ROWS, (plane,)) for plane in codes]


def _restore(restorer: Restorer, film: list[Picture]) -> Frame:
    """The middle one of five frames, restored; in 8-bit levels."""
    window = FrameWindows(film, 2, [False]).window(0)
    return restorer.restore(film[2], "gray", window=window).picture.planes[0].astype(np.float32)


def _film_gains(restorer: Restorer) -> list[float]:
    """The gain over bicubic on one frame of each clip that is on this machine, in dB."""
    gains = []
    for piece in material.PIECES:
        clip = material.read_piece(piece)
        if clip is None:
            continue
        middle = len(clip) // 2
        source = material.treat(clip, material.FILM, _SEED, 2)[middle - 2 : middle + 3]
        rows, columns = source.shape[1:]
        restored = _restore(restorer, [Picture("gray", columns, rows, (plane,)) for plane in source])
        enlarged = np.asarray(cv2.resize(source[2], (2 * columns, 2 * rows), interpolation=cv2.INTER_CUBIC), np.float32)
        errors = [float(np.square(found / 255 - clip[middle]).mean()) for found in (enlarged, restored)]
        gains.append(10 * float(np.log10(errors[0] / errors[1])))
    return gains


def _span_missing() -> str:
    if not SPAN.exists():
        return "its weights are not on this machine"
    absent = [name for name in ("torch", "spandrel") if importlib.util.find_spec(name) is None]
    return f"{' and '.join(absent)} not installed" if absent else ""


def _span(luma: Frame) -> Callable[[], object]:
    """A function that runs SPAN on one frame, as RGB because SPAN was trained on RGB."""
    import spandrel  # noqa: PLC0415 - the bench also runs without it
    import torch  # noqa: PLC0415

    frame = np.repeat(luma[None, None], 3, axis=1)
    net: Any = spandrel.ModelLoader().load_from_file(SPAN)
    graph = ov.convert_model(net.model.float().eval(), example_input=torch.from_numpy(frame))
    graph.reshape(list(frame.shape))
    compiled = ov.Core().compile_model(graph, "CPU", compile_options(THREADS, STREAMS, "auto"))
    # A request has the buffers of one frame, so each thread needs another one.
    requests = [compiled.create_infer_request() for _ in range(STREAMS)]

    def work() -> object:
        request = requests.pop()
        try:
            return request.infer({0: frame}, share_inputs=True)
        finally:
            requests.append(request)

    return work


def _measure_alternately(works: list[Callable[[], object]], turns: int, seconds: float) -> list[float]:
    """Frames per second of each function, with STREAMS frames at a time, measured alternately."""
    for work in works:
        work()
    done, spent = [0] * len(works), [0.0] * len(works)
    for _ in range(turns):
        for index, work in enumerate(works):
            began = time.perf_counter()
            done[index] += _repeat(work, began + seconds)
            spent[index] += time.perf_counter() - began
    return [frames / taken for frames, taken in zip(done, spent, strict=True)]


def _repeat(work: Callable[[], object], until: float) -> int:
    def loop() -> int:
        count = 0
        while time.perf_counter() < until:
            work()
            count += 1
        return count

    with ThreadPoolExecutor(STREAMS) as pool:
        return sum(future.result() for future in [pool.submit(loop) for _ in range(STREAMS)])


def main() -> None:
    """Prints the figures."""
    found = measure()
    print(f"{found.engine}, {THREADS} threads, {STREAMS} frames at a time, {COLUMNS}x{ROWS} to x2")
    print(f"reel-s       {found.fps:6.2f} fps")
    if found.span_fps is None:
        print(f"SPAN x2 ch48 not measured: {found.span_missing}")
    else:
        print(f"SPAN x2 ch48 {found.span_fps:6.2f} fps")
        print(f"ratio        {found.ratio:6.2f}   (goal: 4)")
    print(f"PSNR-Y above bicubic on damaged film, {found.clips} clips: {found.gain:+.2f} dB   (goal: 2.7)")


if __name__ == "__main__":
    main()
