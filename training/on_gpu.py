"""Trains several `reel` networks at once: `python -m training.on_gpu training/runs reel-s reel-m --minutes 9`.

A whole step (draw a batch, forward, backward, optimisers, average) is captured as one CUDA graph and replayed, so the
GPU never waits for Python. Samples lie in the GPU's memory and may still be made meanwhile: `training/runs/samples` for
networks that enlarge twice, `training/runs/samples-x4` for those that enlarge four times.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from reelwright.restoration.weight_sets import NetworkWeights, WeightSet
from reelwright.restoration.window_network import WindowNetwork
from reelwright.restoration.window_torch import WindowNet, enlarge
from training.batches import Batch
from training.damage import Kind
from training.export import write
from training.losses import charbonnier, decibels, squared_errors
from training.muon import Muon
from training.resident import ResidentSamples
from training.trainer import start

_UNDAMAGED = (Kind.CLEAN_AREA, Kind.CLEAN_BICUBIC, Kind.CODEC)
_AVERAGE, _CHARBONNIER = 0.999, 0.1
_REPORT_SECONDS, _REFRESH_SECONDS, _ROUNDS = 20.0, 4.0, 20
_FORMATS = {True: torch.channels_last, False: torch.preserve_format}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One network to train.

    Attributes:
        network: its shape.
        kinds: of damage that it learns from.
        batch: samples in a batch.
        rate: highest learning rate of Muon.
        small_rate: highest learning rate of AdamW.
        warm_up: steps during which the rates grow to the highest ones.
    """

    network: WindowNetwork
    kinds: tuple[Kind, ...] = tuple(Kind)
    batch: int = 64
    rate: float = 0.02
    small_rate: float = 1.2e-3
    warm_up: int = 500


RECIPES = {
    "reel-s": Recipe(WindowNetwork(64, 10)),
    "reel-s-clean": Recipe(WindowNetwork(64, 10), kinds=_UNDAMAGED),
    "reel-m": Recipe(WindowNetwork(96, 14)),
    "reel-s-x4": Recipe(WindowNetwork(64, 10, scale=4)),
}


class CapturedTraining:
    """The training of one network, a step of which never leaves the device.

    Args:
        recipe: what to train.
        samples: where the batches come from; of the network's scale.
        device: a GPU; on a CPU the same step runs uncaptured, for tests.
        seed: of the weights at the start.
    """

    def __init__(self, recipe: Recipe, samples: ResidentSamples, device: torch.device, seed: int = 1) -> None:
        torch.manual_seed(seed)
        self.recipe, self._samples, self._device = recipe, samples, device
        self.net = start(WindowNet(recipe.network)).to(device)
        self.average = copy.deepcopy(self.net)
        self._progress, self._warmth = (torch.zeros((), device=device) for _ in range(2))
        self._order, self._count = torch.zeros(0, dtype=torch.long, device=device), torch.zeros((), device=device)
        self._sums = torch.zeros((2, len(Kind)), device=device)
        matrices = [layer.weight for layer in self.net.convolutions[:-1]]
        known = {id(weight) for weight in matrices}
        rest = [parameter for parameter in self.net.parameters() if id(parameter) not in known]
        self._rates = [torch.zeros((), device=device) for _ in range(2)]
        captured = device.type == "cuda"
        self._optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, self._rates[0]),
            torch.optim.AdamW(rest, self._rates[1], betas=(0.9, 0.98), weight_decay=1e-5, capturable=captured),
        ]
        self._graph: torch.cuda.CUDAGraph | None = None
        self.steps = 0

    def choose(self, capacity: int) -> None:
        """Takes notice of the samples that have been added since."""
        chosen = np.flatnonzero(np.isin(self._samples.kinds, self.recipe.kinds))
        if not len(self._order):
            self._order = torch.zeros(capacity, dtype=torch.long, device=self._device)
        self._order[: len(chosen)] = torch.from_numpy(chosen).to(self._device)
        self._count.fill_(len(chosen))

    def advance(self, progress: float) -> None:
        """One step, at this share of the whole training, 0 to 1."""
        self._progress.fill_(progress)
        self._warmth.fill_(min(1.0, (self.steps + 1) / self.recipe.warm_up))
        if self._graph is not None:
            self._graph.replay()
        else:
            self._step()
        self.steps += 1

    def capture(self) -> None:
        """Captures the step; three steps are made before, as CUDA graphs ask for."""
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        self._graph = graph

    def gains(self) -> str:
        """How far the network is above bicubic on its own samples since the last call, in dB by kind."""
        sums, counts = self._sums.tolist()
        self._sums.zero_()
        return " ".join(f"{kind.name.lower()} {sums[kind] / max(1, counts[kind]):+.2f}" for kind in self.recipe.kinds)

    def _step(self) -> None:
        share = 0.5 * (1 + torch.cos(math.pi * self._progress)) + 0.003
        for rate, highest in zip(self._rates, (self.recipe.rate, self.recipe.small_rate), strict=True):
            rate.copy_(highest * share * self._warmth)
        chance = torch.rand(self.recipe.batch, device=self._device)
        batch = self._samples.draw(self._order[(chance * self._count).long()])
        base = enlarge(batch.frames, self.recipe.network.scale)
        loss = self._loss(batch, base)
        for parameter in self.net.parameters():
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
        for optimizer in self._optimizers:
            optimizer.step()
        with torch.no_grad():
            # Early weights are soon forgotten; from then on the average is over about a thousand steps.
            keep = torch.clamp(self._warmth * _AVERAGE, max=_AVERAGE)
            for average, now in zip(self.average.parameters(), self.net.parameters(), strict=True):
                average.lerp_(now, 1 - keep)

    def _loss(self, batch: Batch[Tensor], base: Tensor) -> Tensor:
        scale = self.recipe.network.scale
        # The convolutions compute in bf16 on weights that are kept in float32.
        dtype = torch.bfloat16 if self._device.type == "cuda" else torch.float32
        weights = {
            name: parameter.to(dtype, memory_format=torch.channels_last)
            if parameter.dim() == 4
            else parameter.to(dtype)
            for name, parameter in self.net.named_parameters()
            if name.startswith("conv")
        }
        *inputs, truth = batch.arrays
        detail: Tensor = torch.func.functional_call(self.net, weights, tuple(inputs))
        restored = base + detail.float()
        squares, before = squared_errors(restored, truth, scale), squared_errors(base, truth, scale)
        gain = 10 * torch.log10((before + 1e-6) / (squares.detach() + 1e-6))
        self._sums[0].index_add_(0, batch.kinds, gain)
        self._sums[1].index_add_(0, batch.kinds, torch.ones_like(gain))
        first = charbonnier(restored, truth, scale)
        return torch.where(self._progress < _CHARBONNIER, first, decibels(squares))


