"""The manifest as text and figures for the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import PurePosixPath

from reelwright.ledger.edits import is_deinterlaced
from reelwright.ledger.film_times import film_duration
from reelwright.ledger.manifest import Manifest, ShotDamage, ShotEntry, ShotSteadiness
from reelwright.ledger.shot_contrast import ShotContrast
from reelwright.ledger.shot_fidelity import ShotFidelity
from reelwright.ledger.shot_means import mean_of
from reelwright.media.frame_correction import ToneChange
from reelwright.media.source_info import SourceInfo, VideoInfo
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.timestamp import timestamp

_CODECS = {"web": "h264", "master": "ffv1", "hevc10": "hevc", "av1": "av1", "prores": "prores"}
# Names of the orders of fields.
FIELDS = {"tff": "interlaced, top field first", "bff": "interlaced, bottom field first", "telecine": "telecined"}


# Words for `ShotDamage.blockiness`: each holds below its limit. On four clips undamaged film measured 0.04 to 0.15,
# JPEG of quality 80 0.11 to 0.31, 60 0.19 to 0.55, 20 0.49 to 1.
_BLOCKS = ((0.15, "no blocks"), (0.35, "blocks weak"), (0.6, "blocks visible"), (2.0, "blocks strong"))


def title_of(manifest: Manifest) -> str:
    """The film's title from its metadata, or its file's name without a title there."""
    return manifest.source.metadata.get("title", "").strip() or PurePosixPath(manifest.source.location).stem


def comparison(manifest: Manifest) -> list[tuple[str, str, str]]:
    """Rows of (property, value in the source, value in the film)."""
    source, video = manifest.source, manifest.source.video
    scan = FIELDS.get(video.field_order, "progressive")
    return [
        ("File", PurePosixPath(source.location).name, manifest.film),
        ("Picture", f"{video.width} × {video.height}", f"{manifest.width} × {manifest.height}"),
        ("Pixels", _pixels(video), _pixels(video)),
        ("Video", f"{video.codec}, {video.source_pix_fmt}", f"{_CODECS[manifest.recipe.profile]}, {manifest.pix_fmt}"),
        ("Rate", rate(manifest), rate(manifest)),
        ("Scan", scan, "progressive" if is_deinterlaced(manifest.recipe, manifest.source.video) else scan),
        ("Length", timestamp(Fraction(source.duration)), timestamp(film_duration(manifest))),
        ("Chapters", str(len(source.chapters)), str(manifest.chapters)),
        ("Container", _container(source), PurePosixPath(manifest.film).suffix.removeprefix(".").lower()),
        ("Size", size(source.size), size(manifest.film_bytes)),
    ]


def damage_of(shots: Sequence[ShotEntry]) -> ShotDamage | None:
    """What was measured in some shots, averaged over their frames; None when nothing was."""
    return mean_of([(shot.damage, shot.frames) for shot in shots])


def damage_sentence(damage: ShotDamage) -> str:
    """Grain, dust and blocks in words, e.g. `grain 7.2 of 255, dust on 3 % of frames, blocks weak`."""
    dust = f"dust on {damage.dust_frames:.0%} of frames".replace("%", " %") if damage.dust_frames else "no dust"
    blocks = next(word for limit, word in _BLOCKS if damage.blockiness < limit)
    return f"grain {damage.grain:.1f} of 255, {dust}, {blocks}"


def steadiness_sentence(found: ShotSteadiness) -> str:
    """Weave and flicker in words, e.g. `weave 0.52 before and 0.08 samples after, flicker 2.1 before and ...`."""
    said = (
        f"weave {found.weave_before:.2f} before and {found.weave_after:.2f} samples after, "
        f"flicker {found.flicker_before:.1f} before and {found.flicker_after:.1f} % after"
    )
    if not found.rotation_before:
        return said
    return f"{said}, rotation {found.rotation_before:.2f} before and {found.rotation_after:.2f} degrees after"


def local_flicker_sentence(found: ShotFidelity | None) -> str:
    """Flicker of parts in words, e.g. `flicker of parts of the picture 2.6 before and 0.5 % after`; empty for none."""
    if found is None or found.local_flicker_before is None or found.local_flicker_after is None:
        return ""
    return (
        f"flicker of parts of the picture {found.local_flicker_before:.1f} before and "
        f"{found.local_flicker_after:.1f} % after"
    )


def tone_change_of(shots: Sequence[ShotEntry]) -> ToneChange | None:
    """What opening glare and shadows changed in some shots, averaged over their frames; None when it was not done."""
    return mean_of([(shot.tone_change, shot.frames) for shot in shots])


def tone_sentence(change: ToneChange) -> str:
    """What was changed, in words, e.g. `brightness +1.2 %, 31 % of the picture changed`."""
    said = f"brightness {change.brightness:+.1f} %, {100 * change.changed:.0f} % of the picture changed"
    if not change.recovered:
        return said
    return f"{said}, detail of other frames put back in {100 * change.recovered:.2f} %"


def contrast_sentence(found: ShotContrast) -> str:
    """Where dark and bright end lie, in words, e.g. `black 12.1 before and 4.0 % after, white 80.2 before and ...`."""
    return (
        f"black {100 * found.black_before:.1f} before and {100 * found.black_after:.1f} % after, "
        f"white {100 * found.white_before:.1f} before and {100 * found.white_after:.1f} % after"
    )


def fidelity_sentence(found: ShotFidelity) -> str:
    """How a shot agrees with its source, e.g. `differs by 1.4 levels from the source, new detail 2.3 levels`."""
    invention = math.hypot(found.invention, found.invention_finest)
    return f"differs by {found.difference:.1f} levels from the source, new detail {invention:.1f} levels"


def qc_sentence(shot: ShotEntry) -> str:
    """How a shot departs from the source, e.g. `frame 15 departs 0.39 levels, differs 0.51, new detail 2.19, ...`."""
    found = shot.fidelity
    if found is None:
        return "not measured"
    held = f", {found.held_back:.0%} held back".replace("%", " %") if found.held_back else ""
    return (
        f"frame {found.worst_frame} departs {found.worst:.2f} levels, differs {found.difference:.2f}, new detail "
        f"{math.hypot(found.invention, found.invention_finest):.2f}, grain {found.grain_before:.1f} to "
        f"{found.grain_after:.1f}, brightness {found.brightness:+.2f}{held}"
    )


def comparison_sentence(one: ShotFidelity, other: ShotFidelity) -> str:
    """How far two films of one source depart from it in a shot, e.g. `departs 0.39 and 0.52 levels, differs ...`."""
    pairs = [
        ("departs", one.worst, other.worst),
        ("differs", one.difference, other.difference),
        ("new detail", *(math.hypot(each.invention, each.invention_finest) for each in (one, other))),
        ("without support", one.unsupported, other.unsupported),
        ("grain left", one.grain_after, other.grain_after),
        ("flicker", one.flicker_after, other.flicker_after),
        ("tint", one.tint, other.tint),
    ]
    if one.local_flicker_after is not None and other.local_flicker_after is not None:
        pairs.append(("flicker of parts", one.local_flicker_after, other.local_flicker_after))
    return ", ".join(f"{name} {a:.2f} and {b:.2f}" for name, a, b in pairs)


def judgement_of(manifest: Manifest, shot: int) -> str:
    """What a person said last about a shot, in words; empty when nobody did."""
    said = [each for each in manifest.judgements if each.shot == shot]
    if not said:
        return ""
    remark = f": {said[-1].remark}" if said[-1].remark else ""
    return f"{'accepted' if said[-1].accepted else 'not accepted'} {said[-1].at}{remark}"


def shot_sentence(shot: ShotEntry) -> str:
    """What was measured in a shot, in words; empty when nothing was."""
    words = [damage_sentence(shot.damage)] if shot.damage else []
    words += [steadiness_sentence(shot.steadiness)] if shot.steadiness else []
    words += [said] if (said := local_flicker_sentence(shot.fidelity)) else []
    words += [tone_sentence(shot.tone_change)] if shot.tone_change else []
    words += [contrast_sentence(shot.contrast)] if shot.contrast else []
    words += [fidelity_sentence(shot.fidelity)] if shot.fidelity else []
    return ", ".join(words)


def repair_sentence(dust: float, scratched: float) -> str:
    """What the repair changed in a frame, as shares of its samples, in words, e.g. `dust 0.12 % of the samples`."""
    found = [f"{name} {100 * share:.2g} %" for name, share in (("dust", dust), ("lasting lines", scratched)) if share]
    return f"repaired: {', '.join(found)} of the samples" if found else "nothing repaired in this frame"


def difference_sentence(brighter: float, darker: float) -> str:
    """Where one film differs from another, as shares of a frame's samples, in words."""
    found = [f"{name} in {100 * share:.2g} %" for name, share in (("brighter", brighter), ("darker", darker)) if share]
    differs = f"B is {' and '.join(found)} of the samples" if found else "A and B are alike in this frame"
    return f"{differs}, by 4 levels or more" if found else differs


