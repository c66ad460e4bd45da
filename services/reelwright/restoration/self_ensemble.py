"""The mean of a network's results for mirrored copies of its input.

Geometric self-ensemble (Timofte et al., arXiv:1511.02228; Lim et al., arXiv:1707.02921): a network errs differently on
a mirrored picture, and the mean errs less. Each copy costs as much as the picture itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from reelwright.restoration.window_network import MIRRORINGS

Array = TypeVar("Array")


def ensembled(
    run: Callable[[list[Array]], Array], copies: int, flip: Callable[[Array, tuple[int, ...]], Array]
) -> Callable[[list[Array]], Array]:
    """The network whose result is the mean over mirrored copies of its input.

    Args:
        run: a network, from planes (..., h, w) and maps of a part of these sides to (..., scale * h, scale * w)
            float32; it must not keep its result.
        copies: how many, a key of `MIRRORINGS`; 1 is the network itself.
        flip: mirrors an array along axes: that of numpy or torch.
    """
    if copies == 1:
        return run

    def mean(inputs: list[Array]) -> Array:
        total: Any = None
        for axes in MIRRORINGS[copies]:
            found: Any = flip(run([flip(planes, axes) for planes in inputs]), axes)
            total = found if total is None else total + found
        return total * (1 / copies)  # type: ignore[no-any-return]

    return mean
