"""Real films, cut short so that tests stay fast: shared ones where the machine has them, a packaged one elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import av
import numpy as np

from reelwright.media.picture import Picture
from scripts.demo import fetch_clip
from tests.support import clips
from tests.support.clipmaker import Film, write
from tests.support.scenes import scene

_SHARED = Path(__file__).resolve().parents[3] / "shared" / "clips"
_SECONDS = 2.5
REAL = ("chaplin", "sintel_with_14_chapters", "bikes")


@cache
def whole_film(name: str) -> Path:
    """A real film in full: the shared one of that name, or the packaged clip where nothing is shared."""
    shared = _SHARED / f"{name}.mp4"
    return shared if shared.exists() else fetch_clip()


@cache
def real_film(name: str) -> Path:
    """The first seconds of a real film, packets copied as they are."""
    path = clips.folder() / f"real-{name}.mp4"
    with av.open(str(whole_film(name))) as source, av.open(str(path), "w") as target:
        kept = [s for s in source.streams if s.type in {"video", "audio"}]
        streams = {s.index: target.add_stream_from_template(s) for s in kept}
        for packet in source.demux(kept):
            if packet.dts is not None and packet.dts * packet.time_base < _SECONDS:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return path


@cache
def gray_in_colour() -> Path:
    """A black-and-white film stored as 4:2:0, as most of them are."""
    path = clips.folder() / "gray-in-colour.mp4"
    pictures = [scene(i) for i in range(48)]
    plain = [
        Picture(p.pix_fmt, p.width, p.height, (p.planes[0], *(np.full_like(c, 128) for c in p.planes[1:])))
        for p in pictures
    ]
    write(path, Film([(clips.F(i, 25), picture) for i, picture in enumerate(plain)]))
    return path


@cache
def small_film(frames: int) -> Path:
    """A film of 64x48 with sound and a shot a second: many segments for little work."""
    path = clips.folder() / f"small-{frames}.mp4"
    write(path, Film([(clips.F(i, 25), scene(i, "yuv420p", 64, 48)) for i in range(frames)], audio="aac"))
    return path
