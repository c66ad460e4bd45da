"""One title, from its source to published batches and a plan in the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import groupby

import reelwright
from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.events import publish_event
from reelwright.bus.protocol import Bus
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.segment_publisher import SegmentPublisher
from reelwright.decoder.segmenter import batches, lengths
from reelwright.decoder.settings import DecoderSettings
from reelwright.ledger.records import PlanEnd, TitleRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.bars import output_size
from reelwright.media.fingerprint import source_fingerprint
from reelwright.media.picture import pixel_format
from reelwright.media.probe import probe
from reelwright.media.profiles import out_pix_fmt
from reelwright.media.reader import FrameReader
from reelwright.media.types import DecodedFrame, SourceInfo
from reelwright.telemetry import metrics
from reelwright.titles.errors import InputError
from reelwright.titles.request import RunRequest
from reelwright.wire.titles_pb2 import Event, TitlePlanned


def decode_title(
    request: RunRequest,
    ledger: RunLedger,
    bus: Bus,
    claims: ClaimCheck,
    window: InFlightWindow,
    settings: DecoderSettings,
) -> int | None:
    """Publishes every segment of a title that is not committed yet and writes its plan.

    Returns:
        How many segments the title has; None, with no plan end written, when the window ended before.

    Raises:
        InputError: the source cannot be used, or is not the one that was submitted.
        LedgerError: the plan in the ledger is not this source's.
        UnavailableError: the source's store does not answer, or the ledger's store does not and the retries have ended.
    """
    title = describe_title(request, _source_of(request, ledger, settings))
    ledger.put_title(title)
    publisher = SegmentPublisher(title, ledger, bus, claims, window, settings.codec)
    reader = FrameReader(title.source, request.recipe)
    seconds = {"decode": 0.0}
    stream = batches(_counted(reader, seconds), *_lengths(title))
    segments = frames = 0
    for number, segment in groupby(stream, key=lambda batch: batch.segment):
        count = publisher.segment(number, segment)
        if window.ended:
            return None
        segments, frames = number + 1, frames + count
    notes, cut = tuple(reader.notes), reader.truncated_at
    end = PlanEnd(segments=segments, frames=frames, truncated_at=cut, notes=notes, seconds=seconds)
    ledger.put_plan_end(end)
    publish_event(bus, Event(run=request.run, title_planned=TitlePlanned(segments=segments, frames=frames)))
    return segments


def describe_title(request: RunRequest, source: SourceInfo) -> TitleRecord:
    """The ledger's record of a title whose source was probed."""
    width, height = output_size(source.video, request.recipe)
    return TitleRecord(
        request=request,
        source=source,
        version=reelwright.__version__,
        out_pix_fmt=out_pix_fmt(request.recipe.profile, source.video.pix_fmt),
        out_width=width,
        out_height=height,
    )


def _source_of(request: RunRequest, ledger: RunLedger, settings: DecoderSettings) -> SourceInfo:
    """What the source holds: from the ledger if this version has probed it before, else by probing it."""
    if source_fingerprint(request.source) != request.fingerprint:
        raise InputError("not the file that was submitted", request.source, "submit it again")
    known = ledger.title()
    if known is None or known.version != reelwright.__version__:
        return probe(request.source, settings.limits)
    settings.limits.check_size(known.source.video.width, known.source.video.height, request.source)
    return known.source.model_copy(update={"location": request.source})


def _lengths(title: TitleRecord) -> tuple[int, int]:
    video = title.source.video
    source = pixel_format(video.pix_fmt).frame_bytes(video.width, video.height)
    return lengths(source, pixel_format(title.out_pix_fmt).frame_bytes(title.out_width, title.out_height))


def _counted(frames: Iterable[DecodedFrame], seconds: dict[str, float]) -> Iterator[DecodedFrame]:
    """The frames, counted; what reading them takes is added to `seconds["decode"]`."""
    started = time.perf_counter()
    for frame in frames:
        elapsed = time.perf_counter() - started
        seconds["decode"] += elapsed
        metrics.STAGE_SECONDS.labels(stage="decode").inc(elapsed)
        metrics.FRAMES_DECODED.inc()
        yield frame
        started = time.perf_counter()
