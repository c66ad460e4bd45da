"""What a source is, and one decoded frame of it: plain values shared by probe, decoder, ledger and report."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from reelwright.media.frame_correction import FrameCorrection, FrameFading, FrameTone
from reelwright.media.picture import Picture

_FRACTION = re.compile(r"-?\d{1,100}(/\d{1,100})?")


def _parse_fraction(value: object) -> Fraction:
    if isinstance(value, int | Fraction):
        return Fraction(value)
    # Fraction() alone would also read exponents, and a manifest with 1e999999999 would never be parsed.
    if isinstance(value, str) and _FRACTION.fullmatch(value):
        with suppress(ZeroDivisionError):
            return Fraction(value)
    raise ValueError("not a fraction NUM/DEN")


def _check_positive(value: Fraction) -> Fraction:
    if value <= 0:
        raise ValueError("not above zero")
    return value


Rational = Annotated[
    Fraction,
    PlainValidator(_parse_fraction),
    PlainSerializer(lambda value: f"{value.numerator}/{value.denominator}", return_type=str),
]
"""An exact fraction; documents hold it as the text NUM/DEN."""

TimeBase = Annotated[Rational, AfterValidator(_check_positive)]
"""Seconds per unit of time, above 0."""


class _Value(BaseModel):
    # Part of documents: what a later version added is ignored.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Bars(_Value):
    """Black borders of the stored picture, in luma samples, even where the chroma is subsampled.

    Attributes:
        left, top, right, bottom: width of each border.
        fill: median code value of each plane inside the bars, at the source's depth.
    """

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0
    fill: tuple[int, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is a border at all."""
        return bool(self.left or self.top or self.right or self.bottom)


class ColourInfo(_Value):
    """FFmpeg's numbers for colour: code points of ITU-T H.273.

    Attributes:
        range: 1 limited, 2 full, 0 unknown.
        primaries: the chromaticities of red, green, blue and white; 2 unknown.
        transfer: the transfer characteristics; 2 unknown.
        matrix: the matrix coefficients from RGB to luma and chroma; 2 unknown.
    """

    range: int = 0
    primaries: int = 2
    transfer: int = 2
    matrix: int = 2


class HdrInfo(_Value):
    """What a source says about its range of light.

    Attributes:
        mastering: of the display it was graded on: x and y of red, green, blue and white in units of 0.00002, greatest
            and least luminance in units of 0.0001 cd/m2 (SMPTE ST 2086); empty for none.
        content_light: greatest light level of a sample and of a picture's average, in cd/m2 (CTA-861.3); empty for
            none.
        dynamic: names of metadata that change from picture to picture; no film carries them.
    """

    mastering: tuple[int, ...] = ()
    content_light: tuple[int, ...] = ()
    dynamic: tuple[str, ...] = ()


class VideoInfo(_Value):
    """The video stream that is restored.

    Attributes:
        index: of the stream in its container.
        codec: FFmpeg's common name.
        width: columns of the stored picture, before it is turned for display.
        height: its rows.
        pix_fmt: the pipeline's format, a key of PIXEL_FORMATS.
        source_pix_fmt: FFmpeg's name of the decoded format.
        time_base: seconds per unit of PTS.
        start_pts: PTS of the first frame.
        average_rate: frames per second; 0 when unknown.
        frames_estimate: number of frames, about.
        sample_aspect_ratio: width of a sample over its height.
        rotation: degrees counter-clockwise by which a player turns the picture.
        mirrored: a player then shows it mirrored, left for right.
        display_matrix: both as the container states them (see `media.display_matrix`); empty for neither.
        field_order: progressive, tff, bff or telecine, as detected in the pictures.
        field_evidence: the counts and flags that the field order was concluded from, for people.
        colour: of the pictures in `pix_fmt`.
        chroma_siting: where the first chroma sample lies, right of and below the first luma sample, in luma samples.
        hdr: mastering display and light levels of an HDR picture.
        bars: black borders.
    """

    index: int
    codec: str
    width: int
    height: int
    pix_fmt: str
    source_pix_fmt: str
    time_base: TimeBase
    start_pts: int
    average_rate: Rational
    frames_estimate: int
    sample_aspect_ratio: Rational = Fraction(1)
    rotation: int = 0
    mirrored: bool = False
    display_matrix: tuple[int, ...] = ()
    field_order: str = "progressive"
    field_evidence: str = ""
    colour: ColourInfo = ColourInfo()
    chroma_siting: tuple[float, float] = (0.0, 0.5)
    hdr: HdrInfo = HdrInfo()
    bars: Bars = Bars()


class StreamInfo(_Value):
    """Another stream of the source: audio, subtitle, attachment or data.

    Attributes:
        index: of the stream in its container.
        kind: audio, subtitle, attachment or data.
        codec: FFmpeg's common name.
        language: ISO 639 code, as the container has it; empty if unknown.
        title: from the stream's metadata; empty if it has none.
        details: format of the stream, for people.
    """

    index: int
    kind: str
    codec: str
    language: str = ""
    title: str = ""
    details: str = ""


class Chapter(_Value):
    """A chapter.

    Attributes:
        start: on the source's clock, in seconds.
        end: the same.
        title: empty if it has none.
    """

    start: Rational
    end: Rational
    title: str


class ClockJoin(_Value):
    """Where a file goes on with another recording, whose clock starts over or is hours ahead.

    Attributes:
        time: when the recording begins on the continued clock, in seconds.
        clock: when it begins on its own clock, in seconds.
        offset: seconds from a time that the file states in this recording to the continued clock.
        positions: where the file holds the recording's first packet of a stream, in bytes, by stream index. A stream
            that is not in it begins with the picture; one whose clock goes on is given the file's size.
    """

    time: Rational
    clock: Rational
    offset: Rational
    positions: dict[int, int]


