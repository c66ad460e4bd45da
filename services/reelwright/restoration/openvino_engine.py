"""The CPU engine: builds an OpenVINO graph from a network's weights and runs it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from safetensors.numpy import load_file

from reelwright.restoration.engine import Precision, format_identity
from reelwright.restoration.enlarge import add_residual, mixed_residual
from reelwright.restoration.models import ModelFile
from reelwright.restoration.self_ensemble import ensembled
from reelwright.restoration.tiling import MAX_COLUMNS, MAX_ROWS, Columns, Luma, Planes, run_tiled
from reelwright.restoration.weight_sets import blend, detail_share, split_scales
from reelwright.restoration.window_network import (
    DIFFERENCE_GAIN,
    FIGURES,
    FRAMES,
    MAPS,
    MIDDLE,
    NetworkInput,
    WindowNetwork,
    channel_factors,
    input_planes,
)

# Compiled networks are kept, one for each scale, weight set, share of detail and tile size, because a worker's batches
# are of several titles in turn. For each stream one takes about 10 MB and 130 bytes for each sample of its tile with
# `reel-s`, 180 with `reel-m` (growth of the process, bf16). So small tiles count less; of the largest ones six are
# kept.
_OWN_SAMPLES = 80_000
_MAX_SAMPLES = 6 * (MAX_ROWS * MAX_COLUMNS + _OWN_SAMPLES)
_MAX_BLENDED = 6


# Scale, number of the weight set, share of detail, rows and columns of a tile.
_Compiled = tuple[int, int, float, tuple[int, int]]


class OpenVinoEngine:
    """Runs `reel` networks on the CPU.

    Args:
        model: their file; one of the `reel` family.
        threads: CPU threads in total.
        streams: frames computed at the same time.
        precision: of the convolutions; the bicubic enlargement is always float32.
        largest: maximum rows and columns of a tile.
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
        assert model.networks
        stored = {name: tensor.astype(np.float32) for name, tensor in load_file(str(model.path)).items()}
        self._networks = split_scales(model.networks, stored)
        self._tensors = lru_cache(_MAX_BLENDED)(self._blend)
        self._options = compile_options(threads, streams, precision)
        self._streams, self._largest = streams, largest
        # The one that was used last comes last.
        self._requests: dict[_Compiled, queue.LifoQueue[Any]] = {}
        self._lock = threading.Lock()
        self.identity = format_identity("openvino", resolve_precision(precision), model)
        self.scales, self.halo_frames = tuple(self._networks), MIDDLE

    def upscale(self, luma: Luma, window: NetworkInput | None, scale: int) -> Luma:
        """Enlarges luma (H, W) in [0, 1]; see `Engine.upscale`."""
        assert window is not None, "the network reads a window"
        planes = input_planes(luma, window)
        residual = partial(self._residual, planes=planes, window=window)
        mixed = mixed_residual(self._networks, scale, planes[0][0], window=window, residual=residual)
        return add_residual(luma, mixed, scale)

    def _blend(self, scale: int, number: int, detail: float) -> dict[str, NDArray[np.float32]]:
        return blend(self._networks[scale], number, detail)

    def _residual(
        self, scale: int, number: int, wanted: Columns | None, *, planes: list[Planes], window: NetworkInput
    ) -> Luma:
        """The residual by one of the weight sets of a scale's network, in the columns that are wanted; None for all."""
        network = self._networks[scale].sets[number].network
        share = detail_share(self._networks[scale], number, window.detail)
        factors = channel_factors(self._tensors(scale, number, share), window.figures)
        constants = [window.figures.reshape(1, -1, 1, 1), factors.reshape(1, -1, 1, 1)]

        def run(tile: list[Planes]) -> Luma:
            return self._infer(scale, number, share, [*(planes[None] for planes in tile), *constants])

        mean, multiple = ensembled(run, network.ensemble, _flip), network.unshuffle
        return run_tiled(
            planes, mean, scale=scale, halo=network.halo, multiple=multiple, largest=self._largest, wanted=wanted
        )

    def _infer(self, scale: int, number: int, detail: float, inputs: list[NDArray[Any]]) -> Luma:
        pool = self._pool((scale, number, detail, (inputs[0].shape[2], inputs[0].shape[3])))
        request = pool.get()
        try:
            result = request.infer(dict(enumerate(inputs)), share_inputs=True, share_outputs=True)[0]
            # The request overwrites it the next time.
            return np.array(result[0, 0], np.float32)
        finally:
            pool.put(request)

    def _pool(self, key: _Compiled) -> queue.LifoQueue[Any]:
        """The requests of a scale's weight set for tiles of one size."""
        with self._lock:
            pool = self._requests.pop(key, None)
            if pool is None:
                while self._requests and sum(map(_samples, [*self._requests, key])) > _MAX_SAMPLES:
                    del self._requests[next(iter(self._requests))]
                pool = self._compile(key)
            self._requests[key] = pool
            return pool

    def _compile(self, key: _Compiled) -> queue.LifoQueue[Any]:
        scale, number, detail, shape = key
        graph = build_graph(self._networks[scale].sets[number].network, self._tensors(scale, number, detail), shape)
        compiled = ov.Core().compile_model(graph, "CPU", self._options)
        pool: queue.LifoQueue[Any] = queue.LifoQueue()
        for _ in range(self._streams):
            pool.put(compiled.create_infer_request())
        return pool


