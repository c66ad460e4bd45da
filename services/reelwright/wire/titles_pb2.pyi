from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TitleRequest(_message.Message):
    __slots__ = ("run", "source", "output", "recipe", "fingerprint", "priority_class", "engine", "model_sha256", "deadline", "submitted", "overwrite", "halo_frames", "toolchain", "attempt", "frames_estimate", "frame_pixels")
    RUN_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_CLASS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    MODEL_SHA256_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    HALO_FRAMES_FIELD_NUMBER: _ClassVar[int]
    TOOLCHAIN_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    FRAME_PIXELS_FIELD_NUMBER: _ClassVar[int]
    run: str
    source: str
    output: str
    recipe: str
    fingerprint: str
    priority_class: str
    engine: str
    model_sha256: str
    deadline: float
    submitted: float
    overwrite: bool
    halo_frames: int
    toolchain: str
    attempt: int
    frames_estimate: int
    frame_pixels: int
    def __init__(self, run: _Optional[str] = ..., source: _Optional[str] = ..., output: _Optional[str] = ..., recipe: _Optional[str] = ..., fingerprint: _Optional[str] = ..., priority_class: _Optional[str] = ..., engine: _Optional[str] = ..., model_sha256: _Optional[str] = ..., deadline: _Optional[float] = ..., submitted: _Optional[float] = ..., overwrite: _Optional[bool] = ..., halo_frames: _Optional[int] = ..., toolchain: _Optional[str] = ..., attempt: _Optional[int] = ..., frames_estimate: _Optional[int] = ..., frame_pixels: _Optional[int] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("run", "title_planned", "segment_committed", "title_finished", "title_failed", "title_cancelled", "segment_wanted", "engine_bound", "title_progress", "attempt")
    RUN_FIELD_NUMBER: _ClassVar[int]
    TITLE_PLANNED_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_COMMITTED_FIELD_NUMBER: _ClassVar[int]
    TITLE_FINISHED_FIELD_NUMBER: _ClassVar[int]
    TITLE_FAILED_FIELD_NUMBER: _ClassVar[int]
    TITLE_CANCELLED_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_WANTED_FIELD_NUMBER: _ClassVar[int]
    ENGINE_BOUND_FIELD_NUMBER: _ClassVar[int]
    TITLE_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    run: str
    title_planned: TitlePlanned
    segment_committed: SegmentCommitted
    title_finished: TitleFinished
    title_failed: TitleFailed
    title_cancelled: TitleCancelled
    segment_wanted: SegmentWanted
    engine_bound: EngineBound
    title_progress: TitleProgress
    attempt: int
    def __init__(self, run: _Optional[str] = ..., title_planned: _Optional[_Union[TitlePlanned, _Mapping]] = ..., segment_committed: _Optional[_Union[SegmentCommitted, _Mapping]] = ..., title_finished: _Optional[_Union[TitleFinished, _Mapping]] = ..., title_failed: _Optional[_Union[TitleFailed, _Mapping]] = ..., title_cancelled: _Optional[_Union[TitleCancelled, _Mapping]] = ..., segment_wanted: _Optional[_Union[SegmentWanted, _Mapping]] = ..., engine_bound: _Optional[_Union[EngineBound, _Mapping]] = ..., title_progress: _Optional[_Union[TitleProgress, _Mapping]] = ..., attempt: _Optional[int] = ...) -> None: ...

class SegmentWanted(_message.Message):
    __slots__ = ("segment", "reason")
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    segment: int
    reason: str
    def __init__(self, segment: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class EngineBound(_message.Message):
    __slots__ = ("engine",)
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    engine: str
    def __init__(self, engine: _Optional[str] = ...) -> None: ...

class TitleProgress(_message.Message):
    __slots__ = ("frames", "frames_committed", "frame_pixels", "priority_class", "model_sha256", "deadline", "submitted", "engine", "waiting", "segments_committed")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    FRAMES_COMMITTED_FIELD_NUMBER: _ClassVar[int]
    FRAME_PIXELS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_CLASS_FIELD_NUMBER: _ClassVar[int]
    MODEL_SHA256_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_COMMITTED_FIELD_NUMBER: _ClassVar[int]
    frames: int
    frames_committed: int
    frame_pixels: int
    priority_class: str
    model_sha256: str
    deadline: float
    submitted: float
    engine: str
    waiting: bool
    segments_committed: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, frames: _Optional[int] = ..., frames_committed: _Optional[int] = ..., frame_pixels: _Optional[int] = ..., priority_class: _Optional[str] = ..., model_sha256: _Optional[str] = ..., deadline: _Optional[float] = ..., submitted: _Optional[float] = ..., engine: _Optional[str] = ..., waiting: _Optional[bool] = ..., segments_committed: _Optional[_Iterable[int]] = ...) -> None: ...

class TitlePlanned(_message.Message):
    __slots__ = ("segments", "frames")
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    segments: int
    frames: int
    def __init__(self, segments: _Optional[int] = ..., frames: _Optional[int] = ...) -> None: ...

class SegmentCommitted(_message.Message):
    __slots__ = ("segment", "frames")
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    segment: int
    frames: int
    def __init__(self, segment: _Optional[int] = ..., frames: _Optional[int] = ...) -> None: ...

class TitleFinished(_message.Message):
    __slots__ = ("output", "frames")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    output: str
    frames: int
    def __init__(self, output: _Optional[str] = ..., frames: _Optional[int] = ...) -> None: ...

class TitleFailed(_message.Message):
    __slots__ = ("reason", "exit_code", "error")
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    reason: str
    exit_code: int
    error: str
    def __init__(self, reason: _Optional[str] = ..., exit_code: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class TitleCancelled(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
