"""Decodes one title, segment by segment, from its first frame or from where an earlier decoder stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import groupby

import reelwright
from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.events import publish_event
from reelwright.bus.protocol import Bus
from reelwright.decoder.fading import with_fading
from reelwright.decoder.guarded_frames import guarded_frames, sought_frames
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.look_ahead import look_ahead
from reelwright.decoder.segment_publisher import SegmentPublisher
from reelwright.decoder.segmenter import batches
from reelwright.decoder.settings import DecoderSettings
from reelwright.decoder.takeover import Takeover, decoder_identity, find_takeover
from reelwright.decoder.title_description import describe_title, segment_and_batch_length
from reelwright.decoder.tone_curves import with_tone
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.records import PlanEnd, SourceProbe, TitleRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.clock_joins import with_recordings
from reelwright.media.colour import RANGE_FULL
from reelwright.media.fingerprint import check_held_source
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.held_files import held
from reelwright.media.picture import pixel_format
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.media.repeats import restored_frames
from reelwright.media.seeking import SeekFailed
from reelwright.media.source_info import SourceInfo
from reelwright.media.toolchain import toolchain_identity
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.tracing import span
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import LedgerError
from reelwright.titles.request import RunRequest
from reelwright.wire.titles_pb2 import Event, TitlePlanned

log = get_logger(__name__)


def decode_title(
    request: RunRequest,
    ledger: RunLedger,
    *,
    bus: Bus,
    claims: ClaimCheck,
    window: InFlightWindow,
    settings: DecoderSettings,
    guard: CrashGuard,
    may_seek: bool = True,
) -> int | None:
    """Publishes every segment of a title that is not committed yet and writes the title's plan.

    Args:
        request: the title.
        ledger: its ledger.
        bus: where batches and events are published.
        claims: stores payloads that are too large for a message.
        window: limits the segments in flight; the pass stops when it is closed.
        settings: the decoder's.
        guard: of this process, against frames that kill it.
        may_seek: the reading may begin at a later frame than the first.

    Returns:
        How many segments the title has, 0 if its film is copied; None, without a plan end, when the window was closed
        before the last one.

    Raises:
        InputError: the source must not be read, cannot be used, or is not the one that was submitted.
        OutputError: the output must not be written.
        RestorationFailed: opening or decoding it has killed too many decoders.
        LedgerError: the plan in the ledger is not this source's.
        SeekFailed: the reading did not begin at the first frame and was not proven to be the same.
        UnavailableError: the source's store does not answer, or the ledger's store does not and the retries have ended.
    """
    # Before hours of work; the encoder checks again before it delivers.
    ledger.check_locations(request)
    if ledger.adopted_film():
        # An encoder copies it. No frame is decoded, unless it cannot be used.
        publish_event(bus, Event(run=request.run, attempt=request.attempt, title_planned=TitlePlanned()))
        return 0
    with held(request.source, request.fingerprint):
        title = _opened_title(request, ledger, settings, guard)
        publisher = SegmentPublisher(title, ledger, bus=bus, claims=claims, window=window, codec=settings.codec)
        takeover = find_takeover(ledger, window.committed, decoder_identity(title)) if may_seek else None
        if takeover:
            log.info("reading from a later frame", frame=takeover.point.index, segment=takeover.segment)
        end = _publish_segments(title, publisher, takeover, ledger=ledger, window=window, guard=guard)
        if end is None:
            return None
        # The assembler opens the source again; a plan is complete only for a source that is still there.
        check_held_source(request.source)
    ledger.put_plan_end(end)
    planned = TitlePlanned(segments=end.segments, frames=end.frames)
    publish_event(bus, Event(run=request.run, attempt=request.attempt, title_planned=planned))
    return end.segments


def _opened_title(request: RunRequest, ledger: RunLedger, settings: DecoderSettings, guard: CrashGuard) -> TitleRecord:
    with guard.begin(ledger, "open", "opening of the source") as opening, opening.call():
        check_held_source(request.source)
        source = with_recordings(_source_info(request, ledger, settings))
    title = describe_title(request, source)
    ledger.put_title(title)
    return title


def _publish_segments(
    title: TitleRecord,
    publisher: SegmentPublisher,
    takeover: Takeover | None,
    *,
    ledger: RunLedger,
    window: InFlightWindow,
    guard: CrashGuard,
) -> PlanEnd | None:
    """Publishes the segments of a title, from `takeover` on; the plan's totals, or None when the window was closed."""
    reader = FrameReader(title.source, title.request.recipe, start=takeover.point if takeover else None)
    seconds = {"decode": 0.0}
    segments, frames = (takeover.segment, takeover.first_frame) if takeover else (0, 0)
    source = sought_frames(reader, ledger, guard) if takeover else reader
    with closing(guarded_frames(source, ledger, guard, takeover.point.index if takeover else 0)) as decoded:
        stream = batches(
            _timed(_prepared(_counted(decoded), title), seconds),
            *segment_and_batch_length(title),
            title.request.halo_frames,
            segment=takeover.point_segment if takeover else 0,
            in_segment=takeover.point_offset if takeover else 0,
        )
        for number, segment in groupby(stream, key=lambda batch: batch.segment):
            if window.closed:
                return None
            if takeover and number < takeover.segment:
                continue
            with span("decode segment", run=title.request.run, segment=number), _unproven(takeover):
                count = publisher.publish_segment(number, segment, reader)
            if window.closed:
                return None
            if takeover and number == takeover.segment:
                # Its plan was found again.
                metrics.FRAMES_SOUGHT_PAST.inc(takeover.point.index)
            segments, frames = number + 1, frames + count
    notes, cut = tuple(reader.notes), reader.truncated_at
    return PlanEnd(segments=segments, frames=frames, truncated_at=cut, notes=notes, seconds=seconds)


