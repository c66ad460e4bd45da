"""The documents of a run in the ledger. All of them are JSON, and each write is complete or has no effect.

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
    RUN/outcome.json              Outcome; the first one that can be read stands            (who ends the attempt)

Both previews of a pair show the same area of the picture. docs/ledger.md describes every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from reelwright.media.frame_correction import ContrastPoints, ScenePlace, ToneChange
from reelwright.media.frame_damage import FrameDamage
from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.frame_record import FrameRecord
from reelwright.media.source_info import SourceInfo
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
        damage: of a finished run: what was done about a damaged source, as sentences.
    """

    state: Annotated[OutcomeState, BeforeValidator(_known_state)]
    reason: str = ""
    exit_code: int = 0
    error: str = ""
    output: str = ""
    frames: int = 0
    cost: float = 0.0
    damage: tuple[str, ...] = ()


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
