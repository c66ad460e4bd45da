"""Trains a `reel` network: `python -m training.train training/runs/reel-s.pt --steps 8000`.

Runs on a GPU where there is one and on a CPU otherwise. Stopped at any moment it goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.nn import functional

from reelwright.restoration.network import Network
from reelwright.restoration.torch_engine import ReelNet
from training.damage import Patch, batches
from training.dataset import FOLDER, photographs

REEL_S = Network(channels=64, layers=10, unshuffle=2, scale=2)
# The mirrored surroundings of a patch are not a photograph's; its rim is left out of the loss.
_RIM = 8
_REPORT, _SAVE = 50, 200


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training does.

    Attributes:
        steps: batches in all; the learning rate falls to nearly nothing at the last.
        batch: pairs in a batch.
        rate: highest learning rate of AdamW.
        warm_up: steps over which it rises.
        seed: of the weights at the start.
        data_seed: of the pairs.
    """

    steps: int
    batch: int = 16
    rate: float = 1.2e-3
    warm_up: int = 200
    seed: int = 1
    data_seed: int = 7

    def rate_at(self, step: int) -> float:
        """The learning rate of a step: linear warm-up under half a cosine."""
        fall = 0.5 * (1 + math.cos(math.pi * step / self.steps)) + 0.005
        return self.rate * min(1.0, step / self.warm_up) * fall


@dataclass
class Gain:
    """How far the network is above bicubic, in dB of PSNR over the last hundred batches or so."""

    errors: list[float] = field(default_factory=list)

    def add(self, bicubic: float, network: float) -> None:
        """Counts a batch's mean squared errors."""
        now = [bicubic, network]
        self.errors = [0.99 * old + 0.01 * new for old, new in zip(self.errors or now, now, strict=True)]

    def __str__(self) -> str:
        return f"{10 * math.log10(self.errors[0] / self.errors[1]):.3f} dB"


class Training:
    """The state of a training between two steps.

    Args:
        network: what to train.
        plan: how.
        device: where.
    """

    def __init__(self, network: Network, plan: Plan, device: torch.device) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.device, self.step, self.gain = plan, device, 0, Gain()
        self.net = start(ReelNet(network)).to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=plan.rate, weight_decay=1e-5, betas=(0.9, 0.98))

    def learn(self, damaged: Patch, clean: Patch) -> float:
        """One step on a batch; its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        source, truth = (torch.from_numpy(patch).to(self.device) for patch in (damaged, clean))
        bicubic = functional.interpolate(source, scale_factor=2, mode="bicubic", align_corners=False)
        with torch.autocast(self.device.type, torch.bfloat16):
            detail = self.net(source.to(memory_format=torch.channels_last))
        before, after = _inner(bicubic - truth), _inner(bicubic + detail.float() - truth)
        # Charbonnier: absolute error with a smooth bottom; squared error would answer grain with blur.
        loss = torch.sqrt(after.square() + 1e-6).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
        self.optimizer.step()
        self.step += 1
        self._follow()
        self.gain.add(before.square().mean().item(), after.square().mean().item())
        return loss.item()

    def save(self, path: Path) -> None:
        """Writes a checkpoint; an interruption leaves the one before it."""
        state = {
            "network": asdict(self.net.network),
            "plan": asdict(self.plan),
            "step": self.step,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        torch.save(state, draft)
        draft.replace(path)

    def load(self, path: Path) -> None:
        """Goes back to a checkpoint.

        Raises:
            SystemExit: it belongs to another network or plan.
        """
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        if (state["network"], state["plan"]) != (asdict(self.net.network), asdict(self.plan)):
            raise SystemExit(f"{path} is of another network or plan: name another file or repeat its options")
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average of the weights, which is what ships: it is steadier than any one step's."""
        keep = min(0.999, self.step / (self.step + 50))
        for average, now in zip(self.average.parameters(), self.net.parameters(), strict=True):
            average.lerp_(now, 1 - keep)


def start(net: ReelNet) -> ReelNet:
    """Gives a network the weights to start from: its last layer at zero, so that it starts as bicubic itself."""
    *hidden, last = (layer for layer in net.children() if isinstance(layer, nn.Conv2d))
    for layer in (*hidden, last):
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for layer in hidden:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(last.weight)
    return net


def train(checkpoint: Path, network: Network, plan: Plan, photos: Path, threads: int) -> None:
    """Trains to the plan's end, from `checkpoint` where it exists."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    training = Training(network, plan, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if checkpoint.exists():
        training.load(checkpoint)
    began = time.monotonic()
    for damaged, clean in batches(photographs(photos), plan.batch, plan.data_seed, training.step, threads):
        if training.step >= plan.steps:
            break
        loss = training.learn(damaged, clean)
        if training.step % _REPORT == 0:
            seconds = time.monotonic() - began
            print(f"{training.step} {seconds:.0f} s gain {training.gain} loss {loss:.4f}", flush=True)
        if training.step % _SAVE == 0:
            training.save(checkpoint)
    training.save(checkpoint)


def _inner(difference: Tensor) -> Tensor:
    return difference[:, :, _RIM:-_RIM, _RIM:-_RIM]


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="where the training is kept; continued when it is there")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--channels", type=int, default=REEL_S.channels)
    parser.add_argument("--layers", type=int, default=REEL_S.layers)
    parser.add_argument("--photos", type=Path, default=FOLDER)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    network = Network(given.channels, given.layers, REEL_S.unshuffle, REEL_S.scale)
    train(given.checkpoint, network, Plan(given.steps), given.photos, given.threads)


if __name__ == "__main__":
    main()
