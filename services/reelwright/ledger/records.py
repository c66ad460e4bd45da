"""The ledger's documents. All JSON, all written once and whole.

    RUN/request.json              RunRequest: the run as submitted                          (whoever submits)
    RUN/title.json                what the run is: source, recipe, engine                   (decoder, first)
    RUN/plan/000007.json          SegmentPlan                                               (decoder)
    RUN/plan/end.json             PlanEnd                                                   (decoder, last)
    RUN/plan/000007-18.jpg        preview: the segment's frame 18 of the source             (decoder)
    RUN/segments/000007-HASH.mkv  encoded frames, named by 12 digits of their SHA-256       (encoder)
    RUN/segments/000007-18.jpg    preview: the same frame restored                          (encoder)
    RUN/segments/000007.json      SegmentRecord, the commit                                 (encoder, after the rest)
    RUN/payloads/000007/DIGEST    a payload too large for a message                         (decoder, inference)
    RUN/outcome.json              Outcome, the end                                          (whoever ends it first)

Both previews of a pair show the same area of the picture. docs/ledger.md describes every field.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from reelwright.media.types import FrameRecord, SourceInfo, StreamOutcome, TimeBase
from reelwright.titles.recipe import Recipe
from reelwright.titles.request import RunRequest


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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
    """What a run is: the request, what its source holds, and the format of its film.

    Attributes:
        request: as it was when the source was last opened.
        source: what `probe` found in the source.
        version: of the program that probed the source.
        out_pix_fmt: pixel format of the restored frames.
        out_width: of the film, in luma samples.
        out_height: the same.
    """

    request: RunRequest
    source: SourceInfo
    version: str
    out_pix_fmt: str
    out_width: int
    out_height: int

    @model_validator(mode="before")
    @classmethod
    def _nest_request(cls, document: object) -> object:
        """Reads documents of development versions, which repeat the request's fields beside the others."""
        if not isinstance(document, dict) or "request" in document or "recipe" not in document:
            return document
        fields = dict(document)
        names = ("run", "recipe", "output", "fingerprint", "engine", "model_sha256")
        request = {name: fields.pop(name) for name in names if name in fields}
        location = dict(fields.get("source", {})).get("location")
        return {**fields, "request": {**request, "source": location, "priority_class": "standard"}}


class SegmentPlan(_Document):
    """A segment as decoded. `source_digest` is SHA-256 over the active pictures' samples in order, as hex."""

    segment: int
    first_frame: int
    frames: tuple[FrameRecord, ...]
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
    frames: tuple[FrameRecord, ...]
    frame_digests: tuple[str, ...]
    file_sha256: str
    file_bytes: int
    engine: str
    seconds: dict[str, float]


class ShotEntry(_Document):
    """A shot of the finished film.

    Attributes:
        first_frame: index of its first frame in the title.
        frames: how many frames it has.
        preview_frame: index in the title of the frame that the report shows for it. Manifests written before 0.1.0
            call this field `sample_frame`.
    """

    first_frame: int
    frames: int
    preview_frame: int = Field(validation_alias=AliasChoices("preview_frame", "sample_frame"))


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
    time_base: TimeBase
    pts: tuple[int, ...]
    source_pts: tuple[int, ...]
    lossless: bool
    frame_digests: tuple[str, ...]
    streams: tuple[StreamOutcome, ...]
    chapters: int
    timecode: str = ""
    shots: tuple[ShotEntry, ...]
    seconds: dict[str, float]
    notes: tuple[str, ...] = ()