class SourceInfo(_Value):
    """What `probe` found in a file.

    Attributes:
        location: of the file.
        container: FFmpeg's name of the format.
        duration: in seconds; 0 when unknown.
        size: of the file, in bytes.
        video: the stream that is restored.
        streams: the other streams, in the container's order.
        chapters: in the film's order.
        metadata: of the container, by key.
        notes: what a person should know about the file.
        joins: the recordings behind the first one, in the file's order; None for a large file that was not read to its
            end yet (see `media.clock_joins.with_recordings`).
    """

    location: str
    container: str
    duration: float
    size: int
    video: VideoInfo
    streams: tuple[StreamInfo, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    metadata: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    joins: tuple[ClockJoin, ...] | None = ()


class Crop(_Value):
    """A part of a picture without its bars, in samples of the source.

    Attributes:
        left: columns to the left of it.
        top: rows above it.
        width: its columns.
        height: its rows.
    """

    left: int = Field(ge=0)
    top: int = Field(ge=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Repeat(_Value):
    """A frame that shows the picture of the one before it, fields as of `FrameRecord`."""

    pts: int
    duration: int
    concealed: bool = False


class FrameRecord(_Value):
    """What the pipeline knows about a frame apart from its picture.

    Attributes:
        pts: in the source's video time base; strictly increasing through a title. Of an excerpt less `skipped`.
        duration: in the same units, 0 when unknown.
        shot_start: the first frame of a shot.
        preview: the report shows this frame for its shot. Plans written before 0.1.0 call this field `sample`.
        concealed: the frame replaces one that did not decode (recipe: on_damage = conceal).
        duplicate: the frame repeats the one before it, of the same shot (see `media.duplicates`).
        correction: what steadies the frame; None when the recipe steadies nothing.
        tone: how glare and shadows are opened; None when the recipe opens neither.
        fading: how lost contrast is brought back; None when the recipe leaves it.
        skipped: how much of the source was left out before the frame (recipe: excerpt), in the same units.
        repeats: the frames directly after it that show its picture and are not handled for themselves (recipe:
            duplicates); empty in plans and records, which have each frame for itself.
    """

    pts: int
    duration: int
    shot_start: bool = False
    preview: bool = Field(default=False, validation_alias=AliasChoices("preview", "sample"))
    concealed: bool = False
    duplicate: bool = False
    correction: FrameCorrection | None = None
    tone: FrameTone | None = None
    fading: FrameFading | None = None
    skipped: int = 0
    repeats: tuple[Repeat, ...] = ()


class FrameDamage(_Value):
    """What was measured in a frame, with its neighbours. Levels are 8-bit code values.

    Attributes:
        grain: standard deviation of what changes from frame to frame, in levels.
        grain_size: correlation of grain between adjacent pixels; 0 is white noise.
        blockiness: excess of the gradient at the borders of 8x8 blocks, 0 for none.
        sharpness: energy of the finest detail relative to that of detail twice as large, 0 is blurred.
        dust: share of the pixels that were replaced as dust.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
    grain: float = Field(ge=0, le=255)
    grain_size: float = Field(ge=0, le=1)
    blockiness: float = Field(ge=0, le=1)
    sharpness: float = Field(ge=0, le=1)
    dust: float = Field(ge=0, le=1)


class StreamTimes(_Value):
    """When a stream's packets are shown, in the film and in the source, on the film's clock.

    Attributes:
        source_first: time of the source's first packet, in seconds.
        source_last: time of its last packet.
        film_first: time of the film's first packet.
        film_last: time of its last packet.
        error: seconds by which a packet is off its time in the source at most.
        tolerance: the largest error that the clocks of both containers, or a conversion, explain.
        packets: how many the film holds.
        displaced: how many of the source's packets of sound had no time, or an earlier one than the packet before; that
            packet's time counts as theirs.
        continued: how many of the source's packets of sound had times of a clock that starts over or jumps; the times
            that count are those behind the packets before.
        sha256: of all their times, as `PacketTimes.digest` gives it.
    """

    source_first: Rational
    source_last: Rational
    film_first: Rational
    film_last: Rational
    error: float
    tolerance: float
    packets: int
    displaced: int = 0
    continued: int = 0
    sha256: str


class StreamOutcome(_Value):
    """What became of a source stream.

    Attributes:
        index: in the source.
        kind: audio, subtitle, attachment, data, video or cover.
        codec: FFmpeg's name; an attachment's MIME type.
        language: as the source tags it.
        title: the same.
        outcome: copied, converted or left out.
        reason: why it is not a plain copy, and what is damaged in it, for the person.
        packets: that went into the film.
        damaged: packets of the source that the film does not hold because they could not be read.
        sha256: of a copy's content, as hex.
        times: of its packets; None for what has no time, or is not in the film.
        not_kept: tags and dispositions that the film's container does not hold.
    """

    index: int
    kind: str
    codec: str
    language: str = ""
    title: str = ""
    outcome: str
    reason: str = ""
    packets: int = 0
    damaged: int = 0
    sha256: str = ""
    times: StreamTimes | None = None
    not_kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One frame of the source, in presentation order.

    Attributes:
        index: 0 for the title's first frame.
        record: its time and marks; `shot_start` is always true for index 0.
        picture: the active area (bars left out), in VideoInfo.pix_fmt.
    """

    index: int
    record: FrameRecord
    picture: Picture
