from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FrameInfo(_message.Message):
    __slots__ = ("pts", "duration", "shot_start", "preview", "concealed", "correction", "tone", "duplicate", "skipped", "repeats", "fading")
    PTS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    SHOT_START_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    CONCEALED_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    TONE_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    REPEATS_FIELD_NUMBER: _ClassVar[int]
    FADING_FIELD_NUMBER: _ClassVar[int]
    pts: int
    duration: int
    shot_start: bool
    preview: bool
    concealed: bool
    correction: CorrectionInfo
    tone: ToneInfo
    duplicate: bool
    skipped: int
    repeats: _containers.RepeatedCompositeFieldContainer[RepeatInfo]
    fading: FadingInfo
    def __init__(self, pts: _Optional[int] = ..., duration: _Optional[int] = ..., shot_start: _Optional[bool] = ..., preview: _Optional[bool] = ..., concealed: _Optional[bool] = ..., correction: _Optional[_Union[CorrectionInfo, _Mapping]] = ..., tone: _Optional[_Union[ToneInfo, _Mapping]] = ..., duplicate: _Optional[bool] = ..., skipped: _Optional[int] = ..., repeats: _Optional[_Iterable[_Union[RepeatInfo, _Mapping]]] = ..., fading: _Optional[_Union[FadingInfo, _Mapping]] = ...) -> None: ...

class RepeatInfo(_message.Message):
    __slots__ = ("pts", "duration", "concealed")
    PTS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    CONCEALED_FIELD_NUMBER: _ClassVar[int]
    pts: int
    duration: int
    concealed: bool
    def __init__(self, pts: _Optional[int] = ..., duration: _Optional[int] = ..., concealed: _Optional[bool] = ...) -> None: ...

class CropInfo(_message.Message):
    __slots__ = ("left", "top", "width", "height")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    left: int
    top: int
    width: int
    height: int
    def __init__(self, left: _Optional[int] = ..., top: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class ToneInfo(_message.Message):
    __slots__ = ("white", "shadows", "highlights", "veil", "detail")
    WHITE_FIELD_NUMBER: _ClassVar[int]
    SHADOWS_FIELD_NUMBER: _ClassVar[int]
    HIGHLIGHTS_FIELD_NUMBER: _ClassVar[int]
    VEIL_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    white: float
    shadows: float
    highlights: float
    veil: float
    detail: float
    def __init__(self, white: _Optional[float] = ..., shadows: _Optional[float] = ..., highlights: _Optional[float] = ..., veil: _Optional[float] = ..., detail: _Optional[float] = ...) -> None: ...

class FadingInfo(_message.Message):
    __slots__ = ("black", "white", "from_black", "from_white", "to_black", "to_white")
    BLACK_FIELD_NUMBER: _ClassVar[int]
    WHITE_FIELD_NUMBER: _ClassVar[int]
    FROM_BLACK_FIELD_NUMBER: _ClassVar[int]
    FROM_WHITE_FIELD_NUMBER: _ClassVar[int]
    TO_BLACK_FIELD_NUMBER: _ClassVar[int]
    TO_WHITE_FIELD_NUMBER: _ClassVar[int]
    black: float
    white: float
    from_black: float
    from_white: float
    to_black: float
    to_white: float
    def __init__(self, black: _Optional[float] = ..., white: _Optional[float] = ..., from_black: _Optional[float] = ..., from_white: _Optional[float] = ..., to_black: _Optional[float] = ..., to_white: _Optional[float] = ...) -> None: ...

class CorrectionInfo(_message.Message):
    __slots__ = ("gain", "offset", "move_right", "move_down", "right", "down", "light", "level", "local_x", "local_y", "local_xy", "local_xx", "local_yy", "local_lift", "rotation", "move_rotation", "local_offset")
    GAIN_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    MOVE_RIGHT_FIELD_NUMBER: _ClassVar[int]
    MOVE_DOWN_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    DOWN_FIELD_NUMBER: _ClassVar[int]
    LIGHT_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    LOCAL_X_FIELD_NUMBER: _ClassVar[int]
    LOCAL_Y_FIELD_NUMBER: _ClassVar[int]
    LOCAL_XY_FIELD_NUMBER: _ClassVar[int]
    LOCAL_XX_FIELD_NUMBER: _ClassVar[int]
    LOCAL_YY_FIELD_NUMBER: _ClassVar[int]
    LOCAL_LIFT_FIELD_NUMBER: _ClassVar[int]
    ROTATION_FIELD_NUMBER: _ClassVar[int]
    MOVE_ROTATION_FIELD_NUMBER: _ClassVar[int]
    LOCAL_OFFSET_FIELD_NUMBER: _ClassVar[int]
    gain: float
    offset: float
    move_right: float
    move_down: float
    right: float
    down: float
    light: float
    level: float
    local_x: float
    local_y: float
    local_xy: float
    local_xx: float
    local_yy: float
    local_lift: float
    rotation: float
    move_rotation: float
    local_offset: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, gain: _Optional[float] = ..., offset: _Optional[float] = ..., move_right: _Optional[float] = ..., move_down: _Optional[float] = ..., right: _Optional[float] = ..., down: _Optional[float] = ..., light: _Optional[float] = ..., level: _Optional[float] = ..., local_x: _Optional[float] = ..., local_y: _Optional[float] = ..., local_xy: _Optional[float] = ..., local_xx: _Optional[float] = ..., local_yy: _Optional[float] = ..., local_lift: _Optional[float] = ..., rotation: _Optional[float] = ..., move_rotation: _Optional[float] = ..., local_offset: _Optional[_Iterable[float]] = ...) -> None: ...

