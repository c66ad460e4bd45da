"""The ledger's documents. All JSON, all written once and whole.

    RUN/request.json              RunRequest: the run as submitted                          (whoever submits)
    RUN/title.json                what the run is: source, recipe, engine                   (decoder, first)
    RUN/plan/000007.json          SegmentPlan                                               (decoder)
    RUN/plan/end.json             PlanEnd                                                   (decoder, last)
    RUN/plan/000007-18.jpg        sample: the segment's frame 18, as the source has it      (decoder)
    RUN/segments/000007-HASH.mkv  encoded frames, named by 12 digits of their SHA-256       (encoder)
    RUN/segments/000007-18.jpg    sample: the same frame restored                           (encoder)
    RUN/segments/000007.json      SegmentRecord, the commit                                 (encoder, after the rest)
    RUN/payloads/000007/DIGEST    a payload too large for a message                         (decoder, inference)
    RUN/outcome.json              Outcome, the end                                          (whoever ends it first)

Both samples of a pair show the same area of the picture. docs/ledger.md describes every field.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from reelwright.media.types import PlannedFrame, SourceInfo, StreamOutcome
from reelwright.titles.recipe import Recipe


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunRequest(_Document):
    """A run as it was submitted last.

    Attributes:
        run: its name.
        source: location of the film.
        output: location where the restored film is wanted.
        recipe: canonical JSON of the resolved recipe.
        fingerprint: titles.identity.content_fingerprint of the source.
        priority_class: express, standard or bulk.
        engine: identity of the engine it was submitted for.
        model_sha256: of the model's file, as hex.
        deadline: Unix seconds by which the film is wanted; 0 when nobody waits.
        submitted: Unix seconds.
    """

    run: str
    source: str
    output: str
    recipe: str
    fingerprint: str
    priority_class: str
    engine: str
    model_sha256: str
    deadline: float = 0.0
    submitted: float = 0.0


class Outcome(_Document):
    """How a run ended.

    Attributes:
        state: finished, failed or cancelled.
        reason: of a failure, one line.
        exit_code: of a failure: 2 when the person must mend the request or file, 1 when it is ours.
        error: of a failure: the error's class in titles.errors.
        output: of a finished run: where the film lies.
        frames: of a finished run: of its film.
    """

    state: Literal["finished", "failed", "cancelled"]
    reason: str = ""
    exit_code: int = 0
    error: str = ""
    output: str = ""
    frames: int = 0


class TitleRecord(_Document):
    """What a run is.

    `output` is where the film is wanted; `fingerprint` is titles.identity.content_fingerprint of the source.
    """

    run: str
    source: SourceInfo
    recipe: Recipe
    output: str
    fingerprint: str
    engine: str
    model_sha256: str
    version: str
    out_pix_fmt: str
    out_width: int
    out_height: int


class SegmentPlan(_Document):
    """A segment as decoded. `source_digest` is SHA-256 over the active pictures' samples in order, as hex."""

    segment: int
    first_frame: int
    frames: tuple[PlannedFrame, ...]
    source_digest: str


class PlanEnd(_Document):
    """The source was read to its end.

    `truncated_at` is the PTS of a cut that `conceal` ended the film at; `notes` are what reading it showed; `seconds`
    are the wall seconds per stage (decode).
    """

    segments: int
    frames: int
    truncated_at: int | None = None
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = {}


class SegmentRecord(_Document):
    """A committed segment.

    Attributes:
        segment: its number.
        first_frame: index in the title of its first frame.
        frames: what was encoded, in presentation order.
        frame_digests: SHA-256 of each restored picture as handed to the video encoder (bars included), as hex.
        file_sha256: of the encoded file, as hex.
        file_bytes: its size.
        engine: identity of the engine that restored it.
        seconds: wall seconds per stage (restoration, encode).
    """

    segment: int
    first_frame: int
    frames: tuple[PlannedFrame, ...]
    frame_digests: tuple[str, ...]
    file_sha256: str
    file_bytes: int
    engine: str
    seconds: dict[str, float]


class ShotEntry(_Document):
    """A shot of the finished film: first frame, frame count and the title frame index of its sample."""

    first_frame: int
    frames: int
    sample_frame: int


class Manifest(_Document):
    """What a film is and how it came to be; `reelwright verify` checks the film against it.

    `pts` are of the film's video stream in units of `time_base` as the film's container holds them;
    `source_pts` in the source's. `lossless` says that the frame digests hold for the decoded film. `notes` are
    sentences for a person: conversions, and what the container does not hold.
    """

    format: str = "reelwright-manifest-1"
    run: str
    version: str
    engine: str
    model_sha256: str
    recipe: Recipe
    source: SourceInfo
    source_fingerprint: str
    film: str
    film_sha256: str
    film_bytes: int
    width: int
    height: int
    pix_fmt: str
    frames_in: int
    frames_out: int
    concealed: tuple[int, ...]
    truncated_at: int | None
    time_base: str
    pts: tuple[int, ...]
    source_pts: tuple[int, ...]
    lossless: bool
    frame_digests: tuple[str, ...]
    streams: tuple[StreamOutcome, ...]
    chapters: int
    shots: tuple[ShotEntry, ...]
    seconds: dict[str, float]
    notes: tuple[str, ...] = ()
