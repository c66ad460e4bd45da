"""The manifest accounts for every frame, or is not written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.client.status import ended_status
from reelwright.ledger.damage_notes import damage_notes
from reelwright.ledger.delivery import manifest_location
from reelwright.ledger.film_times import film_duration
from reelwright.ledger.manifest_builder import build_manifest
from reelwright.ledger.manifest_file import read_manifest, write_manifest
from reelwright.ledger.records import Outcome, PlanEnd
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.frame_damage import FrameDamage
from reelwright.media.timestamp import timestamp
from reelwright.titles.errors import InputError, LedgerError
from tests.support.ledgers import RUN, film_of, planned, put_file, put_run, record_of, request_of, title_of

FRAMES = planned((7, 1, 4), concealed=(3,))
MEASURED = FrameDamage(grain=4, grain_size=0.5, blockiness=0.2, sharpness=0.4, dust=0)


@pytest.fixture
def ledger(tmp_path: Path) -> RunLedger:
    """A finished run of twelve frames in three segments."""
    ledger = RunLedger(str(tmp_path / "ledger"), RUN)
    put_run(ledger, tmp_path, title_of(), FRAMES)
    return ledger


def test_every_frame_is_accounted_for(ledger: RunLedger) -> None:
    """The manifest has counts, times, digests, concealed frames and seconds of all segments."""
    manifest = build_manifest(ledger, film_of(12, seconds={"assemble": 2.0}))
    assert manifest.frames_in == manifest.frames_out == 12
    assert manifest.pts == manifest.source_pts == tuple(range(12))
    assert len(manifest.frame_digests) == 12
    assert manifest.concealed == (3,)
    assert manifest.seconds == {"assemble": 2.0, "decode": 1.5, "encode": 3.0}


def test_what_was_done_about_damage_is_told(ledger: RunLedger) -> None:
    """Repeated frames and the place where a truncated source ended are in words, and `status` has them."""
    whole = build_manifest(ledger, film_of(12))
    assert damage_notes(whole.model_copy(update={"concealed": ()})) == ()
    cut = whole.model_copy(update={"truncated_at": 12})
    first = timestamp(3 * whole.time_base)
    notes = (
        f"1 frame of the source did not decode, at {first}, and repeats the one before",
        f"the source ends early, at {timestamp(12 * whole.source.video.time_base)}, and the film ends there",
    )
    assert damage_notes(cut) == notes
    outcome = Outcome(state="finished", output="a.mp4", frames=12, damage=notes)
    assert ended_status(request_of(), outcome).damage == notes


def test_the_cost_of_a_film_is_that_of_its_segments(tmp_path: Path) -> None:
    """The manifest has the sum of what the segments cost; a film has the duration of all of its frames."""
    ledger = RunLedger(str(tmp_path), RUN)
    put_run(ledger, tmp_path, title_of(), FRAMES, cost=0.125)
    manifest = build_manifest(ledger, film_of(12))
    assert manifest.cost == 3 * 0.125
    assert float(film_duration(manifest)) == pytest.approx(12 * float(manifest.time_base))


def test_every_toolchain_that_made_a_part_is_named(tmp_path: Path) -> None:
    """A film whose segments were encoded by two versions of the libraries names both, and a note says so."""
    ledger = RunLedger(str(tmp_path / "ledger"), RUN)
    put_run(ledger, tmp_path, title_of().model_copy(update={"toolchain": "av-1"}), FRAMES, toolchains=("av-1", "av-2"))
    manifest = build_manifest(ledger, film_of(12))
    assert manifest.toolchains == ("av-1", "av-2")
    assert any("different versions" in note for note in manifest.notes)


def test_the_manifest_names_the_engine_that_made_the_film(tmp_path: Path) -> None:
    """The manifest's engine is that of the segments, whatever the request says."""
    ledger = RunLedger(str(tmp_path), RUN)
    put_run(ledger, tmp_path, title_of(engine="tes"), FRAMES)
    assert build_manifest(ledger, film_of(12)).engine == record_of(0).engine


def test_a_film_of_two_engines_is_refused(tmp_path: Path) -> None:
    """A segment of another engine than the run's is an error that names both."""
    ledger = RunLedger(str(tmp_path), RUN)
    ledger.bind_engine("another-1")
    put_run(ledger, tmp_path, title_of(), FRAMES)
    with pytest.raises(LedgerError, match="engine test among those of another-1"):
        build_manifest(ledger, film_of(12))


@pytest.mark.parametrize(
    ("film", "words"),
    [
        (film_of(11), "12 frames were restored and 11 are in the film"),
        (film_of(13), "12 frames were restored and 13 are in the film"),
        (film_of(12, pts=[*range(11), 13]), "off its time"),
    ],
)
def test_a_film_with_other_frames_is_refused(ledger: RunLedger, film: object, words: str) -> None:
    """A lost, doubled or moved frame is an error."""
    with pytest.raises(LedgerError, match=words):
        build_manifest(ledger, film)  # type: ignore[arg-type]


