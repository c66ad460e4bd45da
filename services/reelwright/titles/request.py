"""The request for a title: one model for the command line, the services and the ledger."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, PlainSerializer

from reelwright.titles.identity import FIRST_ATTEMPT
from reelwright.titles.recipe import Recipe
from reelwright.titles.recipe_parsing import parse_recipe_text
from reelwright.titles.versions import VersionedDocument

# A title without a deadline counts as due a day after its submission: after urgent titles, but not last for ever.
_DEFAULT_DUE_SECONDS = 86_400.0
# The end of the year 9999, the last that dates have.
_LAST_TIME = 253_402_300_799.0

PriorityClass = Literal["express", "standard", "bulk"]

# Canonical JSON text in documents, the same text as on the wire and in the run identity.
RecipeText = Annotated[
    Recipe,
    BeforeValidator(lambda value: parse_recipe_text(value) if isinstance(value, str) else value),
    PlainSerializer(Recipe.canonical, return_type=str),
]

# A class of a later version is served as the class between the others.
KnownClass = Annotated[
    PriorityClass, BeforeValidator(lambda value: value if value in get_args(PriorityClass) else "standard")
]


class RunRequest(VersionedDocument):
    """An attempt of a run as it was submitted last. The ledger keeps it as `request.json`.

    Run, output and recipe of an attempt never change. Location of the source, class and deadline may.

    Attributes:
        run: name of the run, from `titles.identity.run_id`.
        attempt: number of the attempt, from 1. A submission after the end of an attempt begins the next one.
        source: location of the source film: an absolute path or a URL.
        output: location where the restored film is wanted.
        recipe: what to do to the film.
        fingerprint: `titles.identity.content_fingerprint` of the source.
        priority_class: the share of the workers that the title gets while titles compete.
        engine: the engine that the run needs, in words as for `titles.identity.engine_matches`; empty when the cluster
            chooses. The ledger's `engine.json` names the engine that the run has.
        model_sha256: of the model's file, as hex.
        toolchain: `media.toolchain.toolchain_identity` where the run was submitted; empty in requests of version 0.1.
        deadline: Unix seconds by which the film is wanted; 0 if there is no deadline.
        overwrite: whether a file at the output that was not made from the same source may be replaced.
        submitted: Unix seconds at which the run was submitted; 0 for a film that is restored without a cluster.
        frames_estimate: number of frames of the source, about; 0 if `submit` did not say.
        frame_pixels: luma samples of one of them; 0 likewise.
        halo_frames: frames before and after each frame that workers read, 0 to 3.
    """

    run: str
    attempt: int = Field(default=FIRST_ATTEMPT, ge=FIRST_ATTEMPT)
    source: str
    output: str
    recipe: RecipeText
    fingerprint: str
    priority_class: KnownClass
    engine: str
    model_sha256: str
    toolchain: str = ""
    deadline: float = 0.0
    overwrite: bool = False
    submitted: float = 0.0
    frames_estimate: int = Field(default=0, ge=0)
    frame_pixels: int = Field(default=0, ge=0)
    halo_frames: int = Field(default=0, ge=0, le=3)

    @property
    def due(self) -> float:
        """Unix seconds by which the title is due; see `due_time`."""
        return due_time(self.deadline, self.submitted)


def known_time(seconds: float) -> float:
    """A time that somebody else has sent, in Unix seconds; 0, as if none were known, when it cannot be one."""
    return seconds if 0 <= seconds <= _LAST_TIME else 0.0


def due_time(deadline: float, submitted: float) -> float:
    """When a title is due: at its deadline, else a day after its submission. Decoders begin the earliest first.

    Args:
        deadline: Unix seconds; 0 if there is none.
        submitted: Unix seconds.
    """
    return deadline or submitted + _DEFAULT_DUE_SECONDS
