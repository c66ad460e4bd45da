"""What was done about a damaged source, in words."""

from __future__ import annotations

from reelwright.ledger.manifest import Manifest
from reelwright.media.timestamp import timestamp


def damage_notes(manifest: Manifest) -> tuple[str, ...]:
    """Sentences for the person, with times from the film's first frame on; none for a film whose source is whole."""
    notes = []
    if concealed := manifest.concealed:
        at = timestamp((manifest.pts[concealed[0]] - manifest.pts[0]) * manifest.time_base)
        if len(concealed) == 1:
            notes.append(f"1 frame of the source did not decode, at {at}, and repeats the one before")
        else:
            notes.append(f"{len(concealed)} frames of the source did not decode, the first at {at}, and repeat others")
    if manifest.truncated_at is not None:
        video = manifest.source.video
        at = timestamp((manifest.truncated_at - video.start_pts) * video.time_base)
        notes.append(f"the source ends early, at {at}, and the film ends there")
    return tuple(notes)
