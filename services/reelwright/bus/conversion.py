"""Messages to models and back: the only place where the wire's fields are named one by one."""

from __future__ import annotations

from itertools import accumulate
from typing import TypeVar

from google.protobuf.message import Message
from pydantic import BaseModel, ValidationError

from reelwright.media.frame_correction import FrameCorrection, FrameFading, FrameTone, ToneChange
from reelwright.media.frame_damage import FrameDamage
from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.frame_grain import FrameGrain
from reelwright.media.frame_record import FrameRecord, Repeat
from reelwright.media.worst_frame import Crop, WorstFrame
from reelwright.titles.errors import CorruptPayload
from reelwright.titles.request import RunRequest
from reelwright.wire.frames_pb2 import (
    CorrectionInfo,
    CropInfo,
    DamageInfo,
    FadingInfo,
    FidelityInfo,
    FrameBatch,
    FrameInfo,
    GrainInfo,
    RepeatInfo,
    ToneChangeInfo,
    ToneInfo,
    WorstFrameInfo,
)
from reelwright.wire.titles_pb2 import TitleRequest

Figures = TypeVar("Figures", bound=BaseModel)


def frame_to_wire(record: FrameRecord) -> FrameInfo:
    """A frame's record as a message."""
    correction = None if record.correction is None else correction_to_wire(record.correction)
    return FrameInfo(
        pts=record.pts,
        duration=record.duration,
        shot_start=record.shot_start,
        preview=record.preview,
        concealed=record.concealed,
        duplicate=record.duplicate,
        skipped=record.skipped,
        repeats=[RepeatInfo(**repeat.model_dump()) for repeat in record.repeats],
        correction=correction,
        tone=None if record.tone is None else ToneInfo(**record.tone.model_dump()),
        fading=None if record.fading is None else FadingInfo(**record.fading.model_dump()),
    )


def frame_from_wire(info: FrameInfo) -> FrameRecord:
    """A message's frame as the pipeline handles it.

    Raises:
        CorruptPayload: a figure of its correction, tone or fading is not within its range.
    """
    return FrameRecord(
        pts=info.pts,
        duration=info.duration,
        shot_start=info.shot_start,
        preview=info.preview,
        concealed=info.concealed,
        duplicate=info.duplicate,
        skipped=info.skipped,
        repeats=tuple(_figures(each, Repeat, "repeat") for each in info.repeats),
        correction=correction_from_wire(info.correction) if info.HasField("correction") else None,
        tone=tone_of(info),
        fading=fading_of(info),
    )


def worst_to_wire(index: int, worst: WorstFrame) -> WorstFrameInfo:
    """What a message says about the worst frame of a shot, which is the frame at `index` in its batch."""
    crop = CropInfo(**worst.crop.model_dump())
    return WorstFrameInfo(frame=index, crop=crop, before=worst.before, strip=len(worst.crops))


def crop_from_wire(info: CropInfo) -> Crop:
    """A part of a picture. Raises CorruptPayload: a figure is not within its range."""
    return _figures(info, Crop, "crop")


def frame_numbers(batch: FrameBatch) -> list[int]:
    """The index in the title of each frame of a batch; a frame's repeats come between it and the next one."""
    lengths = [1 + len(info.repeats) for info in batch.frames]
    return list(accumulate(lengths[:-1], initial=int(batch.first_frame)))


def correction_to_wire(correction: FrameCorrection) -> CorrectionInfo:
    """A frame's correction as a message."""
    return CorrectionInfo(**correction.model_dump())


def correction_from_wire(message: CorrectionInfo) -> FrameCorrection:
    """A message's correction as the pipeline handles it.

    Raises:
        CorruptPayload: a figure is not within its range.
    """
    return _figures(message, FrameCorrection, "correction")