def test_an_unfinished_run_has_no_manifest(tmp_path: Path) -> None:
    """A run without a plan end or with an uncommitted segment has no manifest."""
    ledger = RunLedger(str(tmp_path), RUN)
    with pytest.raises(LedgerError, match="not read to its end"):
        build_manifest(ledger, film_of(12))
    put_run(ledger, tmp_path, title_of(), FRAMES)
    (tmp_path / RUN / "segments" / "000001.json").unlink()
    with pytest.raises(LedgerError, match="segment 1: planned but not committed"):
        build_manifest(ledger, film_of(12))


def test_frames_that_were_not_planned_are_refused(ledger: RunLedger, tmp_path: Path) -> None:
    """A record with other frames than its plan is an error that names the segment."""
    (tmp_path / "ledger" / RUN / "segments" / "000002.json").unlink()
    put_file(ledger, tmp_path, 2, b"film")
    ledger.commit_segment(record_of(2).model_copy(update={"first_frame": 10}))
    with pytest.raises(LedgerError, match="segment 2: the frames encoded are not the frames planned"):
        build_manifest(ledger, film_of(12))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"frames": FRAMES[5:9]}, "the frames encoded are not the frames planned"),
        ({"frames": (*FRAMES[5:9], FRAMES[10])}, "the frames encoded are not the frames planned"),
        ({"frame_digests": ("aa",) * 4}, "the frames encoded are not the frames planned"),
        ({"damage": (MEASURED,) * 4}, "4 measurements for 5 frames"),
        ({"damage": (MEASURED,) * 6}, "6 measurements for 5 frames"),
        ({"first_frame": 6}, "starts at frame 6 after 5 frames"),
    ],
)
def test_a_record_that_contradicts_its_plan_is_refused(
    ledger: RunLedger, tmp_path: Path, changed: dict[str, object], words: str
) -> None:
    """A record that contradicts its plan in any way is an error that names the segment."""
    record = ledger.segment(1)
    assert record is not None
    path = tmp_path / "ledger" / RUN / "segments" / "000001.json"
    path.write_text(record.model_copy(update=changed).model_dump_json())
    with pytest.raises(LedgerError, match=f"segment 1: {words}"):
        build_manifest(ledger, film_of(12))


@pytest.mark.parametrize("clock", ["1/0", "0/1", "-1/25", "a tick", ""])
def test_an_impossible_time_base_is_an_input_error(ledger: RunLedger, tmp_path: Path, clock: str) -> None:
    """A manifest with an impossible time base is one line that names the field."""
    film = str(tmp_path / "film.mp4")
    write_manifest(build_manifest(ledger, film_of(12)), film)
    path = Path(manifest_location(film))
    whole = json.loads(path.read_text())
    for place in (whole, whole["source"]["video"]):
        sound, place["time_base"] = place["time_base"], clock
        path.write_text(json.dumps(whole))
        with pytest.raises(InputError, match=r"not a whole manifest: .*time_base: not "):
            read_manifest(film)
        place["time_base"] = sound


def test_frames_read_but_in_no_segment_are_refused(tmp_path: Path) -> None:
    """The number of frames in the segments must be the decoder's."""
    ledger = RunLedger(str(tmp_path), RUN)
    put_run(ledger, tmp_path, title_of(), FRAMES)
    (tmp_path / RUN / "plan" / "end.json").unlink()
    ledger.put_plan_end(PlanEnd(segments=3, frames=13))
    with pytest.raises(LedgerError, match="13 frames were read and 12 restored"):
        build_manifest(ledger, film_of(12))


@pytest.mark.parametrize("place", ["fïlm & 映画 #1.mp4", "deep/er/film.mp4"])
def test_a_manifest_comes_back_as_written(ledger: RunLedger, tmp_path: Path, place: str) -> None:
    """A manifest is written beside its film and read back equal."""
    manifest = build_manifest(ledger, film_of(12))
    film = str(tmp_path / place)
    write_manifest(manifest, film)
    assert Path(manifest_location(film)).is_file()
    assert read_manifest(film) == manifest


@given(cut=st.floats(0, 0.999))
@settings(max_examples=20, deadline=None)
def test_a_cut_manifest_is_an_input_error(tmp_path_factory: pytest.TempPathFactory, cut: float) -> None:
    """A missing or incomplete manifest is one line."""
    folder = tmp_path_factory.mktemp("cut")
    ledger = RunLedger(str(folder), RUN)
    put_run(ledger, folder, title_of(), planned((2,)))
    film = str(folder / "film.mp4")
    with pytest.raises(InputError, match="no such manifest"):
        read_manifest(film)
    write_manifest(build_manifest(ledger, film_of(2)), film)
    path = Path(manifest_location(film))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(InputError, match="not a whole manifest"):
        read_manifest(film)
