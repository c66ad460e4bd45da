"""Whatever streams, times, edits and tags a film has, what comes out agrees with what went in, read by PyAV alone."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.support import mp4_edit
from tests.support.pyav import subtitle_texts
from tests.support.stream_clips import COUNT, RATE, subtitles, tone, write_film
from tests.support.unrestored_films import decoded, make_unrestored_film

# A film of two seconds.
END = COUNT * 40
# Sound is found again to the unit of Matroska.
SOUND_SLACK = 0.0025


@dataclass(frozen=True)
class Plan:
    """What goes into a source.

    Attributes:
        suffix: of its container.
        sound: encoder of its sound.
        start: seconds at which the sound begins.
        cues: start and length of subtitles in milliseconds; length None for no end.
        parts: start and length of the parts that an edit list keeps, in 25ths of a second; empty for no edit list.
        tail: bytes behind the end of the file.
        tags: of the film.
        profile: of the film that is made.
    """

    suffix: str
    sound: str
    start: float
    cues: tuple[tuple[int, int | None], ...]
    parts: tuple[tuple[int, int], ...]
    tail: bytes
    tags: dict[str, str]
    profile: str


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Sources of every kind that the clip maker writes."""
    suffix = draw(st.sampled_from([".mkv", ".mov"]))
    sound = draw(st.sampled_from(["aac", "flac", "pcm_s16le", "libopus"] if suffix == ".mkv" else ["aac", "pcm_s16le"]))
    starts = st.integers(0, END // 10 - 1).map(lambda tenth: tenth * 10)
    lengths = st.none() | st.integers(4, 80).map(lambda tenth: tenth * 10)
    cues = draw(st.lists(st.tuples(starts, lengths), max_size=6)) if suffix == ".mkv" else []
    parts: tuple[tuple[int, int], ...] = ()
    if suffix == ".mov" and draw(st.booleans()):
        borders = sorted(draw(st.sets(st.integers(0, COUNT), min_size=4, max_size=4)))
        parts = ((borders[0], borders[1] - borders[0] + 5), (borders[2], borders[3] - borders[2]))
        parts = tuple((start, min(length, COUNT - start)) for start, length in parts)
        if draw(st.booleans()) or parts[0][0] + parts[0][1] > parts[1][0]:
            parts = parts[:1]
    # A MOV file of the clip maker holds no keys of its own.
    keys = ["title", "SHELFMARK", "comment"] if suffix == ".mkv" else ["title", "comment"]
    return Plan(
        suffix=suffix,
        sound=sound,
        start=0.0 if parts else draw(st.sampled_from([0.0, 0.0, 0.3])),
        cues=tuple(sorted(cues, key=lambda cue: cue[0])),
        parts=parts,
        tail=draw(st.sampled_from([b"", bytes(512)])) if suffix == ".mkv" else b"",
        tags=draw(st.dictionaries(st.sampled_from(keys), st.text("aä1 ", min_size=1))),
        profile=draw(st.sampled_from(["web", "master", "prores"])),
    )


def written(plan: Plan, folder: Path) -> Path:
    """The source of a plan."""

    def extra(out: Any) -> Any:
        out.metadata.update(plan.tags)
        named = [(start, length, f"cue {number}") for number, (start, length) in enumerate(plan.cues)]
        return subtitles(out, "subrip", named) if named else ()

    path = folder / f"source{plan.suffix}"
    write_film(path, plan.sound, parts=((plan.start, 2.0 - plan.start),), extra=extra)
    if plan.parts:
        mp4_edit.keep_parts(path, [(Fraction(start, 25), Fraction(length, 25)) for start, length in plan.parts])
    with path.open("ab") as file:
        file.write(plan.tail)
    return path


# FFmpeg lets the second cue start where the first one ends; the third one, behind it in the file, starts earlier.
TOGETHER = Plan(
    suffix=".mkv",
    sound="flac",
    start=0.0,
    cues=((200, None), (200, None), (200, 760)),
    parts=(),
    tail=b"",
    tags={"SHELFMARK": "1äa ä"},
    profile="web",
)


# A film takes two seconds: a failing one is reported as it is, not made smaller.
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(plan=plans())
@example(plan=TOGETHER)
@example(plan=replace(TOGETHER, profile="master"))
@example(plan=replace(TOGETHER, cues=((200, None), (200, None), (210, 50), (220, 10), (240, None), (900, 100))))
def test_a_random_film_is_the_source(plan: Plan) -> None:
    """Every picture, every moment of sound, every subtitle and every tag is where the source has it."""
    folder = Path(tempfile.mkdtemp())
    try:
        source = written(plan, folder)
        film = make_unrestored_film(source, plan.profile, folder)
        check_pictures(film.path, plan)
        check_sound(film.path, plan)
        check_cues(film.path, source, plan)
        check_tags(film.path, plan)
    finally:
        shutil.rmtree(folder)


def kept_moments(plan: Plan) -> list[int]:
    """The source frames that are shown, in order."""
    parts = plan.parts or ((0, COUNT),)
    return [number for start, length in parts for number in range(start, start + length)]


def check_pictures(path: Path, plan: Plan) -> None:
    """Each frame that is shown is in the film once, at its own time."""
    times = [time for time, _ in decoded(path)]
    assert times == [Fraction(number, 25) for number in range(len(kept_moments(plan)))]


def check_sound(path: Path, plan: Plan) -> None:
    """A piece of sound from the middle of each part is heard at its time."""
    start, samples, rate = _sound(path)
    at = Fraction(0)
    for begin, length in plan.parts or ((0, COUNT),):
        middle = Fraction(length, 50)
        scene = Fraction(begin, 25) + middle
        if length >= 6 and scene >= plan.start + 0.1:
            assert abs(_lag(start, samples, rate, at + middle, scene)) <= SOUND_SLACK, plan
        at += Fraction(length, 25)
    # Nothing of what was cut off is heard at the end.
    assert float(start) + len(samples) / rate <= float(at) + 0.1, plan


def _sound(path: Path) -> tuple[Fraction, np.ndarray, int]:
    """Time of the first sample, the first channel in [-1, 1] and the rate."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    arrays = [frame.to_ndarray().astype(np.float64) for frame in frames]
    scale = {"s16": 2.0**15, "s32": 2.0**31}.get(frames[0].format.packed.name, 1.0)
    step = 1 if frames[0].format.is_planar else len(frames[0].layout.channels)
    first = frames[0]
    assert first.pts is not None
    assert first.time_base is not None
    return (
        first.pts * first.time_base,
        np.concatenate([array[0][::step] for array in arrays]) / scale,
        first.sample_rate,
    )


def _lag(start: Fraction, samples: np.ndarray, rate: int, time: Fraction, scene: Fraction) -> float:
    """Seconds by which the chirp of `scene` is heard after `time`."""
    assert rate == RATE
    wanted = tone(float(scene), 0.08)[0]
    at = round((time - start) * rate)
    guesses = range(max(at - rate // 20, 0), at + rate // 20)
    errors = [np.abs(samples[guess : guess + len(wanted)] - wanted[: len(samples) - guess]).mean() for guess in guesses]
    return float(guesses[int(np.argmin(errors))] - at) / rate


def check_cues(path: Path, source: Path, plan: Plan) -> None:
    """At any time the film shows the subtitles that the source shows."""
    if not plan.cues:
        return
    # FFmpeg gives the first cues without a length that of the first one with a length.
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(subtitles=0) if packet.size]
    cues = [(packet.pts or 0, packet.duration or None) for packet in packets]
    assert all(length in {None, planned or length} for (_, length), (_, planned) in zip(cues, plan.cues, strict=True))
    starts = sorted({start for start, _ in cues})

    def end(start: int, length: int | None) -> int:
        if length is not None:
            return start + length
        return next((later for later in starts if later > start), END)

    shown = list(_shown(path))
    for moment in range(5, END, 35):
        wanted = {n for n, (start, length) in enumerate(cues) if start <= moment < end(start, length)}
        found = {n for start, stop, numbers in shown if start <= moment < stop for n in numbers}
        assert found == wanted, (plan, moment)


def _shown(path: Path) -> list[tuple[float, float, set[int]]]:
    """Start, end in milliseconds and the numbers of the cues that each of the film's subtitles shows."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                text = b" ".join(subtitle_texts(stream.codec_context, packet)).decode()
                start = float(packet.pts * packet.time_base * 1000)
                stop = start + float((packet.duration or 0) * packet.time_base * 1000)
                numbers = {int(word) for word in text.replace("\\N", " ").split() if word.isdigit()}
                found.append((start, stop, numbers))
    return found


def check_tags(path: Path, plan: Plan) -> None:
    """Every tag can be read from the film."""
    with av.open(str(path)) as container:
        held = {key.lower(): value for key, value in container.metadata.items()}
    for key, value in plan.tags.items():
        assert held.get(key.lower(), "").strip() == value.strip()
