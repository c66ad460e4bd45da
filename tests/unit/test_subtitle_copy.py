"""Subtitles that no film can show are counted and named."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet

from reelwright.media.profiles import profile_spec
from reelwright.media.stream_copy import StreamClock, StreamWriter
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.subtitle_copy import SubtitleCopy
from reelwright.media.text_conversion import convert_text
from tests.support.stream_clips import subtitles, write_film


@pytest.mark.parametrize("profile", ["web", "master"])
def test_a_subtitle_without_a_time_is_named(profile: str, tmp_path: Path) -> None:
    """It has no place in the film, and the outcome counts it, whether the track is copied or converted."""
    outcome = StreamOutcome(index=0, kind="subtitle", codec="subrip", outcome="left out")
    spec = profile_spec(profile)
    clip = write_film(tmp_path / "clip.mkv", extra=lambda out: subtitles(out, "subrip", [(0, 500, "text")]))
    with av.open(str(clip)) as source, av.open(BytesIO(), "w", format=spec.container) as film:
        stream = source.streams.subtitles[0]
        writer: StreamWriter
        if profile == "web":
            writer = convert_text(stream, film, spec=spec, outcome=outcome, shift=Fraction(0), longest=Fraction(60))
        else:
            target: Any = film.add_stream_from_template(stream, opaque=True)
            writer = SubtitleCopy(outcome, StreamClock(Fraction(0), target, strict=False), Fraction(0), Fraction(60))
        written: list[Packet[Any]] = []
        for time in (1000, None, None, 2000):
            packet: Packet[Any] = Packet(b"text")
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 1000), time, time
            packet.duration = 500
            written += writer.packets(packet)
        written += writer.flush(Fraction(3))
        found = writer.outcome()
    assert [packet.pts for packet in written if packet.size > 2] == [1000, 2000]
    assert found.packets >= 2
    assert found.reason.endswith("2 subtitles without a time left out")