class Payload(_message.Message):
    __slots__ = ("pix_fmt", "width", "height", "frames", "codec", "digest", "inline", "reference")
    PIX_FMT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    INLINE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    pix_fmt: str
    width: int
    height: int
    frames: int
    codec: str
    digest: bytes
    inline: bytes
    reference: str
    def __init__(self, pix_fmt: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., frames: _Optional[int] = ..., codec: _Optional[str] = ..., digest: _Optional[bytes] = ..., inline: _Optional[bytes] = ..., reference: _Optional[str] = ...) -> None: ...

class Work(_message.Message):
    __slots__ = ("scale", "model", "model_sha256", "grain_keep", "pix_fmt", "full_range", "chroma_x", "chroma_y", "limits", "recipe_keys", "detail", "grain_mode", "grain_seed", "temporal_filter")
    SCALE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_SHA256_FIELD_NUMBER: _ClassVar[int]
    GRAIN_KEEP_FIELD_NUMBER: _ClassVar[int]
    PIX_FMT_FIELD_NUMBER: _ClassVar[int]
    FULL_RANGE_FIELD_NUMBER: _ClassVar[int]
    CHROMA_X_FIELD_NUMBER: _ClassVar[int]
    CHROMA_Y_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    RECIPE_KEYS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    GRAIN_MODE_FIELD_NUMBER: _ClassVar[int]
    GRAIN_SEED_FIELD_NUMBER: _ClassVar[int]
    TEMPORAL_FILTER_FIELD_NUMBER: _ClassVar[int]
    scale: int
    model: str
    model_sha256: str
    grain_keep: float
    pix_fmt: str
    full_range: bool
    chroma_x: float
    chroma_y: float
    limits: LimitsInfo
    recipe_keys: _containers.RepeatedScalarFieldContainer[str]
    detail: float
    grain_mode: str
    grain_seed: int
    temporal_filter: str
    def __init__(self, scale: _Optional[int] = ..., model: _Optional[str] = ..., model_sha256: _Optional[str] = ..., grain_keep: _Optional[float] = ..., pix_fmt: _Optional[str] = ..., full_range: _Optional[bool] = ..., chroma_x: _Optional[float] = ..., chroma_y: _Optional[float] = ..., limits: _Optional[_Union[LimitsInfo, _Mapping]] = ..., recipe_keys: _Optional[_Iterable[str]] = ..., detail: _Optional[float] = ..., grain_mode: _Optional[str] = ..., grain_seed: _Optional[int] = ..., temporal_filter: _Optional[str] = ...) -> None: ...

class LimitsInfo(_message.Message):
    __slots__ = ("unsupported", "coarse_difference")
    UNSUPPORTED_FIELD_NUMBER: _ClassVar[int]
    COARSE_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    unsupported: float
    coarse_difference: float
    def __init__(self, unsupported: _Optional[float] = ..., coarse_difference: _Optional[float] = ...) -> None: ...

