"""The ledger's documents. All of them are JSON, and each write is complete or has no effect.

The first attempt of a run has the folder RUN itself, a later one RUN/attempts/000002 and so on.

    RUN/request.json              titles.request.RunRequest                                 (`submit`)
    RUN/probe.json                SourceProbe                                               (`submit`)
    RUN/adopted.json              Adoption; not of the first attempt                        (`submit`)
    RUN/title.json                TitleRecord: request, source, format of the film          (`restore`, decoder)
    RUN/engine.json               EngineBinding                                             (encoder, first frame)
    RUN/plan/000007.json          SegmentPlan                                               (decoder)
    RUN/plan/end.json             PlanEnd                                                   (decoder, last)
    RUN/plan/000007-18.jpg        preview: the segment's frame 18 of the source             (decoder)
    RUN/segments/000007-HASH.mkv  encoded frames, named by 12 digits of their SHA-256       (encoder)
    RUN/segments/000007-18.jpg    preview: the same frame restored                          (encoder)
    RUN/segments/000007-18.worst  ShownFrame: what the report shows of it as the worst of   (encoder)
                                  its shot in the segment
    RUN/segments/000007.json      SegmentRecord, the commit                                 (encoder, after the rest)
    RUN/payloads/000007/DIGEST    a payload too large for a message                         (decoder, inference)
    RUN/marks/encode-000007-ID    WorkMark, while dangerous work is under way               (decoder, encoder)
    RUN/outcome.json              Outcome; the first one stands                             (who ends the attempt)

Both previews of a pair show the same area of the picture. docs/ledger.md describes every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from reelwright.ledger.edits import EditStep
from reelwright.ledger.judgement import Judgement, Redoing
from reelwright.ledger.shot_contrast import ShotContrast
from reelwright.ledger.shot_fidelity import FrameCurves, ShotFidelity
from reelwright.media.frame_correction import ContrastPoints, ScenePlace, ToneChange
from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.types import FrameDamage, FrameRecord, SourceInfo, StreamOutcome, TimeBase
from reelwright.titles.recipe import Recipe, known_recipe
from reelwright.titles.request import RunRequest
from reelwright.titles.versions import VersionedDocument

OutcomeState = Literal["finished", "failed", "cancelled"]


def _known_state(state: object) -> object:
    # A later version may know other ends. A run with an outcome has ended in any case.
    return state if state in get_args(OutcomeState) else "failed"


class Outcome(VersionedDocument):
    """How an attempt ended.

    Attributes:
        state: finished, failed or cancelled; a state of a later version is read as failed.
        reason: of a failure, one line.
        exit_code: of a failure: 2 when the person must correct the request or file, 1 when it is a failure of ours.
        error: of a failure: the error's class in titles.errors.
        output: of a finished run: location of the film.
        frames: of a finished run: number of frames in the film.
        cost: of a finished run: that of its manifest.
    """

    state: Annotated[OutcomeState, BeforeValidator(_known_state)]
    reason: str = ""
    exit_code: int = 0
    error: str = ""
    output: str = ""
    frames: int = 0
    cost: float = 0.0


class Adoption(VersionedDocument):
    """What an attempt uses of earlier ones as its own.

    Attributes:
        segments: numbers of the segments, by the number of the attempt that committed them.
        film: location of the run's delivered film, which is copied to the output of this attempt; empty without one.
    """

    segments: dict[int, tuple[int, ...]]
    film: str = ""

    @classmethod
    def of(cls, holders: Mapping[int, int], film: str) -> Self:
        """An adoption of segments, each with the attempt that committed it, or of a film."""
        segments: dict[int, tuple[int, ...]] = {}
        for segment, attempt in sorted(holders.items()):
            segments[attempt] = (*segments.get(attempt, ()), segment)
        return cls(segments=segments, film=film)

    def holders(self) -> dict[int, int]:
        """The segments, each with the attempt that committed it."""
        return {segment: attempt for attempt, found in self.segments.items() for segment in found}


class SourceProbe(VersionedDocument):
    """What a submission found in the source, so that the decoder need not probe it again.

    Attributes:
        source: what `probe` found.
        version: of the program that probed.
        toolchain: `media.toolchain.toolchain_identity` of the program that probed.
    """

    source: SourceInfo
    version: str
    toolchain: str


class TitleRecord(VersionedDocument):
    """What a run is: the request, what its source holds, and the format of its film.

    Attributes:
        request: as it was when the source was last opened.
        source: what `probe` found in the source.
        version: of the program that probed the source.
        toolchain: `media.toolchain.toolchain_identity` of the decoder that opened the source last.
        out_pix_fmt: pixel format of the restored frames.
        out_width: of the film, in luma samples.
        out_height: the same.
    """

    request: RunRequest
    source: SourceInfo
    version: str
    toolchain: str = ""
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


class EngineBinding(VersionedDocument):
    """The engine that all frames of a run are restored with.

    Attributes:
        engine: its identity.
    """

    engine: str


class SegmentPlan(VersionedDocument):
    """A segment as decoded.

    Attributes:
        segment: its number.
        first_frame: index of its first frame in the title.
        frames: its frames in presentation order.
        source_digest: SHA-256 over the samples of the pictures (without bars) in order, as hex.
        seekable_by: identity of the decoders that may begin a reading at its shot (`decoder.takeover`); empty for none.
    """

    # Earlier versions mark no duplicates, and a run may be begun by one and continued by another.
    MAY_DIFFER: ClassVar[dict[str, Any]] = {"frames": {"__all__": {"duplicate"}}, "seekable_by": True}

    segment: int
    first_frame: int
    frames: tuple[FrameRecord, ...]
    source_digest: str
    seekable_by: str = ""

    def content(self) -> dict[str, Any]:
        """What another plan of the same segment agrees with."""
        return self.model_dump(exclude=self.MAY_DIFFER)


class PlanEnd(VersionedDocument):
    """The totals of a plan, written when the source was read to its end.

    Attributes:
        segments: number of segments.
        frames: number of frames.
        truncated_at: PTS at which an incomplete source ended, with `on_damage = conceal`; None for a complete source.
        notes: repairs of timestamps and other findings, as sentences.
        seconds: wall seconds per stage (decode).
    """

    segments: int
    frames: int
    truncated_at: int | None = None
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = Field(default_factory=dict)


class SegmentRecord(VersionedDocument):
    """A committed segment.

    Attributes:
        segment: its number.
        first_frame: index in the title of its first frame.
        frames: what was encoded, in presentation order.
        frame_digests: SHA-256 of each restored picture as handed to the video encoder (bars included), as hex.
        file_sha256: of the encoded file, as hex.
        file_bytes: its size.
        engine: identity of the engine that restored it.
        toolchain: `media.toolchain.toolchain_identity` of the encoder that encoded it.
        seconds: wall seconds per stage (restoration, encode).
        cost: of its restoration: the price of the workers' pods for the time it took, in the operator's currency.
        damage: what was measured in each of `frames`, in order; empty when the model reads single frames.
        scene: where the scene lies in each of the restored frames and how light it is, in order and in samples of the
            source, counted anew from the segment's first frame; empty when the recipe steadies nothing.
        tone_changes: what opening glare and shadows changed in each of the frames, in order; empty when the recipe
            opens neither.
        fidelity: how each of the frames agrees with its source, in order; empty when a worker of an earlier version
            restored some of them.
        points: dark and bright end of each of the restored frames, in order; empty when the recipe leaves fading.
    """

    segment: int
    first_frame: int
    frames: tuple[FrameRecord, ...]
    frame_digests: tuple[str, ...]
    file_sha256: str
    file_bytes: int
    engine: str
    toolchain: str = ""
    seconds: dict[str, float]
    cost: float = 0.0
    damage: tuple[FrameDamage, ...] = ()
    scene: tuple[ScenePlace, ...] = ()
    tone_changes: tuple[ToneChange, ...] = ()
    fidelity: tuple[FrameFidelity, ...] = ()
    points: tuple[ContrastPoints, ...] = ()


class ShotSteadiness(BaseModel):
    """How unsteady a shot was and is: root mean squares of what changes faster than within a second.

    Attributes:
        weave_before: of the scene's place in the source's frames, in samples of the source.
        weave_after: of its place in the restored frames, in the same samples.
        flicker_before: of its light in the source's frames, in per cent of its level.
        flicker_after: the same in the restored frames.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    weave_before: float
    weave_after: float
    flicker_before: float
    flicker_after: float


