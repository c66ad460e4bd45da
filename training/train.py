"""Trains a `reel` network on windows: `python -m training.train training/runs/reel-s.pt training/runs/samples`.

Samples may still be made meanwhile. Stopped at any moment it goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import copy
import math
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reelwright.restoration.window_network import SCALES, WindowNetwork
from reelwright.restoration.window_torch import WindowNet, enlarge
from training.batches import Batch, draw_batch
from training.damage import Kind
from training.export import read
from training.gains import Gains
from training.losses import charbonnier, decibels, lost_detail, squared_errors
from training.muon import Muon
from training.samples import SampleFiles

_REPORT, _SAVE_SECONDS, _REFRESH, _PACED = 50, 300, 200, 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training does.

    Attributes:
        steps: batches in all; the learning rate falls to nearly nothing at the last.
        batch: samples in a batch.
        rate: highest learning rate of Muon, which trains the weights of all convolutions but the last.
        small_rate: the same of AdamW, which trains everything else.
        warm_up: steps over which it rises.
        squared: share of the steps, at the end, that minimise squared error in dB instead of the Charbonnier error.
        seed: of the weights at the start and of the order of samples.
        detail: weight of `losses.lost_detail` beside the error in dB; 0 leaves it out.
    """

    steps: int
    batch: int = 8
    rate: float = 0.02
    small_rate: float = 1.2e-3
    warm_up: int = 150
    squared: float = 0.9
    seed: int = 1
    detail: float = 0.0

    def share_at(self, step: int) -> float:
        """The share of the highest learning rate at a step: linear warm-up under half a cosine."""
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps))) + 0.003
        return min(1.0, (step + 1) / self.warm_up) * fall


class Training:
    """The state of a training between two steps.

    Args:
        network: what to train.
        plan: how.
    """

    def __init__(self, network: WindowNetwork, plan: Plan) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.step, self.gains = plan, 0, Gains()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.net = start(WindowNet(network)).to(self.device)
        self.average = copy.deepcopy(self.net)
        matrices = [layer.weight for layer in self.net.convolutions[:-1]]
        known = {id(weight) for weight in matrices}
        rest = [parameter for parameter in self.net.parameters() if id(parameter) not in known]
        self.optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, plan.rate),
            torch.optim.AdamW(rest, plan.small_rate, betas=(0.9, 0.98), weight_decay=1e-5),
        ]

    def learn(self, batch: Batch[NDArray[Any]]) -> float:
        """One step on a batch; its loss."""
        share = self.plan.share_at(self.step)
        for optimizer, rate in zip(self.optimizers, (self.plan.rate, self.plan.small_rate), strict=True):
            optimizer.param_groups[0]["lr"] = rate * share
        frames, maps, agreement, figures, truth = (torch.from_numpy(a).to(self.device) for a in batch.arrays)
        base = enlarge(frames, self.net.network.scale)
        # bf16 is several times slower than fp32 on processors that lack it, and much faster on a GPU.
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            detail = self.net(frames, maps, agreement, figures)
        scale = self.net.network.scale
        restored = base + detail.float()
        squares = squared_errors(restored, truth, scale)
        if self.step < (1 - self.plan.squared) * self.plan.steps:
            loss = charbonnier(restored, truth, scale)
        else:
            loss = decibels(squares)
            if self.plan.detail:
                loss = loss + self.plan.detail * lost_detail(restored, truth, scale)
        self.net.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        self._follow()
        self.gains.add(batch.kinds, squared_errors(base, truth, scale), squares.detach())
        return loss.item()

    def save(self, path: Path) -> None:
        """Writes a checkpoint; an interruption leaves the one before it."""
        state = {
            "network": asdict(self.net.network),
            "plan": asdict(self.plan),
            "step": self.step,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        torch.save(state, draft)
        draft.replace(path)

    def load(self, path: Path) -> None:
        """Goes back to a checkpoint; the plan may have another length, so that a training can be carried further.

        Raises:
            SystemExit: it belongs to another network or plan.
        """
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        planned = replace(Plan(**state["plan"]), steps=self.plan.steps)
        if state["network"] != asdict(self.net.network) or planned != self.plan:
            raise SystemExit(f"{path} is of another network or plan: name another file or repeat its options")
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        self.step = state["step"]

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average of the weights, which is what ships: it is steadier than any one step's."""
        keep = min(0.995, self.step / (self.step + 20))
        for average, now in zip(self.average.parameters(), self.net.parameters(), strict=True):
            average.lerp_(now, 1 - keep)


def start(net: WindowNet) -> WindowNet:
    """Gives a network the weights to start from.

    The last layer is zero, so that the network starts as bicubic itself. The layers between start near the identity: a
    plain stack then learns as one with shortcuts does, and costs nothing more when it runs (arXiv:1706.00388).
    """
    first, *between, last = net.convolutions
    for layer in (first, *between):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    for layer in between:
        with torch.no_grad():
            layer.weight.mul_(0.35)
            layer.weight.add_(nn.init.dirac_(torch.empty_like(layer.weight)))
    nn.init.zeros_(last.weight)
    nn.init.zeros_(net.factors.weight)
    for name, parameter in net.named_parameters():
        if name.startswith(("conv", "factors")) and name.endswith("bias"):
            nn.init.zeros_(parameter)
    return net


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
) -> None:
    """Trains to the plan's end, or until `stopped` of the step is true, from `checkpoint` where it exists.

    Without a checkpoint it starts from `weights`, tensors of the same network by name, or from new weights.

    With `minutes` the plan is shortened or lengthened to end by then, at the pace of the last steps: for a machine that
    others use too.
    """
    torch.set_num_threads(threads)
    training, files = Training(network, plan), SampleFiles(samples, network.scale, kinds)
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
        "--rates", type=float, default=1.0, help="factor of both learning rates; 0.1 to go on from weights"
    )
    parser.add_argument(
        "--detail", type=float, default=0.0, help="weight of lost detail in the loss; 0.06 for the set for detail"
    )
    names = [kind.name.lower() for kind in Kind]
    parser.add_argument("--kinds", nargs="+", choices=names, default=names, help="damage to learn from; all by default")
    given = parser.parse_args()
    network = WindowNetwork(given.channels, given.layers, scale=given.scale or 2)
    # A step is finished before the checkpoint is written; Kubernetes and shells stop a process by SIGTERM.
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    plan = Plan(given.steps, detail=given.detail)
    plan = replace(plan, rate=plan.rate * given.rates, small_rate=plan.small_rate * given.rates)
    weights = None
    if given.weights:
        stored = read(given.weights, given.scale)
        chosen = stored.sets[1 if given.undamaged else 0]
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
    )


if __name__ == "__main__":
    main()
