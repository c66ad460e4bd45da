"""The reference engine, on CUDA or the CPU. It also runs networks of other families through spandrel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from reelwright.restoration.engine import Precision, format_identity
from reelwright.restoration.enlarge import add_residual, mixed_residual
from reelwright.restoration.models import ModelFile
from reelwright.restoration.self_ensemble import ensembled
from reelwright.restoration.tiling import MAX_COLUMNS, MAX_ROWS, Columns, Luma, Planes, run_tiled
from reelwright.restoration.weight_sets import blend, detail_share, split_scales
from reelwright.restoration.window_network import MIDDLE, NetworkInput, input_planes
from reelwright.restoration.window_torch import WindowNet
from reelwright.titles.errors import ModelError, one_line

# A network: the planes of a tile, and the figures where it reads a window, to (1, 1, scale * rows, scale * columns).
_Call = Callable[[list[Tensor], Tensor | None], Tensor]

# Other families do not state their receptive field. For most convolutional networks, pixels further away than this
# have next to no influence.
_OTHER_HALO = 32
# A multiple of the window sizes of the window-based architectures that spandrel supports.
_OTHER_MULTIPLE = 16
# Networks that are kept, one for each scale, weight set and share of detail.
_MAX_LOADED = 6


class TorchEngine:
    """Runs networks with torch.

    Args:
        model: a file of `reel` networks, or any network that spandrel can load.
        threads: CPU threads in total.
        precision: of the network; the bicubic enlargement is always float32.
        largest: maximum rows and columns of a tile.

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
        if model.networks:
            stored = {name: tensor.float() for name, tensor in load_file(str(model.path)).items()}
            self._networks = split_scales(model.networks, stored)
            self._call = lru_cache(_MAX_LOADED)(self._load_reel)
            self.scales, self.halo_frames = tuple(self._networks), MIDDLE
        else:
            scale, self._other = self._load_with_spandrel(model)
            self.scales, self.halo_frames = (scale,), 0

    def upscale(self, luma: Luma, window: NetworkInput | None, scale: int) -> Luma:
        """Enlarges luma (H, W) in [0, 1]; see `Engine.upscale`."""
        if not self.halo_frames:
            run = partial(self._run, self._other, figures=None)
            whole = run_tiled(
                [luma[None]], run, scale=scale, halo=_OTHER_HALO, multiple=_OTHER_MULTIPLE, largest=self._largest
            )
            return np.ascontiguousarray(whole, np.float32)
        assert window is not None, "the network reads a window"
        planes = input_planes(luma, window)
        residual = partial(self._residual, planes=planes, window=window)
        mixed = mixed_residual(self._networks, scale, planes[0][0], window=window, residual=residual)
        return add_residual(luma, mixed, scale)

    def _residual(
        self, scale: int, number: int, wanted: Columns | None, *, planes: list[Planes], window: NetworkInput
    ) -> Luma:
        """The residual by one of the weight sets of a scale's network, in the columns that are wanted; None for all."""
        network = self._networks[scale].sets[number].network
        call = self._call(scale, number, detail_share(self._networks[scale], number, window.detail))
        run = partial(self._run, call, figures=torch.from_numpy(window.figures)[None])
        multiple, largest = network.unshuffle, self._largest
        return run_tiled(planes, run, scale=scale, halo=network.halo, multiple=multiple, largest=largest, wanted=wanted)

    def _run(self, call: _Call, tile: list[Planes], figures: Tensor | None) -> Luma:
        with self._lock, torch.inference_mode():
            tensors = [torch.from_numpy(planes[None]).to(self._device) for planes in tile]
            return np.asarray(call(tensors, figures).float().cpu().numpy()[0, 0], np.float32)

    def _load_reel(self, scale: int, number: int, detail: float) -> _Call:
        net = WindowNet(self._networks[scale].sets[number].network)
        net.load_state_dict(blend(self._networks[scale], number, detail))
        net.eval().to(self._device)
        # The small net stays in float32: it costs nothing.
        for layer in net.convolutions:
            layer.to(self._dtype).to(memory_format=torch.channels_last)

        def call(tile: list[Tensor], figures: Tensor | None) -> Tensor:
            assert figures is not None
            there = figures.to(self._device)

            def residual(planes: list[Tensor]) -> Tensor:
                luma, differences, maps, agreement = planes
                return net.residual(luma, differences, maps, agreement, there)

            mean = ensembled(residual, net.network.ensemble, torch.flip)
            return mean([tile[0], *(codes.float() * (1 / 255) for codes in tile[1:])])

        return call

    def _load_with_spandrel(self, model: ModelFile) -> tuple[int, _Call]:
        import spandrel  # noqa: PLC0415 - only networks of other families need it

        try:
            loaded: Any = spandrel.ModelLoader().load_from_file(model.path)
        except Exception as error:  # noqa: BLE001 - spandrel passes on any exception of an architecture's constructor
            what = one_line(str(error))[:120]
            raise ModelError(f"spandrel cannot load it: {what}", str(model.path), "use an enlarging network") from None
        if not isinstance(loaded, spandrel.ImageModelDescriptor) or loaded.scale not in {2, 3, 4}:
            raise ModelError("the network does not enlarge by 2, 3 or 4", str(model.path), "use an enlarging network")
        net = loaded.model.eval().to(self._device, self._dtype).to(memory_format=torch.channels_last)
        channels = loaded.input_channels

        def call(tile: list[Tensor], _: Tensor | None) -> Tensor:
            result: Tensor = net(tile[0].to(self._dtype).expand(-1, channels, -1, -1))
            return result.mean(dim=1, keepdim=True)

        return loaded.scale, call


def resolve_precision(precision: Precision) -> str:
    """The precision that is used; auto is bf16 on a GPU and fp32 on a CPU."""
    if precision == "auto":
        return "bf16" if torch.cuda.is_available() else "fp32"
    return precision


def device_name() -> str:
    """Name of the GPU that networks run on; `cpu` without one."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
