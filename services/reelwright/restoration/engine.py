"""What every engine does and how its identity is written. Importing this imports no network runtime."""

from __future__ import annotations

from importlib import metadata
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.models import ModelFile
from reelwright.restoration.processor import instruction_set
from reelwright.restoration.window_network import NetworkInput

Precision = Literal["auto", "fp32", "bf16"]

CHAIN_RULES = 15
"""Version of the steps around the network (align, measure, repair, highlights, tone, grain, quantise) and of the
certificate. Incremented when a change of the code gives any frame other samples or figures of fidelity, so that workers
of two versions never make parts of one film."""


class Engine(Protocol):
    """Runs the networks of one model. Thread-safe: several frames may be computed at the same time.

    Attributes:
        identity: runtime, version, chain rules, precision, device, processor and model: everything that may change a
            pixel.
        scales: enlargements of its networks, ascending.
        halo_frames: frames before and after each frame that they read; 0 for a network on single frames.
    """

    identity: str
    scales: tuple[int, ...]
    halo_frames: int

    def upscale(self, luma: NDArray[np.float32], window: NetworkInput | None, scale: int) -> NDArray[np.float32]:
        """Enlarges luma.

        Args:
            luma: (H, W), values in [0, 1], repaired.
            window: what the frame's window shows beside it, at the sides of `luma` or larger (see
                `frame_windows.luma_codes`); needed by networks with `halo_frames`, ignored by others.
            scale: one of `scales`.

        Returns:
            A new array (scale * H, scale * W); values may be slightly below 0 or above 1.
        """


def format_identity(runtime: str, precision: str, model: ModelFile, device: str = "cpu") -> str:
    """Writes an engine's identity, e.g. `openvino-2026.4.1+chain.15 fp32 cpu avx2 reel-s@0123456789ab`.

    Args:
        runtime: the library.
        precision: of the network's arithmetic.
        model: the network.
        device: `cpu`, or the name of the GPU. The processor is named in any case: it computes the enlargement that the
            network's result is added to.
    """
    # One word, because N-1 matches identities word by word: with one more it would take this one for its own.
    version = f"{metadata.version(runtime)}+chain.{CHAIN_RULES}"
    device = "-".join(device.lower().split())
    return f"{runtime}-{version} {precision} {device} {instruction_set()} {model.name}@{model.sha256[:12]}"