class FrameBatch(_message.Message):
    __slots__ = ("run", "segment", "batch", "first_frame", "frames", "last", "work", "payload", "halo_before", "halo_after", "halo_corrections", "attempt")
    RUN_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    FIRST_FRAME_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    HALO_BEFORE_FIELD_NUMBER: _ClassVar[int]
    HALO_AFTER_FIELD_NUMBER: _ClassVar[int]
    HALO_CORRECTIONS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    run: str
    segment: int
    batch: int
    first_frame: int
    frames: _containers.RepeatedCompositeFieldContainer[FrameInfo]
    last: bool
    work: Work
    payload: Payload
    halo_before: int
    halo_after: int
    halo_corrections: _containers.RepeatedCompositeFieldContainer[CorrectionInfo]
    attempt: int
    def __init__(self, run: _Optional[str] = ..., segment: _Optional[int] = ..., batch: _Optional[int] = ..., first_frame: _Optional[int] = ..., frames: _Optional[_Iterable[_Union[FrameInfo, _Mapping]]] = ..., last: _Optional[bool] = ..., work: _Optional[_Union[Work, _Mapping]] = ..., payload: _Optional[_Union[Payload, _Mapping]] = ..., halo_before: _Optional[int] = ..., halo_after: _Optional[int] = ..., halo_corrections: _Optional[_Iterable[_Union[CorrectionInfo, _Mapping]]] = ..., attempt: _Optional[int] = ...) -> None: ...

class RestoredBatch(_message.Message):
    __slots__ = ("run", "segment", "batch", "first_frame", "frames", "last", "payload", "engine", "worker", "seconds", "damage", "cost", "tone_changes", "fidelity", "attempt", "grain", "worst", "worst_pictures", "worst_crops", "worst_masks")
    RUN_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    FIRST_FRAME_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    DAMAGE_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    TONE_CHANGES_FIELD_NUMBER: _ClassVar[int]
    FIDELITY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    GRAIN_FIELD_NUMBER: _ClassVar[int]
    WORST_FIELD_NUMBER: _ClassVar[int]
    WORST_PICTURES_FIELD_NUMBER: _ClassVar[int]
    WORST_CROPS_FIELD_NUMBER: _ClassVar[int]
    WORST_MASKS_FIELD_NUMBER: _ClassVar[int]
    run: str
    segment: int
    batch: int
    first_frame: int
    frames: _containers.RepeatedCompositeFieldContainer[FrameInfo]
    last: bool
    payload: Payload
    engine: str
    worker: str
    seconds: float
    damage: _containers.RepeatedCompositeFieldContainer[DamageInfo]
    cost: float
    tone_changes: _containers.RepeatedCompositeFieldContainer[ToneChangeInfo]
    fidelity: _containers.RepeatedCompositeFieldContainer[FidelityInfo]
    attempt: int
    grain: _containers.RepeatedCompositeFieldContainer[GrainInfo]
    worst: _containers.RepeatedCompositeFieldContainer[WorstFrameInfo]
    worst_pictures: Payload
    worst_crops: Payload
    worst_masks: Payload
    def __init__(self, run: _Optional[str] = ..., segment: _Optional[int] = ..., batch: _Optional[int] = ..., first_frame: _Optional[int] = ..., frames: _Optional[_Iterable[_Union[FrameInfo, _Mapping]]] = ..., last: _Optional[bool] = ..., payload: _Optional[_Union[Payload, _Mapping]] = ..., engine: _Optional[str] = ..., worker: _Optional[str] = ..., seconds: _Optional[float] = ..., damage: _Optional[_Iterable[_Union[DamageInfo, _Mapping]]] = ..., cost: _Optional[float] = ..., tone_changes: _Optional[_Iterable[_Union[ToneChangeInfo, _Mapping]]] = ..., fidelity: _Optional[_Iterable[_Union[FidelityInfo, _Mapping]]] = ..., attempt: _Optional[int] = ..., grain: _Optional[_Iterable[_Union[GrainInfo, _Mapping]]] = ..., worst: _Optional[_Iterable[_Union[WorstFrameInfo, _Mapping]]] = ..., worst_pictures: _Optional[_Union[Payload, _Mapping]] = ..., worst_crops: _Optional[_Union[Payload, _Mapping]] = ..., worst_masks: _Optional[_Union[Payload, _Mapping]] = ...) -> None: ...

