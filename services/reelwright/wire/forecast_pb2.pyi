from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outlook(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTLOOK_UNSPECIFIED: _ClassVar[Outlook]
    OUTLOOK_HELD: _ClassVar[Outlook]
    OUTLOOK_AT_RISK: _ClassVar[Outlook]
    OUTLOOK_MISSED: _ClassVar[Outlook]
OUTLOOK_UNSPECIFIED: Outlook
OUTLOOK_HELD: Outlook
OUTLOOK_AT_RISK: Outlook
OUTLOOK_MISSED: Outlook

class ForecastRequest(_message.Message):
    __slots__ = ("runs",)
    RUNS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, runs: _Optional[_Iterable[str]] = ...) -> None: ...

class ForecastReply(_message.Message):
    __slots__ = ("titles",)
    TITLES_FIELD_NUMBER: _ClassVar[int]
    titles: _containers.RepeatedCompositeFieldContainer[TitleForecast]
    def __init__(self, titles: _Optional[_Iterable[_Union[TitleForecast, _Mapping]]] = ...) -> None: ...

class PlannedTitle(_message.Message):
    __slots__ = ("frames", "frame_pixels", "priority_class", "model_sha256", "engine", "deadline")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    FRAME_PIXELS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_CLASS_FIELD_NUMBER: _ClassVar[int]
    MODEL_SHA256_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    frames: int
    frame_pixels: int
    priority_class: str
    model_sha256: str
    engine: str
    deadline: float
    def __init__(self, frames: _Optional[int] = ..., frame_pixels: _Optional[int] = ..., priority_class: _Optional[str] = ..., model_sha256: _Optional[str] = ..., engine: _Optional[str] = ..., deadline: _Optional[float] = ...) -> None: ...

class TitleForecast(_message.Message):
    __slots__ = ("run", "attempt", "finish", "earliest_finish", "deadline", "outlook", "reason", "frames_left")
    RUN_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    EARLIEST_FINISH_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    OUTLOOK_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FRAMES_LEFT_FIELD_NUMBER: _ClassVar[int]
    run: str
    attempt: int
    finish: float
    earliest_finish: float
    deadline: float
    outlook: Outlook
    reason: str
    frames_left: int
    def __init__(self, run: _Optional[str] = ..., attempt: _Optional[int] = ..., finish: _Optional[float] = ..., earliest_finish: _Optional[float] = ..., deadline: _Optional[float] = ..., outlook: _Optional[_Union[Outlook, str]] = ..., reason: _Optional[str] = ..., frames_left: _Optional[int] = ...) -> None: ...
