"""Interlaced frames made whole, one for one, by FFmpeg's filters."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import av
from av.filter import Graph

from reelwright.media.decode import RawFrame
from reelwright.titles.errors import InternalError


def deinterlaced(frames: Iterable[RawFrame], field_order: str) -> Iterator[RawFrame]:
    """The same frames at the same times, without combs.

    Interlaced video goes through `bwdif`, a frame for a frame. A pull-down (`telecine`) goes through `fieldmatch`,
    which puts the film's own frames together again from their fields, and `bwdif` mends what stays combed; frames
    that the pull-down repeated stay, so sound and counts are untouched.

    Args:
        frames: decoded frames of one size and format.
        field_order: `tff`, `bff` or `telecine`; anything else leaves the order to the frames' own flags.
    """
    waiting: deque[RawFrame] = deque()
    graph: Graph | None = None
    for raw in frames:
        graph = graph or _graph(raw.frame, field_order)
        waiting.append(raw)
        graph.vpush(raw.frame)
        yield from _ready(graph, waiting)
    if graph is not None:
        graph.vpush(None)
        yield from _ready(graph, waiting)
    if waiting:
        raise InternalError(f"the deinterlacer kept {len(waiting)} frames")


def _graph(frame: av.VideoFrame, field_order: str) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    if field_order == "telecine":
        steps = [graph.add("fieldmatch", "combmatch=full"), graph.add("bwdif", "mode=send_frame:deint=interlaced")]
    else:
        parity = field_order if field_order in {"tff", "bff"} else "auto"
        steps = [graph.add("bwdif", f"mode=send_frame:parity={parity}:deint=all")]
    # The filters must hand back the format they were given, whatever they would rather work in.
    graph.link_nodes(source, *steps, graph.add("format", frame.format.name), graph.add("buffersink")).configure()
    return graph


def _ready(graph: Graph, waiting: deque[RawFrame]) -> Iterator[RawFrame]:
    """Filtered frames with the times of those that went in: the filters keep order and count."""
    while True:
        try:
            frame = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield replace(waiting.popleft(), frame=frame)