class ShotDamage(BaseModel):
    """What was measured in the frames of a shot, as `FrameDamage`: the mean of each figure.

    Attributes:
        grain: standard deviation, in 8-bit levels.
        grain_size: correlation between adjacent pixels, 0 to 1.
        blockiness: excess of the gradient at the borders of 8x8 blocks, 0 to 1.
        sharpness: energy of the finest detail relative to that of detail twice as large, 0 to 1.
        dust_frames: share of the frames in which dust was replaced.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    grain: float
    grain_size: float
    blockiness: float
    sharpness: float
    dust_frames: float


class ShotEntry(BaseModel):
    """A shot of the finished film.

    Attributes:
        first_frame: index of its first frame in the title.
        frames: how many frames it has.
        preview_frame: index in the title of the frame that the report shows for it. Manifests written before 0.1.0
            call this field `sample_frame`.
        damage: what was measured in its frames; None when the model reads single frames.
        steadiness: before and after; None when the recipe steadies nothing, or the shot is too short to be measured.
        tone_change: what opening glare and shadows changed in its frames, the mean of each figure; None when the recipe
            opens neither.
        fidelity: how its frames agree with the source; None when a part of it was not measured.
        contrast: before and after; None when the recipe leaves fading.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    first_frame: int
    frames: int
    preview_frame: int = Field(validation_alias=AliasChoices("preview_frame", "sample_frame"))
    damage: ShotDamage | None = None
    steadiness: ShotSteadiness | None = None
    tone_change: ToneChange | None = None
    fidelity: ShotFidelity | None = None
    contrast: ShotContrast | None = None


