"""Tags of the film and of its streams: which describe the film, and which of them a container holds."""

from __future__ import annotations

import io
from collections.abc import Mapping
from fractions import Fraction

import av
from av.packet import Packet
from av.stream import Disposition, Stream

from reelwright.media.profiles import ProfileSpec

# Tags that describe the old file and not the film in it. The timecode is carried by itself.
_OF_THE_FILE = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "duration",
    "bps",
    "number_of_frames",
    "number_of_bytes",
    "vendor_id",
    "timecode",
}
# What an MXF file says about the program that wrote it and about its own packages.
_OF_AN_MXF_FILE = ("uid", "generation_uid", "operational_pattern_ul", "product_", "toolkit_", "application_platform")
_TITLE = "title"
# MP4 holds a track's title in a box that libavformat reads under this name.
_MP4_TITLE = "name"


def film_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that are about the film, not about the file that held it."""
    return {key: value for key, value in tags.items() if not _is_of_the_file(key.lower(), value)}


def describe_stream(target: Stream, stream: Stream, spec: ProfileSpec) -> None:
    """Gives a stream of the film the source stream's language, title, other tags and disposition."""
    target.disposition = stream.disposition
    target.metadata.update(stream_tags(stream.metadata, spec))


def stream_tags(tags: Mapping[str, str], spec: ProfileSpec) -> dict[str, str]:
    """A stream's tags as the profile's muxer takes them.

    Most players show an MP4 track under its handler's name, so that gets the title too.
    """
    kept = _titled(film_tags(tags))
    title = track_title(kept)
    return {"handler_name": title, **kept} if title and spec.container != "matroska" else kept


def track_title(tags: Mapping[str, str]) -> str:
    """A track's title, whatever container it is read from; empty if it has none."""
    return next((value for key, value in _titled(tags).items() if key.lower() == _TITLE), "")


def disposition_names(disposition: Disposition) -> frozenset[str]:
    """The names of a disposition's flags, as FFmpeg gives them."""
    return frozenset(flag.name for flag in Disposition if flag.name and flag & disposition)


def lost_tags(wanted: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of the tags that a film should hold and does not, sorted.

    Containers differ in the case of keys, and a language that is not known is none.
    """
    held = {key.lower(): value for key, value in _titled(found).items()}
    kept = {key.lower(): value for key, value in _titled(film_tags(wanted)).items() if value.strip()}
    lost = (key for key, value in kept.items() if held.get(key) != value)
    return tuple(sorted(key for key in lost if (key, kept[key]) != ("language", "und")))


def muxer_tag_options(spec: ProfileSpec, tags: Mapping[str, str], *, cover: bool) -> dict[str, str]:
    """Options that have an MP4 or MOV muxer write `tags`, whatever their keys.

    The muxer writes tags in one of two forms. The usual one, which every player reads, knows a few keys and cover
    pictures; the other one knows every key and no cover.

    Args:
        spec: the film's profile.
        tags: what is to be kept.
        cover: the film gets a cover picture.
    """
    if spec.container == "matroska" or cover or _usual_form_holds(spec, film_tags(tags)):
        return {}
    flags = spec.muxer.get("movflags", "")
    return {"movflags": f"{flags}+use_metadata_tags" if flags else "use_metadata_tags"}


def _usual_form_holds(spec: ProfileSpec, tags: Mapping[str, str]) -> bool:
    """Whether tags come back from a film of one subtitle, written into memory."""
    file = io.BytesIO()
    with av.open(file, "w", format=spec.container) as trial:
        trial.metadata.update(tags)
        packet = Packet(b"\0\1.")
        packet.stream, packet.time_base = trial.add_mux_stream("mov_text"), Fraction(1, 1000)
        packet.pts, packet.dts, packet.duration = 0, 0, 1
        trial.mux(packet)
    file.seek(0)
    with av.open(file, metadata_errors="replace") as read:
        return not lost_tags(tags, read.metadata)


def _titled(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags, with the title that an MP4 or MOV file gives a track under the key that other containers have."""
    if any(key.lower() == _TITLE for key in tags):
        return dict(tags)
    return {_TITLE if key.lower() == _MP4_TITLE else key: value for key, value in tags.items()}


def _is_of_the_file(key: str, value: str) -> bool:
    return (
        key in _OF_THE_FILE
        or key.startswith("_statistics")
        or key.startswith(_OF_AN_MXF_FILE)
        or key.endswith("package_umid")
        or (key == "handler_name" and value.endswith("Handler"))
    )
