"""What follows from a title's request and its probed source: its record, what workers do, and how it is cut."""

from __future__ import annotations

import reelwright
from reelwright.decoder.segmenter import lengths
from reelwright.ledger.records import TitleRecord
from reelwright.media.bars import output_size
from reelwright.media.colour import RANGE_FULL
from reelwright.media.picture import pixel_format
from reelwright.media.profiles import out_pix_fmt
from reelwright.media.source_info import SourceInfo
from reelwright.media.toolchain import toolchain_identity
from reelwright.titles.identity import grain_seed
from reelwright.titles.recipe import Recipe
from reelwright.titles.request import RunRequest
from reelwright.wire.frames_pb2 import LimitsInfo, Work


def describe_title(request: RunRequest, source: SourceInfo) -> TitleRecord:
    """The ledger's record of a title whose source was probed."""
    width, height = output_size(source.video, request.recipe)
    return TitleRecord(
        request=request,
        source=source,
        version=reelwright.__version__,
        toolchain=toolchain_identity(request.recipe.profile),
        out_pix_fmt=out_pix_fmt(request.recipe.profile, source.video.pix_fmt),
        out_width=width,
        out_height=height,
    )


def work_of(title: TitleRecord, recipe: Recipe) -> Work:
    """How frames of a title are restored.

    Args:
        title: the title.
        recipe: the title's, or that of a shot that has one for itself.
    """
    return Work(
        scale=recipe.scale,
        model=recipe.model,
        model_sha256=title.request.model_sha256,
        grain_keep=recipe.grain.keep,
        grain_mode=recipe.grain.mode,
        grain_seed=grain_seed(title.request.fingerprint),
        limits=LimitsInfo(**recipe.limits.model_dump()),
        detail=recipe.detail,
        temporal_filter=recipe.temporal_filter or "",
        recipe_keys=recipe.changed_keys(),
        pix_fmt=title.out_pix_fmt,
        full_range=title.source.video.colour.range == RANGE_FULL,
        chroma_x=title.source.video.chroma_siting[0],
        chroma_y=title.source.video.chroma_siting[1],
    )


def segment_and_batch_length(title: TitleRecord) -> tuple[int, int]:
    """The largest numbers of frames per segment and per batch of a title."""
    video = title.source.video
    source_bytes = pixel_format(video.pix_fmt).frame_bytes(video.width, video.height)
    restored_bytes = pixel_format(title.out_pix_fmt).frame_bytes(title.out_width, title.out_height)
    return lengths(source_bytes, restored_bytes)