def corrections_of(batch: FrameBatch) -> list[FrameCorrection]:
    """The corrections of a batch's pictures, halo frames among them, in order; one that is not there changes nothing.

    Raises:
        CorruptPayload: see `frame_from_wire`.
    """
    halo = list(batch.halo_corrections) or [CorrectionInfo(gain=1)] * (batch.halo_before + batch.halo_after)
    own = [info.correction if info.HasField("correction") else CorrectionInfo(gain=1) for info in batch.frames]
    messages = [*halo[: batch.halo_before], *own, *halo[batch.halo_before :]]
    return [correction_from_wire(message) for message in messages]


def tone_of(info: FrameInfo) -> FrameTone | None:
    """How glare and shadows of a frame are opened; None when they are not.

    Raises:
        CorruptPayload: a figure is not within its range.
    """
    return _figures(info.tone, FrameTone, "tone") if info.HasField("tone") else None


def fading_of(info: FrameInfo) -> FrameFading | None:
    """How lost contrast of a frame is brought back; None when it is left.

    Raises:
        CorruptPayload: a figure is not within its range.
    """
    return _figures(info.fading, FrameFading, "fading") if info.HasField("fading") else None


def tone_change_to_wire(change: ToneChange) -> ToneChangeInfo:
    """What was changed in a frame as a message."""
    return ToneChangeInfo(**change.model_dump())


def tone_change_from_wire(message: ToneChangeInfo) -> ToneChange:
    """A message's change as the pipeline handles it.

    Raises:
        CorruptPayload: a figure is not within its range.
    """
    return _figures(message, ToneChange, "change of tone")


def fidelity_to_wire(fidelity: FrameFidelity) -> FidelityInfo:
    """How a frame agrees with its source as a message."""
    return FidelityInfo(**fidelity.model_dump())


def fidelity_from_wire(message: FidelityInfo) -> FrameFidelity:
    """A message's measurement as the pipeline handles it.

    Raises:
        CorruptPayload: a figure is not within its range.
    """
    return _figures(message, FrameFidelity, "measured fidelity")


def grain_to_wire(grain: FrameGrain) -> GrainInfo:
    """What was measured of a frame's grain as a message."""
    return GrainInfo(**grain.model_dump())


def grain_from_wire(message: GrainInfo) -> FrameGrain:
    """A message's grain as the pipeline handles it.

    Raises:
        CorruptPayload: a figure is not within its range, or one is missing.
    """
    try:
        strength, octaves = tuple(message.strength), tuple(message.octaves)
        return FrameGrain.model_validate({"strength": strength, "octaves": octaves})
    except ValidationError as error:
        raise CorruptPayload(f"measured grain: {error.errors()[0]['msg']}") from None


def damage_to_wire(damage: FrameDamage) -> DamageInfo:
    """What was measured in a frame as a message."""
    return DamageInfo(**damage.model_dump())


def damage_from_wire(message: DamageInfo) -> FrameDamage:
    """A message's measurement as the pipeline handles it.

    Raises:
        CorruptPayload: a figure is not within its range.
    """
    return _figures(message, FrameDamage, "measured damage")


def request_to_wire(request: RunRequest) -> TitleRequest:
    """A request as a message."""
    return TitleRequest(
        run=request.run,
        attempt=request.attempt,
        source=request.source,
        output=request.output,
        recipe=request.recipe.canonical(),
        fingerprint=request.fingerprint,
        priority_class=request.priority_class,
        engine=request.engine,
        model_sha256=request.model_sha256,
        toolchain=request.toolchain,
        deadline=request.deadline,
        overwrite=request.overwrite,
        submitted=request.submitted,
        halo_frames=request.halo_frames,
        frames_estimate=request.frames_estimate,
        frame_pixels=request.frame_pixels,
    )


def _figures(message: Message, kind: type[Figures], what: str) -> Figures:
    try:
        return kind.model_validate({name: getattr(message, name) for name in kind.model_fields})
    except ValidationError as error:
        first = error.errors()[0]
        where = ", ".join([what, *(str(each) for each in first["loc"][:1])])
        raise CorruptPayload(f"{where}: {first['msg']}") from None
