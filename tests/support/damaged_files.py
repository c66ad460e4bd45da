"""Files that must be refused, and damaged clips whose damage must be reported."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from tests.support import clipmaker
from tests.support.clipmaker import Film, frame_of
from tests.support.clips import clip, clip_folder
from tests.support.scenes import scene


@cache
def bad_file(name: str) -> Path:
    """Path of the file called `name` (a key of `REFUSED`, or `doubled`, `growing`, `restarting`)."""
    suffix, build = _BUILDERS[name]
    path = clip_folder() / f"{name}.{suffix}"
    build(path)
    return path


def cut(source: str, share: Fraction) -> Path:
    """A copy of a clip with only the first `share` of its bytes."""
    whole = clip(source)
    path = clip_folder() / f"{source}-cut-{share.numerator}-{share.denominator}{whole.suffix}"
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) * share.numerator // share.denominator])
    return path


def broken(source: str, *packets: int, kind: str = "noise") -> Path:
    """A copy of a clip in which some video packets are damaged.

    Args:
        source: name of the clip.
        *packets: their numbers in decoding order.
        kind: noise or zeros replace the payload; anything else flips four bits of it.
    """
    whole = clip(source)
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        payloads = [(packet.pos or 0, bytes(packet)) for packet in container.demux(video=0) if packet.size]
    for number in packets:
        block, payload = payloads[number]
        start = data.index(payload, block)
        data[start : start + len(payload)] = _damaged(payload, kind)
    path = clip_folder() / f"{source}-{kind}-{'-'.join(map(str, packets))}{whole.suffix}"
    path.write_bytes(data)
    return path


def without_first(source: str, packets: int) -> Path:
    """A clip remuxed without its first packets, as a recording is that begins between two key frames."""
    path = clip_folder() / f"{source}-from-{packets}{clip(source).suffix}"
    with av.open(str(clip(source))) as container, av.open(str(path), "w") as out:
        stream = container.streams.video[0]
        target = out.add_stream_from_template(stream, opaque=True)
        for number, packet in enumerate(container.demux(stream)):
            if packet.size and number >= packets:
                packet.stream = target
                out.mux(packet)
    return path


def joined(*sources: Path) -> Path:
    """Transport streams one after the other in one file, as cutting programs for recordings leave them."""
    path = clip_folder() / f"joined-{'-'.join(source.stem for source in sources)}.ts"
    path.write_bytes(b"".join(source.read_bytes() for source in sources))
    return path


def _damaged(payload: bytes, kind: str) -> bytes:
    if kind == "zeros":
        return bytes(len(payload))
    rng = random.Random(len(payload))
    if kind == "noise":
        return rng.randbytes(len(payload))
    damaged = bytearray(payload)
    for _ in range(4):
        damaged[rng.randrange(len(damaged) // 3, len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def _image(path: Path) -> None:
    cv2.imwrite(str(path), scene(0).planes[0])


def _animation(path: Path) -> None:
    """Three pictures as a GIF or an animated PNG."""
    with av.open(str(path), "w", format="apng" if path.suffix == ".png" else "gif") as out:
        video: Any = out.add_stream("apng" if path.suffix == ".png" else "gif", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "rgb24" if path.suffix == ".png" else "rgb8"
        for number in range(3):
            out.mux(video.encode(frame_of(scene(number, "yuv420p", 64, 48), video.pix_fmt)))
        out.mux(video.encode(None))


def _sized(width: int, height: int) -> Callable[[Path], object]:
    def build(path: Path) -> None:
        picture = scene(0, "yuv420p", 64, 64)
        planes = tuple(
            np.resize(plane, (height >> bool(index), width >> bool(index)))
            for index, plane in enumerate(picture.planes)
        )
        large = type(picture)("yuv420p", width, height, planes)  # type: ignore[arg-type]
        clipmaker.write_film(path, Film([(Fraction(0), large)], codec="mjpeg", pix_fmt="yuvj420p"))

    return build


def _sound(path: Path) -> None:
    clipmaker.write_sound(path, Fraction(1))


def _no_frames(path: Path) -> None:
    clipmaker.write_sound(path, Fraction(1), empty_video=True)


def _covered_sound(path: Path) -> None:
    clipmaker.write_sound(path, Fraction(1), cover=scene(0))


def _growing(path: Path) -> None:
    """A film whose picture size changes after a second, as in recordings of broadcasts."""
    pictures = [scene(i, "yuv420p", *((160, 120) if i < 25 else (176, 144))) for i in range(50)]
    clipmaker.write_film_with_changes(path, pictures, Fraction(25))


def _reshaped(path: Path) -> None:
    """A broadcast that changes from 4:3 to 16:9 after a second, in one raster."""
    shapes = [Fraction(12, 11) if i < 25 else Fraction(16, 11) for i in range(50)]
    pictures = [scene(i, "yuv420p", 176, 144) for i in range(50)]
    clipmaker.write_film_with_changes(path, pictures, Fraction(25), shapes)


def _doubled(path: Path) -> None:
    """A film in which frames 4 and 5 of 24 have the same time."""
    times = [Fraction(i - (i == 5), 25) for i in range(24)]
    clipmaker.write_film(path, Film([(time, scene(i)) for i, time in enumerate(times)], codec="ffv1"))


def _restarting(path: Path) -> None:
    """Two live recordings in Matroska one behind the other, whose times both begin at zero. They state no length."""
    data = bytearray(clip("bframes_mkv").read_bytes())
    at = data.index(b"\x18\x53\x80\x67") + 4
    data[at : at + 8] = b"\x01" + b"\xff" * 7
    path.write_bytes(data * 2)


def _second_matroska(path: Path) -> None:
    path.write_bytes(clip("bframes_mkv").read_bytes() * 2)


_M3U8 = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n"
_MPD = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>'
)
_SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)


def _referring_to_a_film(text: str) -> Callable[[Path], object]:
    """A builder of a file that refers to another file, which exists and is a film."""
    return lambda path: path.write_text(text.format(target=clip("bframes_ts")))


_BUILDERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "empty": ("mp4", lambda path: path.write_bytes(b"")),
    "folder": ("mp4", lambda path: path.mkdir(exist_ok=True)),
    "text": ("mp4", _text("Dear reader,\nthis is not a film.\n" * 40)),
    "noise": ("mp4", lambda path: path.write_bytes(random.Random(1).randbytes(40_000))),
    "png": ("png", _image),
    "jpeg": ("jpg", _image),
    "tiff": ("tif", _image),
    "bmp": ("bmp", _image),
    "gif": ("gif", _animation),
    "apng": ("png", _animation),
    "png_named_mp4": ("mp4", lambda path: path.write_bytes(bad_file("png").read_bytes())),
    "sound": ("m4a", _sound),
    "sound_wav": ("wav", _sound),
    "sound_with_cover": ("mp3", _covered_sound),
    "no_frames": ("mkv", _no_frames),
    "no_moov": ("mp4", lambda path: path.write_bytes(cut("rate_25", Fraction(1, 2)).read_bytes())),
    "tiny": ("avi", _sized(16, 16)),
    "huge": ("avi", _sized(8000, 6000)),
    "hls": ("m3u8", _referring_to_a_film(_M3U8)),
    "hls_named_mp4": ("mp4", _referring_to_a_film(_M3U8)),
    "ffconcat": ("ffconcat", _referring_to_a_film("ffconcat version 1.0\nfile '{target}'\n")),
    "concat_named_mkv": ("mkv", _referring_to_a_film("ffconcat version 1.0\nfile '{target}'\n")),
    "dash": ("mpd", _referring_to_a_film(_MPD)),
    "sdp": ("sdp", _text(_SDP)),
    "doubled": ("mkv", _doubled),
    "growing": ("mkv", _growing),
    "reshaped": ("ts", _reshaped),
    "reshaped_mkv": ("mkv", _reshaped),
    "restarting": ("mkv", _restarting),
    "second_matroska": ("mkv", _second_matroska),
}

# Files that `probe` refuses, with words that each error must contain.
REFUSED: dict[str, str] = {
    "empty": "empty",
    "folder": "folder",
    "text": "text file",
    "noise": "not a film container",
    "png": "still image",
    "jpeg": "still image",
    "tiff": "still image",
    "bmp": "still image",
    "gif": "GIF and animated PNG files are not read",
    "apng": "GIF and animated PNG files are not read",
    "png_named_mp4": "still image",
    "sound": "no picture",
    "sound_wav": "no picture",
    "sound_with_cover": "no picture",
    "no_frames": "not one frame",
    "second_matroska": "another Matroska file begins at byte",
    "no_moov": "moov",
    "tiny": "16x16",
    "huge": "8000x6000",
    "hls": "playlist",
    "hls_named_mp4": "playlist",
    "ffconcat": "playlist",
    "concat_named_mkv": "playlist",
    "dash": "playlist",
    "sdp": "SDP",
}
