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
from reelwright.titles.recipe import Recipe
from reelwright.wire.titles_pb2 import Event, TitlePlanned, TitleRequest


def decode_title(
    request: TitleRequest,
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
    info = _source(request, settings)
    title = _describe(request, info)
    ledger.put_title(title)
    publisher = SegmentPublisher(request, title, ledger, bus, claims, window, settings.codec)
    reader = FrameReader(info, title.recipe)
    seconds = {"decode": 0.0}
    stream = batches(_counted(reader, seconds), *_lengths(info, title))
    segments = frames = 0
    for number, segment in groupby(stream, key=lambda batch: batch.segment):
        count = publisher.segment(number, segment)
        if window.ended:
            return None
        segments, frames = number + 1, frames + count
    notes, cut = tuple(reader.notes), reader.truncated_at
    end = PlanEnd(segments=segments, frames=frames, truncated_at=cut, notes=notes, seconds=seconds)
    ledger.put_plan_end(end)
    publish_event(bus, Event(run=title.run, title_planned=TitlePlanned(segments=segments, frames=frames)))
    return segments


def _source(request: TitleRequest, settings: DecoderSettings) -> SourceInfo:
    if source_fingerprint(request.source) != request.fingerprint:
        raise InputError("not the file that was submitted", request.source, "submit it again")
    return probe(request.source, settings.limits)


def _describe(request: TitleRequest, info: SourceInfo) -> TitleRecord:
    recipe = Recipe.model_validate_json(request.recipe)
    width, height = output_size(info.video, recipe)
    return TitleRecord(
        run=request.run,
        source=info,
        recipe=recipe,
        output=request.output,
        fingerprint=request.fingerprint,
        engine=request.engine,
        model_sha256=request.model_sha256,
        version=reelwright.__version__,
        out_pix_fmt=out_pix_fmt(recipe.profile, info.video.pix_fmt),
        out_width=width,
        out_height=height,
    )


def _lengths(info: SourceInfo, title: TitleRecord) -> tuple[int, int]:
    source = pixel_format(info.video.pix_fmt).frame_bytes(info.video.width, info.video.height)
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
