"""Which arithmetic a step of training takes: bfloat16 is many times slower than float32 on processors that lack it."""

from __future__ import annotations

import copy
import statistics
import time
from typing import Literal, get_args

import torch
from torch import Tensor

from reelwright.restoration.window_torch import WindowNet

Precision = Literal["fp32", "bf16"]

_ROUNDS = 10


def residual(net: WindowNet, inputs: tuple[Tensor, ...], precision: Precision) -> Tensor:
    """What a network gives, float32; its convolutions compute in `precision`, its weights stay float32."""
    with torch.autocast(inputs[0].device.type, torch.bfloat16, enabled=precision == "bf16"):
        result: Tensor = net(*inputs)
    return result.float()


def arranged(net: WindowNet, precision: Precision) -> WindowNet:
    """The network with its weights laid out for a precision, in place: bf16 on a CPU is faster with channels last."""
    on_cpu = next(net.parameters()).device.type == "cpu"
    return net.to(memory_format=torch.channels_last if on_cpu and precision == "bf16" else torch.contiguous_format)


def faster_precision(net: WindowNet, inputs: tuple[Tensor, ...]) -> Precision:
    """The precision whose steps take less time here: the medians of ten steps each, by turns, after one to warm up.

    Args:
        net: the network, which is left as it is.
        inputs: those of a batch, see `WindowNet.forward`.
    """
    nets = {precision: arranged(copy.deepcopy(net), precision) for precision in get_args(Precision)}
    seconds: dict[Precision, list[float]] = {precision: [] for precision in nets}
    for _ in range(_ROUNDS + 1):
        for precision, own in nets.items():
            began = time.perf_counter()
            residual(own, inputs, precision).square().mean().backward()  # type: ignore[no-untyped-call]
            if inputs[0].device.type == "cuda":
                torch.cuda.synchronize()
            seconds[precision].append(time.perf_counter() - began)
    return min(seconds, key=lambda precision: statistics.median(seconds[precision][1:]))