class Manifest(BaseModel):
    """What a film is and how it was made; `reelwright verify` checks the film against it.

    Attributes:
        format: version of this document.
        run: name of the run.
        version: of the program.
        engine: identity of the engine that restored every frame.
        model_sha256: of the model's file, as hex.
        toolchains: every `media.toolchain.toolchain_identity` that decoded or encoded a part of the film.
        recipe: what was done to the film; without the keys that this version does not know.
        source: what `probe` found in the source.
        source_fingerprint: `titles.identity.content_fingerprint` of the source.
        film: the file's name without its folder.
        film_sha256: of the file, as hex.
        film_bytes: size of the file.
        width: of the stored picture, in luma samples.
        height: the same.
        pix_fmt: of the video stream.
        frames_in: frames that were read from the source.
        frames_out: frames in the film; always equal to `frames_in`.
        concealed: indices of the frames that replace one that did not decode.
        duplicates: indices of the frames that repeat the one before (see `media.duplicates`); empty in manifests of
            earlier versions.
        truncated_at: PTS at which an incomplete source ended, in the source's time base; None for a complete source.
        time_base: seconds per unit of `pts`.
        pts: of each frame, as the film's container holds them.
        source_pts: of the same frames, in the source's time base; of an excerpt less what was left out before each.
        excerpts: of an excerpt each part's first frame and its time in the source; empty for a whole film.
        lossless: decoding the film gives pictures with `frame_digests`.
        frame_digests: SHA-256 of each restored picture's samples, as hex.
        streams: what became of each of the source's other streams.
        chapters: number of chapters in the film.
        timecode: at which the film starts, as hh:mm:ss:ff; empty without a timecode.
        shots: the film's shots in order.
        edits: what was done to which frames.
        frame_fidelity: how each frame agrees with its source; None when a frame was not measured.
        judgements: what people said about its shots, in the order of time.
        redone: shots that were restored again with settings of their own, in the order of time.
        seconds: wall seconds per stage, summed over threads.
        cost: of the restoration of its frames: the price of the workers' pods for the time it took, in the operator's
            currency. Time in which pods waited is not counted, nor work that was lost and done again.
        notes: sentences for a person: conversions, and what the container cannot hold.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: str = "reelwright-manifest-1"
    run: str
    version: str
    engine: str
    model_sha256: str
    toolchains: tuple[str, ...] = ()
    recipe: Annotated[Recipe, BeforeValidator(known_recipe)]
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
    duplicates: tuple[int, ...] = ()
    truncated_at: int | None
    time_base: TimeBase
    pts: tuple[int, ...]
    source_pts: tuple[int, ...]
    excerpts: tuple[tuple[int, int], ...] = ()
    lossless: bool
    frame_digests: tuple[str, ...]
    streams: tuple[StreamOutcome, ...]
    chapters: int
    timecode: str = ""
    shots: tuple[ShotEntry, ...]
    edits: tuple[EditStep, ...] = ()
    frame_fidelity: FrameCurves | None = None
    judgements: tuple[Judgement, ...] = ()
    redone: tuple[Redoing, ...] = ()
    seconds: dict[str, float]
    cost: float = 0.0
    notes: tuple[str, ...] = ()
