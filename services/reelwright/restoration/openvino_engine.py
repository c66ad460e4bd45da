"""The CPU engine: builds an OpenVINO graph from a network's weights and runs it."""

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

# Compiled networks that are kept, one for each window size. A worker sees titles of many sizes, and each takes memory.
_MAX_COMPILED = 4


class OpenVinoEngine:
    """Runs a `reel` network on the CPU.

    Args:
        model: the network; one of the `reel` family.
        threads: CPU threads in total.
        streams: frames computed at the same time.
        precision: of the convolutions; the bicubic enlargement is always float32.
        largest: maximum rows and columns of a window.
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
                if len(self._requests) == _MAX_COMPILED:
                    del self._requests[next(iter(self._requests))]
                self._requests[shape] = pool
            return self._requests[shape]


def compile_options(threads: int, streams: int, precision: Precision) -> dict[str, Any]:
    """OpenVINO's options to compile a network for the CPU; arguments as for `OpenVinoEngine`."""
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if resolve_precision(precision) == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": min(streams, threads),
        # The decoder and the encoder run on the same cores in one process, and pinned threads could not move away.
        "ENABLE_CPU_PINNING": False,
    }


def build_graph(network: Network, weights: dict[str, NDArray[Any]], shape: tuple[int, int]) -> ov.Model:
    """Builds the network for windows of one size, without the bicubic enlargement.

    Args:
        network: its layers.
        weights: tensors by name, as in its safetensors file.
        shape: rows and columns of a window, multiples of `network.unshuffle`.

    Returns:
        A model from (1, 1, rows, columns) to (1, 1, scale * rows, scale * columns), both float32.
    """
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
    """The precision that is used: bf16 unless fp32 is requested or the processor has no bf16 arithmetic."""
    if precision == "fp32" or "BF16" not in _capabilities():
        return "fp32"
    return "bf16"
