"""A film whose index leads into a large gap is probed without reading the gap again and again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from reelwright.media import ebml
from reelwright.media.probe import probe
from tests.support.clipmaker import frame_of
from tests.support.scenes import scene

# More than the demuxer may read without finding a picture.
GAP = 80 << 20
# So many that probe seeks from place to place.
FRAMES = 300


def with_gap(source: Path, path: Path) -> Path:
    """The Matroska film with an empty element in front of its first picture; its index does not know of it."""
    data = source.read_bytes()
    with source.open("rb") as file:
        head = ebml.read_element(file, 0)
        assert head is not None
        assert head.size is not None
        segment = head.header + head.size
        opened = ebml.read_element(file, segment)
        assert opened is not None
        assert opened.size is not None
        at = segment + opened.header
        while (element := ebml.read_element(file, at)) is not None and element.identifier != ebml.CLUSTER:
            at += element.header + (element.size or 0)
    void = bytes([ebml.VOID]) + (1 << 56 | GAP).to_bytes(8, "big")
    length = (1 << 56 | opened.size + len(void) + GAP).to_bytes(8, "big")
    with path.open("wb") as file:
        start = data[:segment] + ebml.SEGMENT.to_bytes(4, "big") + length
        file.write(start + data[segment + opened.header : at] + void)
        # The gap takes no space on the disk.
        file.seek(GAP, 1)
        file.write(data[at:])
    return path


def test_an_index_that_leads_into_a_gap(tmp_path: Path) -> None:
    """Probe gives up measuring after a bounded number of bytes without a picture, and says so."""
    source = tmp_path / "source.mkv"
    # With room in front the index comes before the pictures, so that the demuxer follows it.
    with av.open(
        str(source), "w", container_options={"cluster_time_limit": "400", "reserve_index_space": "4096"}
    ) as out:
        video: Any = out.add_stream("mpeg4", rate=25, options={"g": "12"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(FRAMES):
            frame = frame_of(scene(number % 8, "yuv420p", 64, 48))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    note = "its index leads to places without a picture"
    assert not any(note in one for one in probe(str(source)).notes)
    info = probe(str(with_gap(source, tmp_path / "gap.mkv")))
    assert any(note in one for one in info.notes)
    assert info.video.frames_estimate == FRAMES
