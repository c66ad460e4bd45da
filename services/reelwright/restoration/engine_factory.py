"""Chooses and loads an engine. Importing this imports no network runtime."""

from __future__ import annotations

from importlib import util
from pathlib import Path

from reelwright.restoration.engine import Engine, Precision, format_identity
from reelwright.restoration.models import ModelFile
from reelwright.titles.errors import ModelError

# Device files of NVIDIA, AMD and WSL. Without one there is no GPU, and importing torch only to ask costs 0.5 GB.
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def create_engine(
    name: str, model: ModelFile, *, threads: int = 1, streams: int = 1, precision: Precision = "auto"
) -> Engine:
    """Loads `model` into the engine called `name`.

    Args:
        name: openvino, torch, or auto: torch on a GPU or for a network of another family, openvino otherwise.
        model: the network.
        threads: CPU threads in all.
        streams: frames computed at the same time.
        precision: of the network's arithmetic; auto uses bf16 where the processor computes in it.

    Raises:
        ModelError: the engine is not installed, or cannot run this model.
    """
    if _choose(name, model) == "torch":
        from reelwright.restoration.torch_engine import TorchEngine  # noqa: PLC0415 - optional runtime

        return TorchEngine(model, threads, precision)
    from reelwright.restoration.openvino_engine import OpenVinoEngine  # noqa: PLC0415 - optional runtime

    return OpenVinoEngine(model, threads=threads, streams=streams, precision=precision)


def engine_identity(name: str, model: ModelFile, precision: Precision = "auto") -> str:
    """The identity of the engine that `create_engine` would return, without loading the network.

    Raises:
        ModelError: as `create_engine`.
    """
    if _choose(name, model) == "torch":
        from reelwright.restoration import torch_engine  # noqa: PLC0415 - optional runtime

        return format_identity("torch", torch_engine.resolve_precision(precision), model, torch_engine.device_name())
    from reelwright.restoration.openvino_engine import resolve_precision  # noqa: PLC0415 - optional

    return format_identity("openvino", resolve_precision(precision), model)


def _choose(name: str, model: ModelFile) -> str:
    if name not in {"auto", "openvino", "torch"}:
        raise ModelError(f"no engine named {name!r}", "--engine", "known: auto, openvino, torch")
    chosen = name if name != "auto" else _best(model)
    if chosen == "openvino" and not model.networks:
        raise ModelError("not a reel network", str(model.path), "use --engine torch, which loads it through spandrel")
    if name == "auto" and not _is_installed(chosen) and _is_installed("torch"):
        remedy = "give the process a GPU, choose the engine torch, or pip install 'reelwright[openvino]'"
        raise ModelError("no usable GPU, and openvino, the engine for processors, is not installed", model.name, remedy)
    needed = [chosen] if model.networks else [chosen, "spandrel"]
    if not all(map(_is_installed, needed)):
        raise ModelError(f"the {chosen} engine is not installed", model.name, f"pip install 'reelwright[{chosen}]'")
    return chosen


def _best(model: ModelFile) -> str:
    if not model.networks:
        return "torch"
    if any(Path(device).exists() for device in _GPU_DEVICES) and _is_installed("torch"):
        import torch  # noqa: PLC0415 - optional runtime

        if torch.cuda.is_available():
            return "torch"
    return "openvino"


def _is_installed(module: str) -> bool:
    return util.find_spec(module) is not None
