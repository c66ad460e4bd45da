"""Networks of others on single frames, through spandrel: peers to compare with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import spandrel
import torch
from numpy.typing import NDArray

Luma = NDArray[np.float32]

# The picture is mirrored beyond its edges by so many pixels, as `reelwright` does.
_RIM = 8


class SingleFrame:
    """An enlarging network.

    Args:
        path: a file that spandrel reads; it unpickles nothing but tensors.
    """

    def __init__(self, path: Path) -> None:
        loaded = spandrel.ModelLoader().load_from_file(path)
        self._net, self._channels = loaded.model.float().eval(), loaded.input_channels

    def enlarge(self, luma: Luma) -> Luma:
        """All channels of the result of a grey frame.

        Args:
            luma: (H, W) float32 in [0, 1].

        Returns:
            (channels, scale * H, scale * W) float32; equal channels are grey.
        """
        with torch.inference_mode():
            tensor = torch.from_numpy(np.pad(luma, _RIM, mode="reflect"))[None, None]
            result = self._net(tensor.expand(-1, self._channels, -1, -1))[0].numpy()
        rim = _RIM * (result.shape[1] // (luma.shape[0] + 2 * _RIM))
        return np.ascontiguousarray(result[:, rim:-rim, rim:-rim], np.float32)
