"""Writes a `reel` network on windows as ONNX, for runtimes that read nothing else; the peers' Python runs this file.

    python build_onnx.py WEIGHTS.npz OUT.onnx ROWS COLUMNS

The result reads five frames (1, 5, rows, columns) float32 in [0, 1] as they are and gives what is to be added to the
bicubic enlargement of the middle one, (1, 1, scale * rows, scale * columns). The maps that `reelwright` measures are
constants that say that nothing was found, so that the multiply-adds are the same. WEIGHTS has the convolutions' weights
and biases in order, with the factors of film without damage multiplied in (`reelwright.restoration.window_network`).
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# As in `reelwright.restoration.window_network`, which this Python does not have.
_FOLD, _NEIGHBOURS, _DIFFERENCE_GAIN = 2, 4, 4.0
# Folded maps and figures that say nothing: no dust, no scratch (128 of 255), no agreement, no figures.
_MAPS = (*[-0.5] * 4, *[128 / 255 - 0.5] * 4, *[0.0] * 4, *[0.0] * 4)


def build(weights: dict[str, NDArray[np.float32]], rows: int, columns: int) -> onnx.ModelProto:
    """The network for frames of one size."""
    layers = len(weights) // 2
    maps = np.array(_MAPS, np.float32).reshape(1, -1, 1, 1) * np.ones((rows // _FOLD, columns // _FOLD), np.float32)
    constants = {
        "centre": np.float32(0.5),
        "gain": np.float32(_DIFFERENCE_GAIN),
        "low": np.float32(-1),
        "high": np.float32(1),
        "maps": maps,
        "sizes": np.array([2, 1, 2], np.int64),
    }
    nodes = [
        helper.make_node("Split", ["frames", "sizes"], ["before", "middle", "after"], axis=1),
        helper.make_node("Concat", ["before", "after"], ["neighbours"], axis=1),
        helper.make_node("Sub", ["neighbours", "middle"], ["difference"]),
        helper.make_node("Mul", ["difference", "gain"], ["enlarged"]),
        helper.make_node("Clip", ["enlarged", "low", "high"], ["differences"]),
        helper.make_node("Sub", ["middle", "centre"], ["luma"]),
        helper.make_node("SpaceToDepth", ["luma"], ["folded_luma"], blocksize=_FOLD),
        helper.make_node("SpaceToDepth", ["differences"], ["folded_differences"], blocksize=_FOLD),
        helper.make_node("Concat", ["folded_luma", "folded_differences", "maps"], ["layer0"], axis=1),
    ]
    for layer in range(layers):
        weight = weights[f"conv{layer}.weight"]
        constants[f"w{layer}"] = weight if layer else _reordered(weight)
        constants[f"b{layer}"] = weights[f"conv{layer}.bias"]
        last = layer == layers - 1
        result = "shuffled" if last else f"sum{layer}"
        nodes.append(helper.make_node("Conv", [f"layer{layer}", f"w{layer}", f"b{layer}"], [result], pads=[1, 1, 1, 1]))
        if not last:
            nodes.append(helper.make_node("Relu", [result], [f"layer{layer + 1}"]))
    unfold = math.isqrt(len(weights[f"conv{layers - 1}.bias"]))
    nodes.append(helper.make_node("DepthToSpace", ["shuffled"], ["residual"], blocksize=unfold, mode="CRD"))
    scale = unfold // _FOLD
    graph = helper.make_graph(
        nodes,
        "reel",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, [1, _NEIGHBOURS + 1, rows, columns])],
        [helper.make_tensor_value_info("residual", TensorProto.FLOAT, [1, 1, scale * rows, scale * columns])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _reordered(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first convolution for ONNX's order of folded channels: places within the fold first, then neighbours."""
    own, differences, rest = np.split(weight, [_FOLD**2, (_NEIGHBOURS + 1) * _FOLD**2], axis=1)
    shape = differences.shape
    swapped = differences.reshape(shape[0], _NEIGHBOURS, _FOLD**2, 3, 3).swapaxes(1, 2).reshape(shape)
    return np.concatenate([own, swapped, rest], axis=1)


def main() -> None:
    """Reads the weights, writes the network."""
    source, target, rows, columns = sys.argv[1:]
    with np.load(source) as weights:
        model = build(dict(weights), int(rows), int(columns))
    onnx.checker.check_model(model)
    Path(target).write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
