"""The CPU engine: the network as an OpenVINO graph, built straight from its weights."""

from __future__ import annotations

import queue
import threading
from functools import cache
from typing import Any

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from safetensors.numpy import load_file

from reelwright.restoration.engine import Precision, format_identity
from reelwright.restoration.models import ModelFile
from reelwright.restoration.network import Network
from reelwright.restoration.tiling import MAX_COLUMNS, MAX_ROWS, run_tiled

Luma = NDArray[np.float32]

# Frame sizes whose compiled network is kept: a worker meets many titles, and each size holds memory.
_SIZES_KEPT = 4


class OpenVinoEngine:
    """Runs a `reel` network on the CPU.

    Args:
        model: the network; one of the `reel` family.
        threads: CPU threads in all.
        streams: frames computed at the same time.
        precision: of the convolutions; the enlargement they are added to is always float32.
        largest: most rows and columns of a window.
    """

    def __init__(
        self,
        model: ModelFile,
        *,
        threads: int,
        streams: int,
        precision: Precision,
        largest: tuple[int, int] = (MAX_ROWS, MAX_COLUMNS),
    ) -> None:
        assert model.network is not None
        self._network = model.network
        self._weights = load_file(str(model.path))
        self._options = compile_options(threads, streams, precision)
        self._streams, self._largest = streams, largest
        self._requests: dict[tuple[int, int], queue.LifoQueue[Any]] = {}
        self._lock = threading.Lock()
        self.identity = format_identity("openvino", resolve_precision(precision), model)
        self.scale = model.network.scale

    def upscale(self, luma: Luma) -> Luma:
        """Enlarges luma (H, W) in [0, 1]; see `Engine.upscale`."""
        network = self._network
        rows, columns = luma.shape
        detail = run_tiled(luma, self._run, network.scale, network.halo, network.unshuffle, self._largest)
        size = (columns * network.scale, rows * network.scale)
        enlarged = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_CUBIC), np.float32)
        enlarged += detail
        return enlarged

    def _run(self, window: Luma) -> Luma:
        pool = self._pool((window.shape[0], window.shape[1]))
        request = pool.get()
        try:
            result = request.infer({0: window[None, None]}, share_inputs=True)[0]
            return np.array(result[0, 0], np.float32)
        finally:
            pool.put(request)

    def _pool(self, shape: tuple[int, int]) -> queue.LifoQueue[Any]:
        with self._lock:
            if shape not in self._requests:
                graph = build_graph(self._network, self._weights, shape)
                compiled = ov.Core().compile_model(graph, "CPU", self._options)
                pool: queue.LifoQueue[Any] = queue.LifoQueue()
                for _ in range(self._streams):
                    pool.put(compiled.create_infer_request())
                if len(self._requests) == _SIZES_KEPT:
                    del self._requests[next(iter(self._requests))]
                self._requests[shape] = pool
            return self._requests[shape]


def compile_options(threads: int, streams: int, precision: Precision) -> dict[str, Any]:
    """What OpenVINO is told when it compiles a network for the CPU; arguments as `OpenVinoEngine`."""
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if resolve_precision(precision) == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": min(streams, threads),
        # Pinned threads cannot make way for the encoder's and the decoder's.
        "ENABLE_CPU_PINNING": False,
    }


def build_graph(network: Network, weights: dict[str, NDArray[Any]], shape: tuple[int, int]) -> ov.Model:
    """The network for windows of `shape` (rows, columns), float32 in and out, without the bicubic enlargement."""
    luma = ops.parameter([1, 1, *shape], np.float32, name="luma")
    node = ops.space_to_depth(luma, "blocks_first", network.unshuffle)
    names = network.names()
    for layer, (weight, bias) in enumerate(names):
        node = ops.convolution(node, ops.constant(weights[weight].astype(np.float32)), [1, 1], [1, 1], [1, 1], [1, 1])
        node = ops.add(node, ops.constant(weights[bias].astype(np.float32).reshape(1, -1, 1, 1)))
        if layer < len(names) - 1:
            node = ops.relu(node)
    node = ops.depth_to_space(node, "blocks_first", network.unshuffle * network.scale)
    return ov.Model([node], [luma], "reel")


@cache
def _capabilities() -> tuple[str, ...]:
    return tuple(ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def resolve_precision(precision: Precision) -> str:
    """The precision that will be used: bf16 only where the processor computes in it."""
    if precision == "fp32" or "BF16" not in _capabilities():
        return "fp32"
    return "bf16"
