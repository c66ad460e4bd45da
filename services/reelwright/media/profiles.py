"""The profiles: the codec and container of a film, and which other streams its players can play."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reelwright.media.picture import PIXEL_FORMATS
from reelwright.titles.recipe import Profile


@dataclass(frozen=True, kw_only=True)
class ProfileSpec:
    """A profile.

    Attributes:
        name: as a recipe gives it.
        encoder: name of FFmpeg's encoder.
        options: the encoder's options. With them the bytes must not depend on the number of threads.
        fixed_threads: number of codec threads, for encoders whose bytes depend on it: x264, x265 and SVT-AV1 run on one
            thread, and segments are encoded in parallel. None if the bytes do not depend on it.
        slices: number of slices per picture, or the nearest that the picture's size allows; 0 for the codec's default.
        even: the codec holds even widths and heights only. In 4:2:0 the crop of an H.264 or HEVC bitstream counts
            chroma samples, and FFmpeg's ProRes encoder damages the chroma of an odd width.
        reorder: number of frames by which the decoding order is ahead of the presentation order (B-frames).
        container: name of libavformat's muxer for the film.
        muxer: the muxer's options.
        suffix: of the film's file name.
        codec_tag: four characters that players of this container expect; empty for libavformat's default.
        limited: decoders read the codec's samples as limited range and ignore the tags.
        lossless: decoding gives exactly the samples that were encoded.
        audio: encoder for sound that the container cannot hold.
        unplayable: sound that libavformat would write to this container but that its common players do not play;
            prefixes of codec names.
        subtitles: encoder for text subtitles that the container cannot hold.
    """

    name: Profile
    encoder: str
    options: Mapping[str, str]
    container: str
    suffix: str
    audio: str
    subtitles: str
    muxer: Mapping[str, str] = field(default_factory=dict)
    fixed_threads: int | None = None
    slices: int = 0
    even: bool = False
    reorder: int = 0
    codec_tag: str = ""
    limited: bool = False
    lossless: bool = False
    unplayable: tuple[str, ...] = ()


# ISO 23003-5 allows PCM in MP4, and a private convention Vorbis. Browsers and televisions play neither from MP4.
_UNPLAYABLE_MP4 = ("pcm_", "vorbis")
# With the moov atom in front a browser can start before the whole film is loaded.
_MP4 = MappingProxyType({"movflags": "faststart"})
# With a thread pool or frame threads the bytes that x265 writes depend on the number of cores.
_X265 = "log-level=error:pools=none:frame-threads=1:wpp=0:open-gop=0:info=0"
# Temporal filtering is a denoiser: it would remove the grain that the recipe keeps.
_SVT = "lp=1:enable-tf=0:chroma-sample-position=left"

# The rates give a luma PSNR near 41.5 dB for pictures of 960x720 with grain of sigma 3. For these, slower presets of
# x264 took two to three times the CPU time for the same bit rate and PSNR.
_PROFILES: dict[str, ProfileSpec] = {
    spec.name: spec
    for spec in (
        ProfileSpec(
            name="web",
            encoder="libx264",
            options={"preset": "veryfast", "crf": "18"},
            fixed_threads=1,
            even=True,
            reorder=2,
            container="mp4",
            muxer=_MP4,
            suffix=".mp4",
            audio="aac",
            unplayable=_UNPLAYABLE_MP4,
            subtitles="mov_text",
        ),
        ProfileSpec(
            name="master",
            encoder="ffv1",
            options={"level": "3", "slicecrc": "1", "g": "1", "coder": "1", "context": "0"},
            # A damaged byte spoils one slice only, and several threads can encode a picture.
            slices=16,
            container="matroska",
            suffix=".mkv",
            audio="flac",
            subtitles="subrip",
            lossless=True,
        ),
        ProfileSpec(
            name="hevc10",
            encoder="libx265",
            options={"preset": "faster", "crf": "16", "x265-params": _X265},
            fixed_threads=1,
            even=True,
            reorder=2,
            container="mp4",
            muxer=_MP4,
            suffix=".mp4",
            codec_tag="hvc1",
            audio="aac",
            unplayable=_UNPLAYABLE_MP4,
            subtitles="mov_text",
        ),
        ProfileSpec(
            name="av1",
            encoder="libsvtav1",
            options={"preset": "8", "crf": "10", "svtav1-params": _SVT},
            fixed_threads=1,
            container="mp4",
            muxer=_MP4,
            suffix=".mp4",
            audio="aac",
            unplayable=_UNPLAYABLE_MP4,
            subtitles="mov_text",
        ),
        ProfileSpec(
            name="prores",
            encoder="prores_ks",
            options={"profile": "hq", "vendor": "apl0"},
            even=True,
            container="mov",
            suffix=".mov",
            codec_tag="apch",
            limited=True,
            audio="pcm_s24le",
            subtitles="mov_text",
        ),
    )
}

_FIXED_FORMATS = {"web": "yuv420p", "hevc10": "yuv420p10le", "av1": "yuv420p10le", "prores": "yuv422p10le"}


def profile_spec(name: str) -> ProfileSpec:
    """The profile with this name.

    Raises:
        KeyError: `titles.recipe.Profile` does not list it.
    """
    return _PROFILES[name]


def out_pix_fmt(profile: str, source_pix_fmt: str) -> str:
    """The pixel format of the film's pictures.

    `master` keeps the source's chroma subsampling, or has no chroma if the source has none. It has at least 10 bits,
    because restoration computes with more than 8 bits and an archive should keep them. Each of the other profiles has
    one fixed format, which its players play.
    """
    fixed = _FIXED_FORMATS.get(profile)
    if fixed is not None:
        return fixed
    source = PIXEL_FORMATS[source_pix_fmt]
    base = source.name if source.depth == 8 else source.name.removesuffix(f"{source.depth}le")
    return f"{base}{max(source.depth, 10)}le"


def encoded_size(spec: ProfileSpec, width: int, height: int) -> tuple[int, int]:
    """Columns and rows as the codec holds them. Those that are added repeat the picture's edge."""
    return (width + width % 2, height + height % 2) if spec.even else (width, height)
