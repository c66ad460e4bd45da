"""What each profile makes of a film: codec, container, and what that container's players can be asked to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reelwright.media.picture import PIXEL_FORMATS
from reelwright.titles.recipe import Profile


@dataclass(frozen=True)
class ProfileSpec:
    """A profile.

    Attributes:
        name: the recipe's word for it.
        encoder: FFmpeg's encoder.
        options: the encoder's options. None of them may let the bytes depend on the number of threads.
        fixed_threads: codec threads where their number would change the bytes (x264, x265, SVT-AV1 run on one; the
            segments are what runs in parallel); None where it does not.
        slices: parts a picture is cut into, or the nearest number that its size allows; 0 leaves it to the codec.
        even: the codec holds even widths and heights only: in 4:2:0 the crop of an H.264 or HEVC bitstream counts
            chroma samples, and FFmpeg's ProRes encoder garbles the chroma of an odd width.
        reorder: frames by which decoding order runs ahead of presentation (B-frames).
        container: libavformat's muxer of the film.
        muxer: its options.
        suffix: of the film's file name.
        codec_tag: four characters that players of this container expect; empty for libavformat's choice.
        limited: the codec means limited range whatever the tags say.
        lossless: the decoded film is bit for bit what was encoded.
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


# MP4 may hold both since ISO 23003-5 and by private convention; browsers and televisions play neither there.
_UNPLAYABLE_MP4 = ("pcm_", "vorbis")
# The moov atom in front lets a browser start before the whole film is loaded.
_MP4 = MappingProxyType({"movflags": "faststart"})
# With a thread pool or frame threads x265 writes other bytes for another number of cores.
_X265 = "log-level=error:pools=none:frame-threads=1:wpp=0:open-gop=0:info=0"
# Temporal filtering is a denoiser: it takes the grain that the recipe kept.
_SVT = "lp=1:enable-tf=0"

# Rates were chosen on 960x720 with grain of sigma 3 for a luma PSNR near 41.5 dB; x264's slower presets spent two to
# three times the CPU there for the same rate and PSNR.
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
            # Slices bound what a damaged byte can spoil, and let threads share a picture.
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
    """The profile called `name`; KeyError for one that `titles.recipe.Profile` does not list."""
    return _PROFILES[name]


def out_pix_fmt(profile: str, source_pix_fmt: str) -> str:
    """The pixel format of the film's pictures.

    `master` keeps the source's chroma subsampling, or its lack of chroma, at 10 bits or more: restoration computes
    finer than 8 bits, and an archive should keep that. The others have the one format that their players play.
    """
    fixed = _FIXED_FORMATS.get(profile)
    if fixed is not None:
        return fixed
    source = PIXEL_FORMATS[source_pix_fmt]
    base = source.name if source.depth == 8 else source.name.removesuffix(f"{source.depth}le")
    return f"{base}{max(source.depth, 10)}le"


def encoded_size(spec: ProfileSpec, width: int, height: int) -> tuple[int, int]:
    """Columns and rows as the codec holds them; past the picture's own they repeat its edge."""
    return (width + width % 2, height + height % 2) if spec.even else (width, height)
