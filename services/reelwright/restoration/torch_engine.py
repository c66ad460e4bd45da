"""The reference engine, on CUDA or the CPU; also runs other people's networks through spandrel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from reelwright.restoration.engine import Precision, format_identity
from reelwright.restoration.models import ModelFile
from reelwright.restoration.network import Network
from reelwright.restoration.tiling import MAX_COLUMNS, MAX_ROWS, run_tiled
from reelwright.titles.errors import ModelError

Luma = NDArray[np.float32]

# Foreign networks do not tell how far they look; most convolutional ones see nearly nothing beyond this.
_FOREIGN_HALO = 32
# Covers the padding multiples of the window-based architectures that spandrel knows.
_FOREIGN_MULTIPLE = 16


class ReelNet(nn.Module):
    """A `reel` network: luma (N, 1, H, W) in [0, 1] to the detail (N, 1, scale * H, scale * W) over bicubic."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        shapes = network.shapes()
        for layer, (weight, _) in enumerate(network.names()):
            after, before, *_ = shapes[weight]
            self.add_module(f"conv{layer}", nn.Conv2d(before, after, 3, padding=1))

    def forward(self, luma: Tensor) -> Tensor:
        """The detail to add to a bicubic enlargement."""
        *hidden, last = self.children()
        features = functional.pixel_unshuffle(luma, self.network.unshuffle)
        for layer in hidden:
            features = functional.relu(layer(features))
        return functional.pixel_shuffle(last(features), self.network.unshuffle * self.network.scale)


class TorchEngine:
    """Runs a network with torch.

    Args:
        model: a `reel` network, or any that spandrel knows.
        threads: CPU threads in all.
        precision: of the network; the enlargement that a `reel` network adds to is always float32.
        largest: most rows and columns of a window.

    Raises:
        ModelError: spandrel does not know the file's architecture, or it is no enlarging image network.
    """

    def __init__(
        self, model: ModelFile, threads: int, precision: Precision, largest: tuple[int, int] = (MAX_ROWS, MAX_COLUMNS)
    ) -> None:
        torch.set_num_threads(threads)
        self._largest = largest
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype = torch.bfloat16 if resolve_precision(precision) == "bf16" else torch.float32
        # One frame at a time: torch already spreads a frame over the device.
        self._lock = threading.Lock()
        self.identity = format_identity("torch", resolve_precision(precision), model)
        if model.network is not None:
            net = ReelNet(model.network)
            net.load_state_dict(load_file(str(model.path)))
            self.scale, self._halo, self._multiple = model.network.scale, model.network.halo, model.network.unshuffle
            self._call: Callable[[Tensor], Tensor] = self._ready(net)
        else:
            self.scale, self._call = self._foreign(model)
            self._halo, self._multiple = _FOREIGN_HALO, _FOREIGN_MULTIPLE
        self._adds_to_bicubic = model.network is not None

    def upscale(self, luma: Luma) -> Luma:
        """Enlarges luma (H, W) in [0, 1]; see `Engine.upscale`."""
        rows, columns = luma.shape
        result = run_tiled(luma, self._run, self.scale, self._halo, self._multiple, self._largest)
        if self._adds_to_bicubic:
            size = (columns * self.scale, rows * self.scale)
            result = result + cv2.resize(luma, size, interpolation=cv2.INTER_CUBIC)
        return np.ascontiguousarray(result, np.float32)

    def _run(self, window: Luma) -> Luma:
        with self._lock, torch.inference_mode():
            tensor = torch.from_numpy(window)[None, None].to(self._device, self._dtype)
            return np.asarray(self._call(tensor).float().cpu().numpy()[0, 0], np.float32)

    def _ready(self, net: nn.Module) -> nn.Module:
        return net.eval().to(self._device, self._dtype).to(memory_format=torch.channels_last)

    def _foreign(self, model: ModelFile) -> tuple[int, Callable[[Tensor], Tensor]]:
        import spandrel  # noqa: PLC0415 - only foreign networks need it

        try:
            found: Any = spandrel.ModelLoader().load_from_file(model.path)
        except Exception as error:  # noqa: BLE001 - spandrel raises whatever an architecture's constructor does
            what = " ".join(str(error).split())[:120]
            raise ModelError(f"spandrel cannot load it: {what}", str(model.path), "use an enlarging network") from None
        if not isinstance(found, spandrel.ImageModelDescriptor) or found.scale not in {2, 3, 4}:
            raise ModelError("not a network that enlarges by 2, 3 or 4", str(model.path), "use an enlarging network")
        net, channels = self._ready(found.model), found.input_channels
        return found.scale, lambda luma: net(luma.expand(-1, channels, -1, -1)).mean(dim=1, keepdim=True)


def resolve_precision(precision: Precision) -> str:
    """The precision that will be used; auto is bf16 on a GPU and fp32, the reference, on a CPU."""
    if precision == "auto":
        return "bf16" if torch.cuda.is_available() else "fp32"
    return precision
