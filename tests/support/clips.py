"""Small film files, one for each property that the media layer must keep, made on demand and once per process.

`clip(name)` is the file, and `truth(name)` is what was written into it. So a test compares the reader with the source
and not with another reader. Every clip in `FILMS` must be read completely; `damaged_files` has the others.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import floor
from pathlib import Path
from typing import Any

from reelwright.media.picture import Picture
from tests.support import clipmaker, mp4_edit
from tests.support.clipmaker import Film
from tests.support.scenes import interlaced, scene, telecined, with_bars

F = Fraction
PAL = F(25)
_ZERO = F(0)
COUNT = 48


@dataclass(frozen=True)
class Truth:
    """The known content of a clip.

    Attributes:
        times: presentation time of each frame that a player shows, in seconds.
        moments: index in the scene of each frame (`tests.support.scenes.scene`); empty if frames mix several moments.
    """

    times: tuple[Fraction, ...]
    moments: tuple[float, ...] = ()

    def ticks(self, unit: Fraction) -> list[int]:
        """The times in units of `unit` seconds, rounded as FFmpeg does: halves up."""
        return [floor(time / unit + Fraction(1, 2)) for time in self.times]


def clip(name: str) -> Path:
    """Path of the clip called `name`."""
    return _make(name)[0]


def truth(name: str) -> Truth:
    """The content of the clip called `name`."""
    return _make(name)[1]


@cache
def clip_folder() -> Path:
    """The folder of this process's clips; removed when the process ends."""
    path = Path(tempfile.mkdtemp(prefix="reelwright-clips-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@cache
def _make(name: str) -> tuple[Path, Truth]:
    suffix, build = _BUILDERS[name]
    path = clip_folder() / f"{name}.{suffix}"
    return path, build(path)


def _steady(rate: Fraction = PAL, count: int = COUNT, start: Fraction = _ZERO, **film: Any) -> Callable[[Path], Truth]:
    """A builder of a film with a constant rate.

    Args:
        rate: frames per second.
        count: number of frames.
        start: time of the first frame, in seconds.
        **film: attributes of `Film`; also `size` and `fmt` of the scene, `frame` to draw frame i, and `moments`.
    """
    width, height = film.pop("size", (160, 120))
    fmt = film.pop("fmt", "yuv420p")
    frame = film.pop("frame", lambda i: scene(i, fmt, width, height))
    moments = film.pop("moments", tuple(range(count)))

    def build(path: Path) -> Truth:
        shots = [(start + i / rate, frame(i)) for i in range(count)]
        return Truth(tuple(clipmaker.write_film(path, Film(shots, rate=rate, **film))), moments)

    return build


def _variable(path: Path) -> Truth:
    """A film with a variable frame rate, a time base of 1/600 s and B-frames."""
    times = [F(0)]
    for i in range(COUNT - 1):
        times.append(times[-1] + F((24, 48, 24, 120, 31)[i % 5], 600))
    shots = [(time, scene(i)) for i, time in enumerate(times)]
    clipmaker.write_film(path, Film(shots, time_base=F(1, 600), options={"bf": "2"}, audio="aac"))
    return Truth(tuple(times), tuple(range(COUNT)))


def _edited(path: Path) -> Truth:
    """A film whose edit list shows frames 10 to 39 of 48; both cuts are within a GOP."""
    _steady(options={"bf": "2", "g": "48"})(path)
    mp4_edit.trim(path, F(10, 25), F(30, 25))
    return Truth(tuple(i / PAL for i in range(30)), tuple(range(10, 40)))


def _interlaced(top_first: bool, **film: Any) -> Callable[[Path], Truth]:
    def field_pair(i: int) -> Picture:
        return interlaced(scene(i, **_LARGE), scene(i + 0.5, **_LARGE), top_first)

    order = "tff" if top_first else "bff"
    options = {"options": {"x264-params": f"{order}=1"}, **film}
    return _steady(frame=field_pair, moments=(), interlaced=True, **options)


def _telecine(path: Path) -> Truth:
    """A film of 24 frames per second as 30 interlaced frames per second (2:3 pull-down)."""
    rate = F(30000, 1001)
    pictures = telecined([scene(i, **_LARGE) for i in range(COUNT)])
    shots = [(i / rate, picture) for i, picture in enumerate(pictures)]
    options = {"x264-params": "tff=1"}
    return Truth(tuple(clipmaker.write_film(path, Film(shots, rate=rate, interlaced=True, options=options))))


_LARGE: dict[str, Any] = {"pix_fmt": "yuv420p", "width": 320, "height": 240}
_BF: dict[str, str] = {"bf": "3", "b-adapt": "0"}
_NEGATIVE = {"avoid_negative_ts": "disabled", "movflags": "frag_keyframe+empty_moov+delay_moov"}
_VP9 = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "12", "auto-alt-ref": "1"}


def _with_bars(left: int, top: int, right: int, bottom: int, noise: int = 0, **film: Any) -> Callable[[Path], Truth]:
    def frame(i: int) -> Picture:
        return with_bars(scene(i, **_LARGE), left, top, right, bottom, noise)

    return _steady(frame=frame, moments=(), **film)


def _dark(i: int) -> Picture:
    """A night scene: a small bright area, and black at the sides."""
    picture = scene(i, **_LARGE)
    luma = picture.planes[0] // 10 + 14
    luma[:, :70] = 17
    luma[100:140, 150 + i : 190 + i] = 90
    return Picture(picture.pix_fmt, picture.width, picture.height, (luma, *picture.planes[1:]))


_BUILDERS: dict[str, tuple[str, Callable[[Path], Truth]]] = {
    "rate_23976": ("mp4", _steady(F(24000, 1001), audio="aac")),
    "rate_24": ("mp4", _steady(F(24), audio="aac")),
    "rate_25": ("mp4", _steady(F(25), audio="aac")),
    "rate_2997": ("mp4", _steady(F(30000, 1001), audio="aac")),
    "rate_50": ("mp4", _steady(F(50), audio="aac")),
    "rate_23976_mkv": ("mkv", _steady(F(24000, 1001), audio="aac")),
    "vfr_mp4": ("mp4", _variable),
    "vfr_mkv": ("mkv", _variable),
    "bframes_mp4": ("mp4", _steady(options=_BF, audio="aac")),
    "bframes_mkv": ("mkv", _steady(options=_BF, audio="aac")),
    "bframes_ts": ("ts", _steady(options=_BF, audio="mp2", start=F(10), audio_start=F(10))),
    "bframes_hevc": ("mkv", _steady(codec="libx265", options={"preset": "ultrafast", "x265-params": "log-level=0"})),
    "hevc_open_gop": (
        "mkv",
        _steady(
            codec="libx265",
            options={"preset": "ultrafast", "x265-params": "log-level=0:keyint=12:min-keyint=12:open-gop=1:bframes=2"},
        ),
    ),
    "mpeg4_gop": ("mkv", _steady(codec="mpeg4", options={"g": "12", "bf": "2", "b": "1M"})),
    "vp9_gop": ("webm", _steady(codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8", "g": "12"})),
    "open_gop": ("mkv", _steady(options={**_BF, "g": "12", "x264-params": "open-gop=1"})),
    "mpeg2_ps": ("mpg", _steady(codec="mpeg2video", options={"bf": "2", "b": "2M"}, start=F(1))),
    "mpeg4_avi": ("avi", _steady(codec="mpeg4", options={"bf": "2", "b": "2M"}, audio="mp2")),
    "h264_avi": ("avi", _steady(options={"bf": "2"})),
    "vp9_webm": ("webm", _steady(codec="libvpx-vp9", options=_VP9)),
    "av1_mp4": ("mp4", _steady(codec="libsvtav1", options={"preset": "12", "svtav1-params": "lp=1"})),
    "negative_start": ("mp4", _steady(start=F(-1, 5), options=_BF, container_options=_NEGATIVE)),
    "late_start_mp4": ("mp4", _steady(start=F(2, 5), audio="aac")),
    "late_start_mkv": ("mkv", _steady(start=F(5), audio="aac")),
    "edit_list": ("mp4", _edited),
    "odd_420": ("mkv", _steady(codec="ffv1", size=(161, 121))),
    "odd_444": ("mp4", _steady(size=(161, 121), fmt="yuv444p")),
    "anamorphic": ("mp4", _steady(sar=F(16, 15))),
    "mirrored": ("mp4", _steady(mirrored=True)),
    "mirrored_rotated": ("mkv", _steady(rotation=90, mirrored=True)),
    "rotated": ("mp4", _steady(rotation=90)),
    "full_range": ("mp4", _steady(colour=(2, 1, 1, 1))),
    "bt601": ("mp4", _steady(colour=(1, 5, 6, 5))),
    "hdr": ("mkv", _steady(fmt="yuv420p10le", colour=(1, 9, 16, 9))),
    "mjpeg_avi": ("avi", _steady(codec="mjpeg", pix_fmt="yuvj420p", colour=(2, 2, 2, 2))),
    "gray": ("mkv", _steady(fmt="gray")),
    "gray8": ("mkv", _steady(codec="ffv1", fmt="gray")),
    "gray_limited": ("mkv", _steady(codec="ffv1", fmt="gray", colour=(1, 2, 2, 2))),
    "gray10": ("mkv", _steady(codec="ffv1", fmt="gray10le")),
    "yuv422p": ("mp4", _steady(fmt="yuv422p")),
    "yuv444p": ("mp4", _steady(fmt="yuv444p")),
    "yuv420p10": ("mp4", _steady(fmt="yuv420p10le")),
    "yuv422p10_prores": ("mov", _steady(codec="prores_ks", fmt="yuv422p10le", options={"profile": "3"})),
    "yuv444p12_ffv1": ("mkv", _steady(codec="ffv1", fmt="yuv444p12le", options={"level": "3"})),
    "ffv1": ("mkv", _steady(codec="ffv1", options={"level": "3", "slicecrc": "1", "slices": "4"})),
    "ffv1_unchecked": ("mkv", _steady(codec="ffv1", options={"level": "3", "slicecrc": "0"})),
    "packed_uyvy": ("avi", _steady(codec="rawvideo", fmt="yuv422p", pix_fmt="uyvy422")),
    "bottom_up_bgr": ("avi", _steady(codec="rawvideo", fmt="yuv444p", pix_fmt="bgr24")),
    "rgb": ("mkv", _steady(codec="ffv1", fmt="yuv444p", pix_fmt="gbrp10le")),
    "alpha": ("mkv", _steady(codec="ffv1", pix_fmt="yuva420p")),
    "sixteen_bit": ("mkv", _steady(codec="ffv1", fmt="gray12le", pix_fmt="gray16le")),
    "dv_411": ("dv", _steady(F(30000, 1001), 15, size=(720, 480), codec="dvvideo", pix_fmt="yuv411p", moments=())),
    "interlaced_tff": ("mp4", _interlaced(top_first=True)),
    "interlaced_bff": ("mp4", _interlaced(top_first=False)),
    "interlaced_mpeg2": ("mpg", _interlaced(top_first=True, codec="mpeg2video", options={"b": "8M"}, start=F(1))),
    "interlaced_unflagged": ("mkv", _interlaced(top_first=True, codec="ffv1", options={})),
    "telecine": ("mp4", _telecine),
    "streams_mkv": (
        "mkv",
        _steady(audio="aac", subtitles="subrip", chapters=3, attachment=True, metadata={"title": "A clip"}),
    ),
    "streams_mp4": ("mp4", _steady(audio="aac", subtitles="mov_text", chapters=3, metadata={"title": "A clip"})),
    "pillarbox": ("mp4", _with_bars(40, 0, 40, 0)),
    "letterbox": ("mp4", _with_bars(0, 30, 0, 30)),
    "windowbox_noisy": ("mkv", _with_bars(20, 13, 25, 16, noise=6, codec="ffv1")),
    "dark": ("mp4", _steady(frame=_dark, moments=())),
    "short": ("mp4", _steady(count=1)),
    "long": ("mp4", _steady(count=240)),
}

FILMS: tuple[str, ...] = tuple(_BUILDERS)