def stream_description(stream: StreamOutcome) -> str:
    """A stream's codec and language, without those that are unknown."""
    codec = "" if stream.codec == stream.kind else stream.codec
    return ", ".join(word for word in (codec, stream.language.replace("und", "")) if word)


def frame_time(manifest: Manifest, frame: int) -> str:
    """The time of a frame, counted from the first frame."""
    return timestamp((manifest.pts[frame] - manifest.pts[0]) * manifest.time_base)


def rate(manifest: Manifest) -> str:
    """Frames per second, marked as variable when frame durations differ by more than one unit of the time base."""
    steps = [after - before for before, after in zip(manifest.source_pts, manifest.source_pts[1:], strict=False)]
    average = f"{float(manifest.source.video.average_rate):.3f}".rstrip("0").rstrip(".")
    return f"{average} fps{', variable' if steps and max(steps) - min(steps) > 1 else ''}"


def size(count: int) -> str:
    """A number of bytes in decimal units."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def _pixels(video: VideoInfo) -> str:
    pixel = video.sample_aspect_ratio
    shape = "square" if pixel == 1 else f"{pixel.numerator}:{pixel.denominator}"
    if video.rotation:
        shape += f", rotated by {abs(video.rotation)}° for display"
    return f"{shape}, mirrored for display" if video.mirrored else shape


def _container(source: SourceInfo) -> str:
    """FFmpeg names a family of containers at once; the file's suffix if it is one of them, else the first name."""
    names, suffix = source.container.split(","), PurePosixPath(source.location).suffix.removeprefix(".").lower()
    return suffix if suffix in names else names[0]
