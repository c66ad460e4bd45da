"""Short runs of pictures spread over a film, for measuring it before it is restored."""

from __future__ import annotations

from collections.abc import Iterator

from reelwright.media.container import open_source
from reelwright.media.formats import picture_of
from reelwright.media.frame_sampling import sample_runs, sampling_bound
from reelwright.media.picture import Picture
from reelwright.media.source_info import SourceInfo
from reelwright.media.stream_choice import video_stream


def sampled_pictures(info: SourceInfo) -> Iterator[list[Picture]]:
    """Up to 24 runs of up to 12 frames in a row, without the black bars.

    Of an interlaced film each picture is one field, because a frame has two moments.

    Args:
        info: what `probe` found in the file.
    """
    video = info.video
    bound = sampling_bound(video.width, video.height)
    with open_source(info.location, bound=bound) as container:
        for run in sample_runs(container, video_stream(container, info.location), info, bound):
            pictures = [
                picture_of(frame, video.bars)
                for frame in run
                if (frame.width, frame.height, frame.format.name) == (video.width, video.height, video.source_pix_fmt)
            ]
            if pictures:
                yield [_field(each) for each in pictures] if video.field_order in {"tff", "bff"} else pictures


def _field(picture: Picture) -> Picture:
    """Every other row of each plane."""
    planes = tuple(plane[::2].copy() for plane in picture.planes)
    return Picture(picture.pix_fmt, picture.width, planes[0].shape[0], planes)
