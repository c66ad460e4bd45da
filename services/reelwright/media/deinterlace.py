"""Deinterlaces frames with FFmpeg's filters: one progressive frame for each frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import av
from av.filter import Graph

from reelwright.media.decode import RawFrame
from reelwright.titles.errors import InternalError


def deinterlaced(frames: Iterable[RawFrame], field_order: str) -> Iterator[RawFrame]:
    """The same number of frames at the same times, without combing.

    Interlaced video is filtered by `bwdif`. A pull-down (`telecine`) is filtered by `fieldmatch`, which joins the
    fields of each film frame again, and then by `bwdif`, which deinterlaces the frames that are still combed. Frames
    that the pull-down repeated are kept, so that the number of frames and the sound stay the same.

    Args:
        frames: decoded frames of one size and format.
        field_order: `tff`, `bff` or `telecine`; with any other value the flags of each frame decide.

    Raises:
        InternalError: the filters returned fewer frames than they were given.
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
        raise InternalError(f"{len(waiting)} frames are missing after deinterlacing")


def _graph(frame: av.VideoFrame, field_order: str) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    if field_order == "telecine":
        steps = [graph.add("fieldmatch", "combmatch=full"), graph.add("bwdif", "mode=send_frame:deint=interlaced")]
    else:
        parity = field_order if field_order in {"tff", "bff"} else "auto"
        steps = [graph.add("bwdif", f"mode=send_frame:parity={parity}:deint=all")]
    # The frames must keep their pixel format; without this the filters may convert it.
    graph.link_nodes(source, *steps, graph.add("format", frame.format.name), graph.add("buffersink")).configure()
    return graph


def _ready(graph: Graph, waiting: deque[RawFrame]) -> Iterator[RawFrame]:
    """The filtered frames, with the times of the frames before filtering: the filters keep order and number."""
    while True:
        try:
            frame = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield replace(waiting.popleft(), frame=frame)
