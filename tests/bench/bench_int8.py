"""What int8 would gain and cost: `python -m tests.bench.bench_int8`, in an environment that also has `nncf`.

NNCF quantises the set for damaged film of `reel-s` x2 after training, for each piece anew: the channel factors of a
frame in the middle are multiplied into the weights first, since quantised weights are constants, and windows of other
frames of the piece calibrate the ranges. That is the best case for int8: a worker would have to do it for each shot.
What stays unquantised is computed in bf16. The network alone is timed; the precisions take turns, so that other load
on the machine slows all equally.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import nncf
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from safetensors.numpy import load_file

from reelwright.restoration.enlarge import add_residual
from reelwright.restoration.models import resolve_model
from reelwright.restoration.openvino_engine import build_graph, compile_options
from reelwright.restoration.weight_sets import WeightSet, split_scales
from reelwright.restoration.window import PreparedWindow, prepare
from reelwright.restoration.window_network import MIDDLE, channel_factors, input_planes
from training import material
from training.metrics import psnr
from training.quality.methods import bicubic, window_of

Luma = NDArray[np.float32]

SCALE, THREADS = 2, 2
_TREATMENTS = ("film", "light")
_CALIBRATED, _MEASURED, _FACTORS = (3, 5, 7, 9, 11, 14, 17, 20), (8, 12, 16), 12
_TURNS, _RUNS, _SEED = 5, 4, 5


def main() -> None:
    """Measures and prints two tables."""
    cv2.setNumThreads(1)
    weights = _weights()
    print("| treatment | piece | fp32, dB over bicubic | bf16 | int8 |\n|---|---|---|---|---|")
    ratios: list[tuple[float, float]] = []
    for treatment in _TREATMENTS:
        rows = []
        for piece in material.PIECES:
            clip = material.read_piece(piece)
            if clip is None:
                continue
            film = material.treat(clip, material.TREATMENTS[treatment], _SEED, SCALE)
            compiled = _compiled(weights, film)
            rows.append(_gains(compiled, film, clip))
            ratios.append(_times(compiled, _inputs(prepare(window_of(film, _FACTORS)))))
            _print_row(treatment, piece.name, rows[-1])
        _print_row(treatment, "**mean**", np.mean(rows, axis=0).tolist())
    for name, found in zip(("fp32", "bf16"), zip(*ratios, strict=True), strict=True):
        print(f"time of int8 / {name}: {statistics.median(found):.2f}")


def _print_row(treatment: str, name: str, gains: Sequence[float]) -> None:
    print(f"| {treatment} | {name} | " + " | ".join(f"{gain:+.2f}" for gain in gains) + " |", flush=True)


def _weights() -> WeightSet[NDArray[np.float32]]:
    model = resolve_model("reel-s")
    assert model.networks
    stored = {name: tensor.astype(np.float32) for name, tensor in load_file(str(model.path)).items()}
    return split_scales(model.networks, stored)[SCALE].sets[0]


def _compiled(weights: WeightSet[NDArray[np.float32]], film: NDArray[np.uint8]) -> list[Any]:
    """The network for a film's size in fp32, bf16 and int8."""
    figures = prepare(window_of(film, _FACTORS)).network_input(0).figures
    graph = build_graph(weights.network, weights.tensors, (film.shape[1], film.shape[2]))
    factors = graph.get_parameters()[-1]
    constant = ops.constant(channel_factors(weights.tensors, figures).reshape(1, -1, 1, 1))
    factors.output(0).replace(constant.output(0))
    graph.remove_parameter(factors)

    def calibration() -> Iterator[dict[int, NDArray[Any]]]:
        for number in _CALIBRATED:
            yield _inputs(prepare(window_of(film, number)))

    plain = [ov.Core().compile_model(graph, "CPU", compile_options(THREADS, 1, name)) for name in ("fp32", "bf16")]
    quantised = nncf.quantize(graph, nncf.Dataset(list(calibration())), subset_size=len(_CALIBRATED))
    return [*plain, ov.Core().compile_model(quantised, "CPU", compile_options(THREADS, 1, "bf16"))]


def _inputs(prepared: PreparedWindow) -> dict[int, NDArray[Any]]:
    window = prepared.network_input(0)
    luma = prepared.frames[MIDDLE].astype(np.float32) / np.float32(255)
    planes = [planes[None] for planes in input_planes(luma, window)]
    return dict(enumerate([*planes, window.figures.reshape(1, -1, 1, 1)]))


def _gains(compiled: list[Any], film: NDArray[np.uint8], clip: Luma) -> list[float]:
    """PSNR-Y above bicubic in dB of each network, the mean over frames."""
    gains = []
    for number in _MEASURED:
        window = window_of(film, number)
        prepared = prepare(window)
        luma, inputs = prepared.frames[MIDDLE].astype(np.float32) / np.float32(255), _inputs(prepared)
        residuals = [np.asarray(network(inputs)[0][0, 0], np.float32) for network in compiled]
        base = _decibels(bicubic(SCALE)(window), clip[number])
        gains.append([_decibels(add_residual(luma, residual, SCALE), clip[number]) - base for residual in residuals])
    return [float(gain) for gain in np.mean(gains, axis=0)]


def _decibels(found: Luma, truth: Luma) -> float:
    return psnr(float(np.square(np.clip(found, 0, 1) - truth).mean()))


def _times(compiled: list[Any], inputs: dict[int, NDArray[Any]]) -> tuple[float, float]:
    """The time of int8 as shares of those of fp32 and bf16: medians of turns."""
    turns = []
    for _ in range(_TURNS):
        seconds = []
        for network in compiled:
            began = time.perf_counter()
            for _ in range(_RUNS):
                network(inputs)
            seconds.append(time.perf_counter() - began)
        turns.append((seconds[2] / seconds[0], seconds[2] / seconds[1]))
    return statistics.median(turn[0] for turn in turns), statistics.median(turn[1] for turn in turns)


if __name__ == "__main__":
    main()
