"""What was done to a film, as sentences of the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from reelwright.ledger.duplicates import duplicates_sentence
from reelwright.ledger.edits import is_deinterlaced
from reelwright.ledger.excerpts import excerpt_steps
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.report.formatting import (
    FIELDS,
    contrast_sentence,
    damage_of,
    damage_sentence,
    local_flicker_sentence,
    steadiness_sentence,
    tone_change_of,
    tone_sentence,
)
from reelwright.ledger.shot_contrast import contrast_of
from reelwright.ledger.shot_fidelity import film_fidelity
from reelwright.ledger.steadiness import steadiness_of
from reelwright.media.frame_correction import ToneChange
from reelwright.media.source_info import VideoInfo
from reelwright.titles.recipe import Recipe

_PROFILES = {
    "web": "H.264, 8 bits, in MP4: plays everywhere",
    "master": "FFV1 level 3 with slice checksums, in Matroska: lossless, for the archive",
    "hevc10": "HEVC, 10 bits",
    "av1": "AV1, 10 bits",
    "prores": "ProRes 422 HQ, for editing",
}


def processing_steps(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What was done to the film, as (heading, sentence) pairs."""
    recipe, video = manifest.recipe, manifest.source.video
    yield (
        f"Enlarged {recipe.scale}×",
        (
            f"The model {PurePosixPath(recipe.model).name} restored the brightness of every frame. The colour is the "
            "source's; no colour was added."
        ),
    )
    yield from excerpt_steps(recipe.excerpt, len(manifest.excerpts))
    yield _grain(recipe)
    yield from _measured_steps(manifest)
    if manifest.redone:
        settings: dict[int, list[str]] = {}
        for each in manifest.redone:
            settings.setdefault(each.shot, []).extend(each.settings)
        words = "; ".join(f"shot {shot} with {', '.join(known)}" for shot, known in sorted(settings.items()))
        yield "Shots restored again", f"{words.capitalize()}."
    if video.field_order != "progressive" or recipe.deinterlace == "on":
        yield _scan(manifest)
    if video.bars.any:
        yield _bars(recipe, video)
    if manifest.duplicates:
        yield "Repeated frames", _duplicates(manifest)
    if manifest.concealed:
        count = len(manifest.concealed)
        yield (
            "Damage concealed",
            f"{count} {'frame' if count == 1 else 'frames'} of the source did not decode and repeat the frame before.",
        )
    yield "Encoded", f"{_PROFILES[recipe.profile]}."


def _measured_steps(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Those of `processing_steps` that were measured before and after."""
    if damage := damage_of(manifest.shots):
        yield "Damage measured", f"{damage_sentence(damage).capitalize()}, averaged over the film."
    if steadiness := steadiness_of(manifest.shots):
        found = film_fidelity([(shot.fidelity, shot.frames) for shot in manifest.shots])
        words = [steadiness_sentence(steadiness), local_flicker_sentence(found)]
        yield "Steadied", f"{', '.join(filter(None, words)).capitalize()}, averaged over the film."
    if change := tone_change_of(manifest.shots):
        yield _tone(manifest.recipe, change)
    if contrast := contrast_of([(shot.contrast, shot.frames) for shot in manifest.shots]):
        changed = sum(shot.contrast is not None and shot.contrast.gain != 1 for shot in manifest.shots)
        yield "Contrast", f"Brought back in {changed} of {len(manifest.shots)} shots; {contrast_sentence(contrast)}."


def _grain(recipe: Recipe) -> tuple[str, str]:
    if recipe.grain.keep == 0:
        return "Grain removed", "The grain and noise that the network removed was not added back."
    if recipe.grain.mode == "table":
        return (
            f"Grain made by the player at {recipe.grain.keep:.0%} of its strength",
            (
                "The grain that the network removed is not in the pictures. The film says how strong, large and "
                "correlated it was, and players make grain like it, at this share of its strength at each level."
            ),
        )
    if recipe.grain.mode == "synthetic":
        return (
            f"Grain made anew at {recipe.grain.keep:.0%} of its strength",
            (
                "The grain that the network removed was not added back. New grain of its size and correlation was "
                "added, at this share of its strength at each level."
            ),
        )
    if recipe.grain.keep == 1:
        return "Grain kept", "All of the film's grain was added back."
    return (
        f"{recipe.grain.keep:.0%} of the grain kept",
        "This share of the grain that the network removed was added back.",
    )


def _tone(recipe: Recipe, change: ToneChange) -> tuple[str, str]:
    taken = [
        f"{word} {share:.0%}".replace("%", " %")
        for word, share in (("glare taken off by", recipe.tone.glare), ("shadows opened by", recipe.tone.shadows))
        if share
    ]
    return "Tone", f"{', '.join(taken).capitalize()}: {tone_sentence(change)}, averaged over the film. Mid-tones stay."


def _scan(manifest: Manifest) -> tuple[str, str]:
    order = manifest.source.video.field_order
    found = f"The source is {FIELDS.get(order, order)}"
    if not is_deinterlaced(manifest.recipe, manifest.source.video):
        return "Fields unchanged", f"{found}; it was not deinterlaced."
    if order == "telecine":
        return (
            "Pull-down undone",
            f"{found}. The original frames were rebuilt from the fields; their number was kept.",
        )
    return "Deinterlaced", f"{found}. Its frame rate was kept."


def _duplicates(manifest: Manifest) -> str:
    found = duplicates_sentence(manifest.duplicates, manifest.frames_in, manifest.source.video.average_rate)
    if manifest.recipe.duplicates == "restore-once":
        return f"{found} They were restored once: the film shows the restored frame again."
    return f"{found} They were restored like the others."


def _bars(recipe: Recipe, video: VideoInfo) -> tuple[str, str]:
    sides = ("left", "top", "right", "bottom")
    found = ", ".join(f"{side} {getattr(video.bars, side)}" for side in sides if getattr(video.bars, side))
    treatment = {
        "keep": "They were not restored, and were added to the film unchanged.",
        "crop": "They were cropped.",
        "ignore": "They were restored together with the picture.",
    }[recipe.bars]
    return "Black borders", f"Found in the source, in samples: {found}. {treatment}"