def _samples(key: _Compiled) -> int:
    """What a compiled network counts in `_MAX_SAMPLES`."""
    rows, columns = key[3]
    return rows * columns + _OWN_SAMPLES


def compile_options(threads: int, streams: int, precision: Precision) -> dict[str, Any]:
    """OpenVINO's options to compile a network for the CPU; arguments as for `OpenVinoEngine`."""
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if resolve_precision(precision) == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": min(streams, threads),
        # The decoder and the encoder run on the same cores in one process, and pinned threads could not move away.
        "ENABLE_CPU_PINNING": False,
    }


def build_graph(network: WindowNetwork, weights: Mapping[str, NDArray[np.float32]], shape: tuple[int, int]) -> ov.Model:
    """Builds the network for tiles of one size, without the bicubic enlargement.

    Args:
        network: its layers.
        weights: tensors by name, as in its safetensors file.
        shape: rows and columns of a tile, multiples of `network.unshuffle`.

    Returns:
        A model from luma (1, 1, rows, columns) float32, the arrays of `NetworkInput` with a leading axis, the figures
        (1, 4, 1, 1) and the channel factors (1, channels, 1, 1), to (1, 1, scale * rows, scale * columns) float32.
    """
    half = [side // network.unshuffle for side in shape]
    luma = ops.parameter([1, 1, *shape], np.float32, name="luma")
    differences = ops.parameter([1, FRAMES - 1, *shape], np.int8, name="differences")
    maps = ops.parameter([1, MAPS, *shape], np.uint8, name="maps")
    agreement = ops.parameter([1, FRAMES - 1, *half], np.uint8, name="agreement")
    figures = ops.parameter([1, FIGURES, 1, 1], np.float32, name="figures")
    factors = ops.parameter([1, sum(network.widths), 1, 1], np.float32, name="factors")
    # The same arithmetic as WindowNet.residual; integers are folded before they are converted, which moves a quarter of
    # the bytes.
    folded = [ops.space_to_depth(plane, "depth_first", network.unshuffle) for plane in (luma, differences, maps)]
    centre = ops.constant(np.float32(0.5))
    inputs = [
        ops.subtract(folded[0], centre),
        ops.clamp(_scaled(folded[1], DIFFERENCE_GAIN / 255), -1.0, 1.0),
        ops.subtract(_scaled(folded[2], 1 / 255), centre),
        _scaled(agreement, 1 / 255),
        ops.broadcast(figures, ops.constant(np.array([1, FIGURES, *half], np.int64))),
    ]
    node = ops.concat(inputs, 1)
    shares = ops.variadic_split(factors, ops.constant(1), ops.constant(np.array(network.widths, np.int64)))
    for layer in range(network.layers):
        # A positive factor may be moved behind the ReLU, and so into the weights of the next layer: that is a pass over
        # the weights for each layer instead of one over the picture.
        weight = ops.constant(weights[f"conv{layer}.weight"])
        if layer:
            weight = ops.multiply(weight, shares.output(layer - 1))
        node = ops.convolution(node, weight, [1, 1], [1, 1], [1, 1], [1, 1])
        node = ops.add(node, ops.constant(weights[f"conv{layer}.bias"].reshape(1, -1, 1, 1)))
        if layer < network.layers - 1:
            node = ops.relu(node)
    node = ops.multiply(node, shares.output(network.layers - 1))
    node = ops.depth_to_space(node, "depth_first", network.unshuffle * network.scale)
    return ov.Model([node], [luma, differences, maps, agreement, figures, factors], "reel")


def _flip(planes: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    # OpenVINO reads arrays as they lie in memory.
    return np.ascontiguousarray(np.flip(planes, axes))


def _scaled(codes: ov.Node, factor: float) -> ov.Node:
    return ops.multiply(ops.convert(codes, "f32"), ops.constant(np.float32(factor)))


@cache
def _capabilities() -> tuple[str, ...]:
    return tuple(ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def resolve_precision(precision: Precision) -> str:
    """The precision that is used: bf16 unless fp32 is requested or the processor has no bf16 arithmetic."""
    if precision == "fp32" or "BF16" not in _capabilities():
        return "fp32"
    return "bf16"
