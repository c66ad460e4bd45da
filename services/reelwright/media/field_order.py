"""Which of a film's fields comes first, or whether it has any: FFmpeg's `idet` over runs of frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import av
from av.filter import Graph

# Fewer judged frames than this are no evidence (a still scene looks progressive and interlaced alike).
_MIN_JUDGED = 8
# Interlaced video shows combs in nearly all frames that move.
_INTERLACED = 0.65
# Of five frames of a 2:3 pull-down two repeat a field of their neighbour and two are combed. Interlaced video repeats
# no field; a film shown with doubled frames repeats fields but has no combs.
_TELECINE_REPEATED = (0.2, 0.6)
_TELECINE_COMBED = 0.2


def detect_field_order(runs: Iterable[Sequence[av.VideoFrame]]) -> str:
    """`progressive`, `tff`, `bff` or `telecine`, from runs of consecutive whole frames.

    Where the pictures do not move enough to tell, the stream's own flag counts: flagged frames are `tff`, the order of
    all broadcast systems but DV.
    """
    counts = dict.fromkeys(("tff", "bff", "progressive", "combed", "whole", "repeated", "frames"), 0.0)
    flagged = 0
    for run in runs:
        flagged += sum(frame.interlaced_frame for frame in run)
        for name, value in _judge(run).items():
            counts[name] += value
    combed = counts["tff"] + counts["bff"]
    judged = combed + counts["progressive"]
    if judged < _MIN_JUDGED:
        return "tff" if counts["frames"] and flagged > counts["frames"] / 2 else "progressive"
    alone = counts["combed"] / max(counts["combed"] + counts["whole"], 1)
    repeated = counts["repeated"] / counts["frames"]
    if _TELECINE_REPEATED[0] <= repeated <= _TELECINE_REPEATED[1] and alone >= _TELECINE_COMBED:
        return "telecine"
    if combed / judged < _INTERLACED:
        return "progressive"
    return "tff" if counts["tff"] >= counts["bff"] else "bff"


def _judge(run: Sequence[av.VideoFrame]) -> dict[str, float]:
    """The filter's counts after a run, and how many frames it has seen."""
    if len(run) < 3:
        return {}
    graph = Graph()
    first = run[0]
    source = graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=first.time_base)
    graph.link_nodes(source, graph.add("idet"), graph.add("buffersink")).configure()
    metadata: dict[str, str] = {}
    for frame in [*run, None]:
        graph.push(frame)
        metadata = _latest(graph) or metadata
    counted = {name.removeprefix("lavfi.idet."): value for name, value in metadata.items()}

    def total(*names: str) -> float:
        return sum(float(counted.get(name, 0)) for name in names)

    # `multiple` is sure of interlaced video because it looks at the neighbours; `single` takes each frame by itself,
    # which tells the combed frames of a pull-down from the whole ones.
    return {
        "tff": total("multiple.tff"),
        "bff": total("multiple.bff"),
        "progressive": total("multiple.progressive"),
        "combed": total("single.tff", "single.bff"),
        "whole": total("single.progressive"),
        "repeated": total("repeated.top", "repeated.bottom"),
        "frames": float(len(run)),
    }


def _latest(graph: Graph) -> dict[str, str]:
    """Metadata of the last frame that is ready; empty when none is."""
    metadata: dict[str, str] = {}
    while True:
        try:
            metadata = graph.vpull().metadata
        except (av.BlockingIOError, av.EOFError):
            return metadata
