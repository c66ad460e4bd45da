"""Compares what a restored batch claims with its title, before it is held or anything is allocated for it."""

from __future__ import annotations

from reelwright.bus.batch_limits import check_frame_count
from reelwright.ledger.records import TitleRecord
from reelwright.media.bars import restored_size
from reelwright.media.picture import gray_format
from reelwright.media.repeats import MOST_REPEATS
from reelwright.media.worst_frame import STRIP_REACH
from reelwright.titles.errors import UnusableMessage
from reelwright.wire.frames_pb2 import Payload, RestoredBatch

# Many times what the decoder makes of a segment.
_MAX_BATCHES = 1024
# Many times what a batch takes or costs, and so little that the sum over a film is a number.
_MOST = 1e9


def check_restored_batch(batch: RestoredBatch, title: TitleRecord) -> None:
    """Refuses a batch that cannot be of a title.

    Raises:
        UnusableMessage: it claims what no worker sends.
    """
    check_frame_count(len(batch.frames), batch.payload)
    _check_measurements(batch, title)
    for info in batch.frames:
        if len(info.repeats) > MOST_REPEATS:
            raise UnusableMessage(f"a frame with {len(info.repeats)} repeats, at most {MOST_REPEATS}")
    _check_worst(batch, title)
    payload, wanted = batch.payload, (title.out_pix_fmt, *restored_size(title.source.video, title.request.recipe))
    found = (payload.pix_fmt, payload.width, payload.height)
    if found != wanted:
        raise UnusableMessage(f"pictures of {_shown(found)}, the title's are {_shown(wanted)}")
    for what, value in (("a cost", batch.cost), ("seconds", batch.seconds)):
        if not 0 <= value <= _MOST:
            raise UnusableMessage(f"{what} of {value:g}, which is a number from 0 to {_MOST:g}")
    if batch.batch >= _MAX_BATCHES:
        raise UnusableMessage(f"batch {batch.batch} of a segment, which has at most {_MAX_BATCHES}")


def _check_measurements(batch: RestoredBatch, title: TitleRecord) -> None:
    request, recipe = title.request, title.request.recipe
    # A model that reads neighbours measures each frame, and no other model measures any.
    measured = len(batch.frames) if request.halo_frames else 0
    if len(batch.damage) != measured:
        raise UnusableMessage(f"{len(batch.damage)} measurements, the batch must have {measured}")
    opened = len(batch.frames) if recipe.tone.opens else 0
    if len(batch.tone_changes) != opened:
        raise UnusableMessage(f"{len(batch.tone_changes)} changes of tone, the batch must have {opened}")
    if len(batch.fidelity) not in {0, len(batch.frames)}:
        raise UnusableMessage(f"{len(batch.fidelity)} frames measured, the batch has {len(batch.frames)}")
    grainy = len(batch.frames) if recipe.grain.mode == "table" else 0
    if len(batch.grain) != grainy:
        raise UnusableMessage(f"grain of {len(batch.grain)} frames, the batch must have it of {grainy}")


def _check_worst(batch: RestoredBatch, title: TitleRecord) -> None:
    recipe, video = title.request.recipe, title.source.video
    width, height = (side // recipe.scale for side in restored_size(video, recipe))
    numbers = [info.frame for info in batch.worst]
    if numbers != sorted(set(numbers)) or (numbers and numbers[-1] >= len(batch.frames)):
        raise UnusableMessage(f"worst frames {numbers} of a batch of {len(batch.frames)}")
    for info in batch.worst:
        if not (info.before <= STRIP_REACH and info.before < info.strip <= info.before + 1 + STRIP_REACH):
            raise UnusableMessage(f"a strip of {info.strip} frames, {info.before} of them before the worst one")
        crop = info.crop
        if not (0 < crop.width <= width - crop.left and 0 < crop.height <= height - crop.top):
            raise UnusableMessage(f"a crop that is not in a picture of {width}x{height}")
    if len({(info.crop.width, info.crop.height) for info in batch.worst}) > 1:
        raise UnusableMessage("crops of several sizes")
    if not batch.worst:
        return
    formats, crop = {video.pix_fmt, gray_format(video.pix_fmt)}, batch.worst[0].crop
    _check_pictures(batch.worst_pictures, formats, (width, height, len(numbers)))
    _check_pictures(batch.worst_crops, formats, (crop.width, crop.height, sum(info.strip for info in batch.worst)))
    if batch.HasField("worst_masks"):
        _check_pictures(batch.worst_masks, {"gray"}, (width, height, len(numbers)))


def _check_pictures(payload: Payload, formats: set[str], wanted: tuple[int, int, int]) -> None:
    found = (payload.width, payload.height, payload.frames)
    if payload.pix_fmt not in formats or found != wanted:
        shown = f"{found[2]} pictures of {found[0]}x{found[1]} {payload.pix_fmt!r}"
        raise UnusableMessage(f"{shown} for worst frames, which are {wanted[2]} of {wanted[0]}x{wanted[1]}")


def _shown(kind: tuple[str, int, int]) -> str:
    return f"{kind[1]}x{kind[2]} {kind[0]!r}"
