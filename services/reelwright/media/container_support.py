"""Finds out whether a container can hold a stream: writes a header with the stream into memory."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress

import av
from av.container import OutputContainer

from reelwright.media.profiles import ProfileSpec


def container_holds(spec: ProfileSpec, add: Callable[[OutputContainer], object]) -> bool:
    """Whether libavformat writes a header of the profile's container with the stream that `add` adds."""
    container = av.open(io.BytesIO(), "w", format=spec.container)
    try:
        add(container)
        container.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    finally:
        with suppress(av.FFmpegError, ValueError):
            container.close()
    return True