class Session:
    """Several trainings that take turns on one device.

    Args:
        names: keys of `RECIPES`.
        runs: the folder with `samples` and `samples-x4`; weights are written there as NAME.safetensors.
        capacity: samples of each scale to keep in the device's memory.
        device: a GPU; on a CPU for tests.
    """

    def __init__(self, names: Sequence[str], runs: Path, capacity: int, device: torch.device) -> None:
        self._runs, self._capacity, self._device = runs, capacity, device
        scales = {RECIPES[name].network.scale for name in names}
        folders = {scale: runs / ("samples" if scale == 2 else f"samples-x{scale}") for scale in scales}
        self.pools = {scale: ResidentSamples(folders[scale], scale, capacity, device) for scale in sorted(scales)}
        self.trainings = {
            name: CapturedTraining(RECIPES[name], self.pools[RECIPES[name].network.scale], device) for name in names
        }

    def begin(self, least: int) -> None:
        """Waits until there are `least` samples of each scale, and captures the steps."""
        while min(len(pool.kinds) for pool in self.pools.values()) < least:
            time.sleep(0.5)
            self.refresh()
        for training in self.trainings.values():
            training.choose(self._capacity)
            if self._device.type == "cuda":
                training.capture()

    def refresh(self) -> None:
        """Takes notice of new samples."""
        for pool in self.pools.values():
            pool.refresh()
        for training in self.trainings.values():
            training.choose(self._capacity)

    def advance(self, progress: float) -> None:
        """Some steps of each network, all of them made when it returns."""
        for _ in range(_ROUNDS):
            for training in self.trainings.values():
                training.advance(progress)
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def save(self) -> None:
        """Prints how far the trainings are, and writes the weights."""
        print(", ".join(f"{len(pool.kinds)} samples x{scale}" for scale, pool in self.pools.items()), flush=True)
        for name, training in self.trainings.items():
            print(f"  {name}: {training.steps} steps: {training.gains()}", flush=True)
            weights = NetworkWeights([WeightSet(training.recipe.network, training.average.state_dict())])
            write(self._runs / f"{name}.safetensors", weights)


def train(session: Session, minutes: float) -> None:
    """Trains until `minutes` are over, with a learning rate that has then fallen to nearly nothing."""
    began = refreshed = reported = time.monotonic()
    while (now := time.monotonic()) - began < 60 * minutes:
        session.advance((now - began) / 60 / minutes)
        if now - refreshed > _REFRESH_SECONDS:
            session.refresh()
            refreshed = now
        if now - reported > _REPORT_SECONDS:
            print(f"{now - began:.0f} s: ", end="")
            session.save()
            reported = now
    session.save()


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="folder with samples; weights are written there")
    parser.add_argument("names", nargs="+", choices=sorted(RECIPES))
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--capacity", type=int, default=400_000, help="samples in the GPU's memory, 49 kB each at x2")
    parser.add_argument("--least", type=int, default=8000, help="samples to wait for before the first step")
    given = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.benchmark = True
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    session = Session(given.names, given.runs, given.capacity, device)
    session.begin(given.least)
    train(session, given.minutes)


if __name__ == "__main__":
    main()
