"""Short films with what films carry beside picture and sound: timecode, captions, HDR metadata, tags, covers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.stream import Disposition

from reelwright.media.captions import with_captions
from tests.support.clipmaker import frame_of
from tests.support.scenes import scene
from tests.support.stream_clips import COUNT, write_film

# A decoder of captions shows HI at the fourth of these and clears it at the last.
CUES = {5: b"\xfc\x94\x20", 6: b"\xfc\x94\x70", 7: b"\xfc\xc8\x49", 8: b"\xfc\x94\x2f", 30: b"\xfc\x94\x2c"}


def write_timed(
    path: Path, timecode: str, rate: Fraction, start: int = 0, codec: str = "libx264", **options: str
) -> Path:
    """A film of a few frames that starts with a timecode, as FFmpeg's muxers hold it."""
    with av.open(str(path), "w", container_options=options) as out:
        video: Any = out.add_stream(codec, rate=rate)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        if timecode:
            video.metadata["timecode"] = timecode
        for number in range(12):
            frame = frame_of(scene(number, "yuv420p", 64, 48))
            frame.pts, frame.time_base = start + number, 1 / rate
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def caption_track(out: Any) -> list[Packet[Any]]:
    """A track of captions (c608 in MOV), a pair of characters for each picture; it says HI from frame 8 to frame 30."""
    track, packets = out.add_mux_stream("eia_608"), []
    for number in range(COUNT):
        packet: Packet[Any] = Packet(CUES.get(number, b"\xfc\x80\x80"))
        packet.stream, packet.time_base, packet.duration = track, Fraction(1, 25), 1
        packet.pts = packet.dts = number
        packets.append(packet)
    return packets


def captioned(path: Path, first: int = 0) -> Path:
    """Two seconds of H.264; the captions say HI from frame 8 to frame 30.

    Args:
        path: of the film.
        first: frames before this one have no captions, not even empty ones.
    """
    plain = write_film(path.with_stem("plain"))
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                number = round((packet.pts or 0) * packet.time_base * 25)
                captions = CUES.get(number, b"\xfc\x80\x80")
                payload = bytes(packet)
                changed: Packet[Any] = Packet(with_captions(payload, "h264", captions) if number >= first else payload)
                changed.stream, changed.time_base, changed.is_keyframe = video, packet.time_base, packet.is_keyframe
                changed.pts, changed.dts, changed.duration = packet.pts, packet.dts, packet.duration
                out.mux(changed)
    return path


def write_hdr(path: Path) -> Path:
    """A few frames with the metadata of an HDR10 master."""
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    with av.open(str(path), "w") as out:
        parameters = f"log-level=none:master-display={display}:max-cll=1000,400"
        video: Any = out.add_stream("libx265", rate=25, options={"x265-params": parameters})
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p10le"
        for number in range(4):
            frame = frame_of(scene(number, "yuv420p10le"))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def tagged(out: Any) -> list[Packet[Any]]:
    """An archive's tags on the film and on a sound track."""
    tags = {"title": "Der Gärtner", "SHELFMARK": "BSP 1234/7", "DATE_DIGITIZED": "2019", "description": "x" * 9000}
    out.metadata.update(tags)
    audio = out.add_stream("aac", rate=48000)
    audio.layout = "mono"
    audio.metadata.update(language="ger", title="Optical track", SOURCE="print 3")
    audio.disposition = Disposition.comment
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
    return [*audio.encode(frame), *audio.encode(None)]


def cover(out: Any) -> list[Packet[Any]]:
    """A cover picture."""
    picture = out.add_stream("mjpeg", rate=1)
    picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
    picture.disposition = Disposition.attached_pic
    frame = frame_of(scene(0, "yuv420p", 32, 32), "yuvj420p")
    frame.pts, frame.time_base = 0, Fraction(1)
    return [*picture.encode(frame), *picture.encode(None)]
