"""Trains a `reel` network on windows: `python -m training.train training/runs/reel-s.pt training/runs/samples`.

Samples may still be made meanwhile. Stopped at any moment it goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from reelwright.restoration.window_network import SCALES, WindowNetwork
from training.batches import draw_batch, draw_pairs
from training.damage import Kind
from training.export import read
from training.precision import Precision
from training.rescale import rescaled
from training.sample_files import SampleFiles
from training.trainer import Plan, Training

_REPORT, _SAVE_SECONDS, _REFRESH, _PACED = 50, 300, 200, 20
# Of so many batches one is of pairs, where there are any.
_PAIRS = 4


def train(
    checkpoint: Path,
    samples: Path,
    *,
    network: WindowNetwork,
    plan: Plan,
    threads: int,
    stopped: Callable[[int], bool] = lambda _: False,
    minutes: float | None = None,
    kinds: Collection[Kind] = tuple(Kind),
    weights: Mapping[str, Tensor] | None = None,
    precision: Precision | None = None,
) -> None:
    """Trains to the plan's end, or until `stopped` of the step is true, from `checkpoint` where it exists.

    Where the folder has pairs (`pairs.py`), a quarter of the batches are drawn from them.

    Without a checkpoint it starts from `weights`, tensors of the same network by name, or from new weights.

    With `minutes` the plan is shortened or lengthened to end by then, at the pace of the last steps: for a machine that
    others use too.
    """
    torch.set_num_threads(threads)
    training = Training(network, plan, precision)
    files, pairs = (SampleFiles(samples, network.scale, kinds, pairs=pairs) for pairs in (False, True))
    if checkpoint.exists():
        training.load(checkpoint)
    elif weights is not None:
        for net in (training.net, training.average):
            net.load_state_dict(weights)
    began = saved = paced = time.monotonic()
    first = training.step
    while training.step < training.plan.steps and not stopped(training.step):
        if minutes is not None and training.step > first and (training.step - first) % _PACED == 0:
            now = time.monotonic()
            left = max(0.0, began + 60 * minutes - now) / ((now - paced) / _PACED)
            training.plan, paced = replace(training.plan, steps=training.step + int(left)), now
        if training.step % _REFRESH == 0:
            files.refresh()
            pairs.refresh()
        if len(pairs) and training.step % _PAIRS == 0:
            drawn = draw_pairs(pairs, plan.batch, plan.seed, training.step)
            loss = training.learn(drawn.windows, drawn.motion)
        else:
            loss = training.learn(draw_batch(files, plan.batch, plan.seed, training.step))
        if training.step % _REPORT == 0:
            pace = (time.monotonic() - began) / (training.step - first)
            where = f"{training.step}/{training.plan.steps}, {pace:.2f} s a step, {len(files)} samples"
            print(f"{where}: {training.gains} loss {loss:.4f}", flush=True)
        if time.monotonic() - saved > _SAVE_SECONDS:
            training.save(checkpoint)
            saved = time.monotonic()
    training.save(checkpoint)


def main() -> None:
    """Reads the command line and trains."""
    given = _arguments()
    network = WindowNetwork(given.channels, given.layers, scale=given.scale or 2)
    # A step is finished before the checkpoint is written; Kubernetes and shells stop a process by SIGTERM.
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    plan = Plan(given.steps, detail=given.detail, steady=given.steady)
    plan = replace(plan, rate=plan.rate * given.rates, small_rate=plan.small_rate * given.rates)
    weights = None
    if given.weights:
        stored = read(given.weights, given.weights_scale or given.scale)
        chosen = stored.sets[1 if given.undamaged else 0]
        chosen = rescaled(chosen, given.scale or chosen.network.scale)
        network, weights = chosen.network, chosen.tensors
        # Weights that were trained before are past the Charbonnier error.
        plan = replace(plan, squared=1.0)
    kinds = [Kind[name.upper()] for name in given.kinds]
    train(
        given.checkpoint,
        given.samples,
        network=network,
        plan=plan,
        threads=given.threads,
        stopped=lambda _: stop.is_set(),
        minutes=given.minutes,
        kinds=kinds,
        weights=weights,
        precision=given.precision,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="where the training is kept; continued when it is there")
    parser.add_argument("samples", type=Path, help="folder of `training.samples`")
    parser.add_argument("--steps", type=int, default=60000)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--minutes", type=float, help="end by then, whatever --steps says")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--weights", type=Path, help="a safetensors file to start from, where there is no checkpoint")
    parser.add_argument("--undamaged", action="store_true", help="start from its weight set for undamaged film")
    parser.add_argument("--scale", type=int, choices=SCALES, help="of the network; of the file's first by default")
    parser.add_argument(
        "--weights-scale",
        type=int,
        choices=SCALES,
        help="of the network to start from, where it is not that of --scale",
    )
    parser.add_argument(
        "--rates", type=float, default=1.0, help="factor of both learning rates; 0.1 to go on from weights"
    )
    parser.add_argument(
        "--detail", type=float, default=0.0, help="weight of lost detail in the loss; 0.06 for the set for detail"
    )
    parser.add_argument("--steady", type=float, default=1.0, help="weight of flicker in the loss of pairs")
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        help="of the convolutions; the checkpoint's, else the faster, by default",
    )
    names = [kind.name.lower() for kind in Kind]
    parser.add_argument("--kinds", nargs="+", choices=names, default=names, help="damage to learn from; all by default")
    return parser.parse_args()


if __name__ == "__main__":
    main()
