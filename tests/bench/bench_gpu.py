"""Measures `reel` networks on a GPU: `python -m tests.bench.bench_gpu [MODEL ...]`.

Three figures for each size of frame: the network alone on batches of windows, as plain calls and as a captured CUDA
graph, with its share of the rate of a large bf16 matrix product; and the worker's whole chain with CPU threads that
align and measure. The first line of a model also says how far its picture in bf16 is from that in float32.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reelwright.media.picture import Picture
from reelwright.restoration.engine import Precision
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import ModelFile, resolve_model
from reelwright.restoration.restore import Restorer
from reelwright.restoration.torch_engine import TorchEngine
from reelwright.restoration.window_network import FIGURES, FRAMES, MAPS, WindowNetwork
from reelwright.restoration.window_torch import WindowNet

SIZES = ((360, 480), (576, 720), (1080, 1920))
_BATCH, _SECONDS = 8, 2.0
_MATRIX = 8192
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp32")


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["reel-s"])
    given = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU here")
    cv2.setNumThreads(1)
    peak = matrix_rate()
    print(f"{torch.cuda.get_device_name()}, {os.cpu_count()} CPU cores; matrix product {peak / 1e12:.0f} TFLOP/s")
    for name in given.models:
        model = resolve_model(name)
        assert model.networks, "only networks on windows"
        network = model.networks[""]
        passes = network.ensemble
        macs = sum(np.prod(shape) for shape in network.shapes().values() if len(shape) == 4) / 4
        print(f"{name}: {passes * macs / 1000:.0f} kMAC for each pixel of the source; {deviation(model)}")
        threads = os.cpu_count() or 1
        for rows, columns in SIZES:
            plain, captured = network_rates(network, rows, columns)
            share = captured * 2 * macs * rows * columns / peak
            alone = f"network {plain / passes:.0f} frames/s, captured {captured / passes:.0f}, {share:.0%} of the peak"
            print(f"  {columns}x{rows}: {alone}")
            print(f"    whole chain on {threads} threads {chain_rate(model, rows, columns, threads):.1f}", flush=True)


def matrix_rate() -> float:
    """Operations per second of a large bf16 matrix product."""
    a, b = (torch.randn(_MATRIX, _MATRIX, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2 * _MATRIX**3 * _rate(lambda: a @ b)


def network_rates(network: WindowNetwork, rows: int, columns: int) -> tuple[float, float]:
    """Frames per second of the network alone in bf16, without and with a captured graph."""
    net = WindowNet(network).cuda().eval()
    for layer in net.convolutions:
        layer.to(torch.bfloat16).to(memory_format=torch.channels_last)
    half = (rows // 2, columns // 2)
    shapes = ((FRAMES, rows, columns), (MAPS, rows, columns), (FRAMES - 1, *half), (FIGURES,))
    frames, maps, agreement, figures = (torch.rand((_BATCH, *shape), device="cuda") for shape in shapes)
    torch.backends.cudnn.benchmark = True

    def call() -> None:
        with torch.inference_mode():
            net(frames, maps, agreement, figures)

    plain = _rate(call)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return _BATCH * plain, _BATCH * _rate(graph.replay)


def chain_rate(model: ModelFile, rows: int, columns: int, threads: int) -> float:
    """Frames per second from decoded frames to restored pictures, as a worker makes them."""
    restorer = Restorer(create_engine("torch", model, threads=1), 2, 0.0)
    film = [Picture("gray", columns, rows, (plane,)) for plane in grainy_pan(rows, columns)]

    def work(until: float) -> int:
        count = 0
        while time.perf_counter() < until:
            restorer.restore(film[2], "gray", window=FrameWindows(film, 2, [False]).window(0))
            count += 1
        return count

    torch.backends.cudnn.benchmark = False
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: work(time.perf_counter() + 1.0), range(threads)))
        began = time.perf_counter()
        done = sum(future.result() for future in [pool.submit(work, began + _SECONDS) for _ in range(threads)])
    return done / (time.perf_counter() - began)


def deviation(model: ModelFile) -> str:
    """The largest and the mean difference between a batch in bf16 and in float32 on the GPU, in levels of 255."""
    film = [Picture("gray", 480, 360, (plane,)) for plane in grainy_pan(360, 480)]
    window = FrameWindows(film, 2, [False]).window(0)
    found = [
        Restorer(TorchEngine(model, 1, precision), 2, 0.0).restore(film[2], "gray", window=window).picture.planes[0]
        for precision in PRECISIONS
    ]
    difference = np.abs(found[0].astype(np.float32) - found[1])
    return f"bf16 differs from float32 by {difference.mean():.3f} levels, at most {difference.max():.0f}"


def grainy_pan(rows: int, columns: int) -> list[NDArray[np.uint8]]:
    """Five frames of a moving picture with grain of six levels; (rows, columns) each."""
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(rng.standard_normal((rows, columns + 32)).astype(np.float32), (0, 0), 3)
    wide = 128 + wide * (40 / wide.std())
    frames = [wide[:, 3 * i : 3 * i + columns] + rng.normal(0, 6, (rows, columns)) for i in range(5)]
    return [np.clip(np.rint(frame), 0, 255).astype(np.uint8) for frame in frames]


def _rate(call: Callable[[], object]) -> float:
    """Calls per second, on the GPU's clock."""
    for _ in range(5):
        call()
    torch.cuda.synchronize()
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    count = 0
    began = time.perf_counter()
    first.record()
    while time.perf_counter() - began < _SECONDS / 2:
        call()
        count += 1
        # The host must not run far ahead of the device, or the loop would count calls that have not begun.
        if count % 20 == 0:
            torch.cuda.synchronize()
    last.record()
    torch.cuda.synchronize()
    return float(count / (first.elapsed_time(last) / 1000))


if __name__ == "__main__":
    main()