def _prepared(frames: Iterable[DecodedFrame], title: TitleRecord) -> Iterator[DecodedFrame]:
    """The frames that are restored, with what steadies them and changes their contrast."""
    video, recipe = title.source.video, title.request.recipe
    size, full_range = (
        pixel_format(video.pix_fmt).frame_bytes(video.width, video.height),
        video.colour.range == RANGE_FULL,
    )
    steadied = look_ahead(restored_frames(frames, recipe), recipe, size, full_range=full_range)
    even = with_fading(steadied, recipe, size, full_range=full_range)
    return with_tone(even, recipe, size, full_range=full_range)


@contextmanager
def _unproven(takeover: Takeover | None) -> Iterator[None]:
    """Has a reading that took over, and differs from the ledger, made from the start."""
    try:
        yield
    except LedgerError as error:
        if takeover is None:
            raise
        raise SeekFailed(str(error)) from error


def _source_info(request: RunRequest, ledger: RunLedger, settings: DecoderSettings) -> SourceInfo:
    """What the source holds: from the ledger if the same versions have probed it before, else by probing it."""
    versions = (reelwright.__version__, toolchain_identity(request.recipe.profile))
    readers: tuple[Callable[[], TitleRecord | SourceProbe | None], ...] = (ledger.title, ledger.probe)
    for read in readers:
        known = read()
        if known is not None and (known.version, known.toolchain) == versions:
            # Another process may have probed it, with other limits.
            settings.limits.check_size(known.source.video.width, known.source.video.height, request.source)
            return known.source.model_copy(update={"location": request.source})
    return probe(request.source, settings.limits)


def _counted(frames: Iterable[DecodedFrame]) -> Iterator[DecodedFrame]:
    """Yields the frames as they are read, and counts them."""
    for frame in frames:
        heartbeat()
        metrics.FRAMES_DECODED.inc()
        yield frame


def _timed(frames: Iterable[DecodedFrame], seconds: dict[str, float]) -> Iterator[DecodedFrame]:
    """Yields the frames; what it takes to make them is the stage `decode`, and added to `seconds["decode"]`."""
    steps = iter(frames)
    while True:
        with metrics.timed("decode", seconds):
            frame = next(steps, None)
        if frame is None:
            return
        yield frame
