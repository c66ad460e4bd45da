"""What every engine promises, and how one is chosen. Importing this imports no network runtime."""

from __future__ import annotations

from importlib import metadata, util
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.models import ModelFile
from reelwright.titles.errors import ModelError

# Device files of NVIDIA, of AMD and of Windows' Linux: without one, loading torch to ask it costs 0.5 GB for a no.
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")

EngineName = Literal["auto", "openvino", "torch"]
Precision = Literal["auto", "fp32", "bf16"]


class Engine(Protocol):
    """Runs one network. Thread-safe: several frames may be under way at once.

    Attributes:
        identity: runtime, version, precision and model: what may change a pixel.
        scale: enlargement of its network.
    """

    identity: str
    scale: int

    def upscale(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Luma (H, W) in [0, 1] to a new array (scale * H, scale * W) that may leave [0, 1] a little."""


def create_engine(
    name: str, model: ModelFile, threads: int = 1, streams: int = 1, precision: Precision = "auto"
) -> Engine:
    """The engine called `name`, with `model` loaded.

    Args:
        name: openvino, torch, or auto: torch on a GPU or for a foreign network, openvino otherwise.
        model: the network.
        threads: CPU threads in all.
        streams: frames computed at the same time.
        precision: of the network's arithmetic; auto takes bf16 where the processor computes in it.

    Raises:
        ModelError: the engine is not installed, or cannot run this model.
    """
    if _choose(name, model) == "torch":
        from reelwright.restoration.torch_engine import TorchEngine  # noqa: PLC0415 - optional runtime

        return TorchEngine(model, threads, precision)
    from reelwright.restoration.openvino_engine import OpenVinoEngine  # noqa: PLC0415 - optional runtime

    return OpenVinoEngine(model, threads, streams, precision)


def engine_identity(name: str, model: ModelFile, precision: Precision = "auto") -> str:
    """The identity that `create_engine` would give, without loading the network.

    Raises:
        ModelError: as `create_engine`.
    """
    if _choose(name, model) == "torch":
        from reelwright.restoration.torch_engine import resolve_precision as torch_precision  # noqa: PLC0415 - optional

        return describe("torch", torch_precision(precision), model)
    from reelwright.restoration.openvino_engine import resolve_precision  # noqa: PLC0415 - optional

    return describe("openvino", resolve_precision(precision), model)


def describe(runtime: str, precision: str, model: ModelFile) -> str:
    """An engine's identity, e.g. `openvino-2026.4.1 bf16 reel-s@0123456789ab`."""
    return f"{runtime}-{metadata.version(runtime)} {precision} {model.name}@{model.sha256[:12]}"


def _choose(name: str, model: ModelFile) -> str:
    if name not in {"auto", "openvino", "torch"}:
        raise ModelError(f"no engine named {name!r}", "--engine", "known: auto, openvino, torch")
    chosen = name if name != "auto" else _best(model)
    if chosen == "openvino" and model.network is None:
        raise ModelError("not a reel network", str(model.path), "use --engine torch, which loads it through spandrel")
    needed = [chosen] if model.network is not None else [chosen, "spandrel"]
    if any(util.find_spec(runtime) is None for runtime in needed):
        raise ModelError(f"the {chosen} engine is not installed", model.name, f"pip install 'reelwright[{chosen}]'")
    return chosen


def _best(model: ModelFile) -> str:
    if model.network is None:
        return "torch"
    if any(Path(device).exists() for device in _GPU_DEVICES) and util.find_spec("torch") is not None:
        import torch  # noqa: PLC0415 - optional runtime

        if torch.cuda.is_available():
            return "torch"
    return "openvino"
