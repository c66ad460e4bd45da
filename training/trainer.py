"""A network in training: its weights, their average, the optimisers, one step, and checkpoints."""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reelwright.restoration.window_network import WindowNetwork
from reelwright.restoration.window_torch import WindowNet, enlarge
from training.batches import Batch
from training.gains import Gains
from training.losses import charbonnier, decibels, flickers, lost_detail, squared_errors
from training.muon import Muon
from training.precision import Precision, arranged, faster_precision, residual


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
        steady: weight of `losses.flickers`, in dB like the error, in batches of pairs.
    """

    steps: int
    batch: int = 8
    rate: float = 0.02
    small_rate: float = 1.2e-3
    warm_up: int = 150
    squared: float = 0.9
    seed: int = 1
    detail: float = 0.0
    steady: float = 0.0

    def share_at(self, step: int) -> float:
        """The share of the highest learning rate at a step: linear warm-up under half a cosine."""
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps))) + 0.003
        return min(1.0, (step + 1) / self.warm_up) * fall


class Training:
    """The state of a training between two steps.

    Args:
        network: what to train.
        plan: how.
        precision: of its convolutions; None for that of the checkpoint, or where there is none for the faster one,
            measured before the first step.
    """

    def __init__(self, network: WindowNetwork, plan: Plan, precision: Precision | None = None) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.step, self.gains, self._precision = plan, 0, Gains(), precision
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

    def learn(self, batch: Batch[NDArray[Any]], motion: NDArray[np.float32] | None = None) -> float:
        """One step on a batch; its loss.

        Args:
            batch: any windows, or those of a `batches.PairBatch`.
            motion: that of the pairs.
        """
        share = self.plan.share_at(self.step)
        for optimizer, rate in zip(self.optimizers, (self.plan.rate, self.plan.small_rate), strict=True):
            optimizer.param_groups[0]["lr"] = rate * share
        frames, maps, agreement, figures, truth = (torch.from_numpy(a).to(self.device) for a in batch.arrays)
        inputs, scale = (frames, maps, agreement, figures), self.net.network.scale
        if self._precision is None:
            self._precision = faster_precision(self.net, inputs)
            print(f"convolutions in {self._precision}", flush=True)
        base = enlarge(frames, scale)
        restored = base + residual(arranged(self.net, self._precision), inputs, self._precision)
        squares = squared_errors(restored, truth, scale)
        if self.step < (1 - self.plan.squared) * self.plan.steps:
            loss = charbonnier(restored, truth, scale)
        else:
            loss = decibels(squares)
            if self.plan.detail:
                loss = loss + self.plan.detail * lost_detail(restored, truth, scale)
            if motion is not None:
                pictures, truths = ((both[: len(motion)], both[len(motion) :]) for both in (restored, truth))
                change = flickers(pictures, truths, torch.from_numpy(motion).to(self.device), scale)
                loss = loss + self.plan.steady * decibels(change)
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
            "precision": self._precision,
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
        if WindowNetwork(**state["network"]) != self.net.network or planned != self.plan:
            raise SystemExit(f"{path} is of another network or plan: name another file or repeat its options")
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        self.step = state["step"]
        if self._precision is None:
            # Earlier checkpoints have none.
            self._precision = state.get("precision")

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
