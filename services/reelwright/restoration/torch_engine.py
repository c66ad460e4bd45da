"""The reference engine, on CUDA or the CPU. It also runs networks of other families through spandrel."""

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

# Other families do not state their receptive field. For most convolutional networks, pixels further away than this
# have next to no influence.
_OTHER_HALO = 32
# A multiple of the window sizes of the window-based architectures that spandrel supports.
_OTHER_MULTIPLE = 16


class ReelNet(nn.Module):
    """A `reel` network as a torch module.

    Args:
        network: its layers.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        shapes = network.shapes()
        for layer, (weight, _) in enumerate(network.names()):
            after, before, *_ = shapes[weight]
            self.add_module(f"conv{layer}", nn.Conv2d(before, after, 3, padding=1))

    def forward(self, luma: Tensor) -> Tensor:
        """Luma (N, 1, H, W) in [0, 1] to the detail (N, 1, scale * H, scale * W) to add to a bicubic enlargement."""
        *hidden, last = self.children()
        features = functional.pixel_unshuffle(luma, self.network.unshuffle)
        for layer in hidden:
            features = functional.relu(layer(features))
        return functional.pixel_shuffle(last(features), self.network.unshuffle * self.network.scale)


class TorchEngine:
    """Runs a network with torch.

    Args:
        model: a `reel` network, or any that spandrel can load.
        threads: CPU threads in total.
        precision: of the network; the bicubic enlargement is always float32.
        largest: maximum rows and columns of a window.

    Raises:
        ModelError: spandrel cannot load the file, or the network does not enlarge images by 2, 3 or 4.
    """

    def __init__(
        self, model: ModelFile, threads: int, precision: Precision, largest: tuple[int, int] = (MAX_ROWS, MAX_COLUMNS)
    ) -> None:
        torch.set_num_threads(threads)
        self._largest = largest
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype = torch.bfloat16 if resolve_precision(precision) == "bf16" else torch.float32
        # One frame at a time, because torch uses the whole device for a frame.
        self._lock = threading.Lock()
        self.identity = format_identity("torch", resolve_precision(precision), model, device_name())
        if model.network is not None:
            net = ReelNet(model.network)
            net.load_state_dict(load_file(str(model.path)))
            self.scale, self._halo, self._multiple = model.network.scale, model.network.halo, model.network.unshuffle
            self._call: Callable[[Tensor], Tensor] = self._prepare(net)
        else:
            self.scale, self._call = self._load_with_spandrel(model)
            self._halo, self._multiple = _OTHER_HALO, _OTHER_MULTIPLE
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

    def _prepare(self, net: nn.Module) -> nn.Module:
        return net.eval().to(self._device, self._dtype).to(memory_format=torch.channels_last)

    def _load_with_spandrel(self, model: ModelFile) -> tuple[int, Callable[[Tensor], Tensor]]:
        import spandrel  # noqa: PLC0415 - only networks of other families need it

        try:
            loaded: Any = spandrel.ModelLoader().load_from_file(model.path)
        except Exception as error:  # noqa: BLE001 - spandrel passes on any exception of an architecture's constructor
            what = " ".join(str(error).split())[:120]
            raise ModelError(f"spandrel cannot load it: {what}", str(model.path), "use an enlarging network") from None
        if not isinstance(loaded, spandrel.ImageModelDescriptor) or loaded.scale not in {2, 3, 4}:
            raise ModelError("the network does not enlarge by 2, 3 or 4", str(model.path), "use an enlarging network")
        net, channels = self._prepare(loaded.model), loaded.input_channels
        return loaded.scale, lambda luma: net(luma.expand(-1, channels, -1, -1)).mean(dim=1, keepdim=True)


def resolve_precision(precision: Precision) -> str:
    """The precision that is used; auto is bf16 on a GPU and fp32 on a CPU."""
    if precision == "auto":
        return "bf16" if torch.cuda.is_available() else "fp32"
    return precision


def device_name() -> str:
    """Name of the GPU that networks run on; `cpu` without one."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
