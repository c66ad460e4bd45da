"""What a source is, as `probe` found it."""

from __future__ import annotations

from fractions import Fraction

from pydantic import Field

from reelwright.media.document_values import DocumentValue, Rational, TimeBase


class Bars(DocumentValue):
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


class ColourInfo(DocumentValue):
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


class HdrInfo(DocumentValue):
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


class VideoInfo(DocumentValue):
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


class StreamInfo(DocumentValue):
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


class Chapter(DocumentValue):
    """A chapter.

    Attributes:
        start: on the source's clock, in seconds.
        end: the same.
        title: empty if it has none.
    """

    start: Rational
    end: Rational
    title: str


class ClockJoin(DocumentValue):
    """Where a file goes on with another recording, whose clock starts over or is hours ahead.

    A file's first one may be at its start, with the offset 0: no other recording begins there, but some of the times
    lie in front of a wrap of the 33-bit clock and some behind it.

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

    @property
    def at_start(self) -> bool:
        """Whether it is at the file's start, for a wrap of the clock alone."""
        return not any(self.positions.values())


class SourceInfo(DocumentValue):
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
    metadata: dict[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    joins: tuple[ClockJoin, ...] | None = ()
