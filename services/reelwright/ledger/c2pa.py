"""What was done to a film, as a manifest definition of C2PA (Content Credentials 2.2) in JSON.

`ledger/credentials.py` signs it. Other tools that sign (`c2patool`) take the definition as it is.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from reelwright.ledger.edits import EditStep
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.shot_fidelity import film_fidelity

_ENHANCED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
# The actions of the specification's list, C2PA 2.2, section "Actions".
_ACTIONS = {
    "conceal": "c2pa.edited",
    "repeat": "c2pa.edited",
    "deinterlace": "c2pa.enhanced",
    "deflicker": "c2pa.adjustedColor",
    "repair": "c2pa.enhanced",
    "enlarge": "c2pa.resized",
    "scratches": "c2pa.enhanced",
    "limits": "c2pa.enhanced",
    "fading": "c2pa.adjustedColor",
    "tone": "c2pa.adjustedColor",
    "grain": "c2pa.enhanced",
    "synthesis": "c2pa.enhanced",
    "stabilise": "c2pa.orientation",
    "stabilise_rotation": "c2pa.orientation",
}
_LABEL = "org.reelwright.certificate"
_FORMATS = {".mp4": "video/mp4", ".mov": "video/quicktime", ".m4v": "video/mp4", ".mkv": "video/x-matroska"}


def definition(manifest: Manifest) -> dict[str, Any]:
    """The definition: an action for each step of the edit list with its frames, and the film's certificate."""
    agent = {"name": "Reelwright", "version": manifest.version}
    found = film_fidelity([(shot.fidelity, shot.frames) for shot in manifest.shots])
    certificate = {
        "film_sha256": manifest.film_sha256,
        "source_fingerprint": manifest.source_fingerprint,
        "model_sha256": manifest.model_sha256,
        "engine": manifest.engine,
        "recipe": manifest.recipe.model_dump(mode="json"),
        "frames": manifest.frames_out,
        "fidelity": None if found is None else found.model_dump(),
    }
    suffix = PurePosixPath(manifest.film).suffix.lower()
    return {
        "claim_generator_info": [agent],
        "title": manifest.film,
        "format": _FORMATS.get(suffix, "application/octet-stream"),
        "ingredients": [
            {
                "title": PurePosixPath(manifest.source.location).name,
                "format": _FORMATS.get(PurePosixPath(manifest.source.location).suffix.lower(), "video/*"),
                "relationship": "parentOf",
                "label": "source",
            }
        ],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {
                    "actions": [
                        {"action": "c2pa.opened", "parameters": {"ingredientIds": ["source"]}},
                        *(_action(step, agent) for step in manifest.edits),
                    ]
                },
            },
            {"label": _LABEL, "data": certificate},
        ],
    }


def _action(step: EditStep, agent: dict[str, str]) -> dict[str, Any]:
    return {
        "action": _ACTIONS.get(step.step, "c2pa.edited"),
        "softwareAgent": agent,
        "digitalSourceType": _ENHANCED,
        "description": f"{step.step}: {step.unit}",
        "changes": [
            {
                "description": f"{strength:g}",
                # Frames count from 0, and the last one belongs to the range.
                "region": [{"type": "frame", "frame": {"start": first, "end": last}}],
            }
            for first, last, strength in step.ranges
        ],
    }
