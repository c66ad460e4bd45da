"""Layers of an HEVC stream beside the picture are named."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet

from reelwright.media.probe import probe
from tests.support.carried_clips import write_hdr

# Rec. ITU-T H.265, F.14.3.8: an alpha channel of 8 bits, to be used as it is; and one that is cancelled.
ALPHA, CANCELLED = b"\x4e\x01\xa5\x04\x00\x00\x7f\x90\x80", b"\x4e\x01\xa5\x01\x80\x80"
# A trailing picture of layer 1.
SECOND_LAYER = b"\x02\x09\xd0\x00\x00"


@pytest.mark.parametrize(
    ("unit", "said"), [(ALPHA, "transparency"), (SECOND_LAYER, "second layer"), (CANCELLED, ""), (b"", "")]
)
@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_a_second_layer_is_named(unit: bytes, said: str, suffix: str, tmp_path: Path) -> None:
    """An alpha layer, or another one, is named; a plain stream has none."""
    source, layered = write_hdr(tmp_path / "source.mp4"), tmp_path / f"layered{suffix}"
    with av.open(str(source)) as container, av.open(str(layered), "w") as out:
        stream = container.streams.video[0]
        target = out.add_stream_from_template(stream)
        for packet in container.demux(stream):
            if packet.size:
                extra = len(unit).to_bytes(4, "big") + unit if unit else b""
                changed: Packet[Any] = Packet(extra + bytes(packet))
                changed.stream, changed.is_keyframe = target, packet.is_keyframe
                changed.time_base, changed.pts, changed.dts = Fraction(packet.time_base), packet.pts, packet.dts
                out.mux(changed)
    notes = [note for note in probe(str(layered)).notes if "layer" in note]
    assert len(notes) == bool(said)
    assert all(said in note for note in notes)