class WorstFrameInfo(_message.Message):
    __slots__ = ("frame", "crop", "before", "strip")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    CROP_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    STRIP_FIELD_NUMBER: _ClassVar[int]
    frame: int
    crop: CropInfo
    before: int
    strip: int
    def __init__(self, frame: _Optional[int] = ..., crop: _Optional[_Union[CropInfo, _Mapping]] = ..., before: _Optional[int] = ..., strip: _Optional[int] = ...) -> None: ...

class GrainInfo(_message.Message):
    __slots__ = ("strength", "octaves")
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    OCTAVES_FIELD_NUMBER: _ClassVar[int]
    strength: _containers.RepeatedScalarFieldContainer[int]
    octaves: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, strength: _Optional[_Iterable[int]] = ..., octaves: _Optional[_Iterable[int]] = ...) -> None: ...

class ToneChangeInfo(_message.Message):
    __slots__ = ("brightness", "changed", "recovered")
    BRIGHTNESS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    brightness: float
    changed: float
    recovered: float
    def __init__(self, brightness: _Optional[float] = ..., changed: _Optional[float] = ..., recovered: _Optional[float] = ...) -> None: ...

class FidelityInfo(_message.Message):
    __slots__ = ("difference", "coarse_difference", "invention", "invention_finest", "unsupported", "level_before", "level_after", "grain_before", "grain_after", "tint", "repaired", "scratched", "held_back", "cells_before", "cells_after")
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    COARSE_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    INVENTION_FIELD_NUMBER: _ClassVar[int]
    INVENTION_FINEST_FIELD_NUMBER: _ClassVar[int]
    UNSUPPORTED_FIELD_NUMBER: _ClassVar[int]
    LEVEL_BEFORE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_AFTER_FIELD_NUMBER: _ClassVar[int]
    GRAIN_BEFORE_FIELD_NUMBER: _ClassVar[int]
    GRAIN_AFTER_FIELD_NUMBER: _ClassVar[int]
    TINT_FIELD_NUMBER: _ClassVar[int]
    REPAIRED_FIELD_NUMBER: _ClassVar[int]
    SCRATCHED_FIELD_NUMBER: _ClassVar[int]
    HELD_BACK_FIELD_NUMBER: _ClassVar[int]
    CELLS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    CELLS_AFTER_FIELD_NUMBER: _ClassVar[int]
    difference: float
    coarse_difference: float
    invention: float
    invention_finest: float
    unsupported: float
    level_before: float
    level_after: float
    grain_before: float
    grain_after: float
    tint: float
    repaired: float
    scratched: float
    held_back: float
    cells_before: _containers.RepeatedScalarFieldContainer[int]
    cells_after: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, difference: _Optional[float] = ..., coarse_difference: _Optional[float] = ..., invention: _Optional[float] = ..., invention_finest: _Optional[float] = ..., unsupported: _Optional[float] = ..., level_before: _Optional[float] = ..., level_after: _Optional[float] = ..., grain_before: _Optional[float] = ..., grain_after: _Optional[float] = ..., tint: _Optional[float] = ..., repaired: _Optional[float] = ..., scratched: _Optional[float] = ..., held_back: _Optional[float] = ..., cells_before: _Optional[_Iterable[int]] = ..., cells_after: _Optional[_Iterable[int]] = ...) -> None: ...

class DamageInfo(_message.Message):
    __slots__ = ("grain", "grain_size", "blockiness", "sharpness", "dust")
    GRAIN_FIELD_NUMBER: _ClassVar[int]
    GRAIN_SIZE_FIELD_NUMBER: _ClassVar[int]
    BLOCKINESS_FIELD_NUMBER: _ClassVar[int]
    SHARPNESS_FIELD_NUMBER: _ClassVar[int]
    DUST_FIELD_NUMBER: _ClassVar[int]
    grain: float
    grain_size: float
    blockiness: float
    sharpness: float
    dust: float
    def __init__(self, grain: _Optional[float] = ..., grain_size: _Optional[float] = ..., blockiness: _Optional[float] = ..., sharpness: _Optional[float] = ..., dust: _Optional[float] = ...) -> None: ...
