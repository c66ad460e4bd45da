"""The manifest beside a film: the document that says what the film is and how it was made."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from reelwright.ledger.edits import EditStep
from reelwright.ledger.judgement import Judgement, Redoing
from reelwright.ledger.shot_contrast import ShotContrast
from reelwright.ledger.shot_fidelity import FrameCurves, ShotFidelity
from reelwright.media.document_values import TimeBase
from reelwright.media.frame_correction import ToneChange
from reelwright.media.source_info import SourceInfo
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.titles.recipe import Recipe
from reelwright.titles.recipe_parsing import known_recipe


class ShotSteadiness(BaseModel):
    """How unsteady a shot was and is: root mean squares of what changes faster than within a second.

    Attributes:
        weave_before: of the scene's place in the source's frames, in samples of the source.
        weave_after: of its place in the restored frames, in the same samples.
        flicker_before: of its light in the source's frames, in per cent of its level.
        flicker_after: the same in the restored frames.
        rotation_before: of its rotation in the source's frames, in degrees; 0 if the recipe leaves rotation.
        rotation_after: the same in the restored frames.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    weave_before: float
    weave_after: float
    flicker_before: float
    flicker_after: float
    rotation_before: float = 0.0
    rotation_after: float = 0.0


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
