"""Messages to models and back: the only place where the wire's fields are named one by one."""

from __future__ import annotations

from pydantic import ValidationError

from reelwright.media.types import FrameDamage, FrameRecord
from reelwright.titles.errors import CorruptPayload
from reelwright.titles.request import RunRequest
from reelwright.wire.frames_pb2 import DamageInfo, FrameInfo
from reelwright.wire.titles_pb2 import TitleRequest


def frame_to_wire(record: FrameRecord) -> FrameInfo:
    """A frame's record as a message."""
    return FrameInfo(
        pts=record.pts,
        duration=record.duration,
        shot_start=record.shot_start,
        preview=record.preview,
        concealed=record.concealed,
    )


def frame_from_wire(info: FrameInfo) -> FrameRecord:
    """A message's frame as the pipeline handles it."""
    return FrameRecord(
        pts=info.pts,
        duration=info.duration,
        shot_start=info.shot_start,
        preview=info.preview,
        concealed=info.concealed,
    )


def damage_to_wire(damage: FrameDamage) -> DamageInfo:
    """What was measured in a frame as a message."""
    return DamageInfo(**damage.model_dump())


def damage_from_wire(message: DamageInfo) -> FrameDamage:
    """A message's measurement as the pipeline handles it.

    Raises:
        CorruptPayload: a figure is not within its range.
    """
    try:
        return FrameDamage.model_validate({name: getattr(message, name) for name in FrameDamage.model_fields})
    except ValidationError as error:
        first = error.errors()[0]
        raise CorruptPayload(f"measured damage, {first['loc'][0]}: {first['msg']}") from None


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
