"""A film with repeated frames from end to end."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from reelwright.bus.conversion import frame_from_wire, frame_numbers, frame_to_wire
from reelwright.cli.main import run
from reelwright.ledger.manifest_file import read_manifest
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.picture import Picture
from reelwright.media.repeats import MOST_REPEATS, folded, unfolded
from reelwright.restoration.restore import RestoredFrame, Restorer
from reelwright.wire.frames_pb2 import FrameBatch
from tests.support.aged_scenes import shot
from tests.support.clipmaker import Film, write_film
from tests.support.commands import kill_after_commits, manifest_of, sha256
from tests.support.films import small_network
from tests.support.scenes import SHOT_FRAMES, scene


def film_with_repeats(path: Path) -> list[int]:
    """Writes a moving film of 40 frames at 24 per second, each fourth of which is a repeat; the repeats' indices."""
    frames = shot(30, pan=[2.0 * index for index in range(30)], grain=2).frames[:, :96, :128]
    shown = [frames[index - index // 4 - (index % 4 == 3)] for index in range(40)]
    pictures = [Picture("gray", 128, 96, (frame.copy(),)) for frame in shown]
    shots = [(Fraction(index, 24), picture) for index, picture in enumerate(pictures)]
    options = {"preset": "medium", "crf": "20"}
    write_film(path, Film(shots, Fraction(24), pix_fmt="yuv420p", options=options))
    return list(range(3, 40, 4))


def test_repeats_are_named_beside_the_film(tmp_path: Path) -> None:
    """The manifest lists the frames that repeat the one before, and the report says what follows from them."""
    source, output = tmp_path / "slowed.mkv", tmp_path / "film.mp4"
    known = film_with_repeats(source)
    assert run(["restore", str(source), "-o", str(output), f"--set=model={small_network()}"]) == 0
    manifest = manifest_of(output)
    assert manifest["duplicates"] == known
    assert (manifest["frames_in"], manifest["frames_out"]) == (40, 40)
    report = Path(f"{output}.report.html").read_text()
    assert "10 of 40 frames repeat the one before, every 4th" in report
    assert "made at about 18.0 frames per second" in report


def restored(source: Path, output: Path, *settings: str) -> dict[str, Any]:
    """The manifest of a film of this source."""
    options = [f"--set={each}" for each in (f"model={small_network()}", *settings)]
    assert run(["restore", str(source), "-o", str(output), *options]) == 0
    return manifest_of(output)


def counted_restorations(monkeypatch: pytest.MonkeyPatch) -> list[RestoredFrame]:
    """The frames that are restored from now on, in the order of their ends."""
    restored_frames, restore = list[RestoredFrame](), Restorer.restore

    def recorded(*arguments: Any, **more: Any) -> RestoredFrame:
        restored_frames.append(restore(*arguments, **more))
        return restored_frames[-1]

    monkeypatch.setattr(Restorer, "restore", recorded)
    return restored_frames


def test_repeats_are_restored_once_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each shows the restored frame before it, to the bit, at its own time, and nothing else is another."""
    source = tmp_path / "slowed.mkv"
    known = film_with_repeats(source)
    restorations = counted_restorations(monkeypatch)
    settings = ("duplicates=restore-once", "deflicker=on", "tone.glare=0.5")
    encoded = REGISTRY.get_sample_value("reelwright_frames_encoded_total") or 0.0
    found = restored(source, tmp_path / "film.mkv", "profile=master", *settings)
    assert len(restorations) == 30
    # By this the progress counts, whose whole has the repeats.
    assert REGISTRY.get_sample_value("reelwright_frames_encoded_total") == encoded + 40
    digests, others = found["frame_digests"], [index for index in range(40) if index not in known]
    assert all(digests[index] == digests[index - 1] for index in known)
    assert len({digests[index] for index in others}) == len(others)
    assert (found["duplicates"], found["frames_in"], found["frames_out"]) == (known, 40, 40)
    assert found["pts"] == [round(index * 1000 / 24) for index in range(40)]
    (rows,) = (step["ranges"] for step in found["edits"] if step["step"] == "repeat")
    assert [row[:2] for row in rows] == [[index, index] for index in known]
    assert len(found["frame_fidelity"]["difference"]) == 40
    assert run(["verify", str(tmp_path / "film.mkv")]) == 0
    assert "restored once" in (tmp_path / "film.mkv.report.html").read_text()
    # The strip shows frames that repeat none: two on either side of the worst one, in its segment of 24 of them.
    worst = others.index(found["shots"][0]["fidelity"]["worst_frame"])
    strip = others[24 * (worst // 24) : 24 * (worst // 24 + 1)][max(0, worst % 24 - 2) : worst % 24 + 3]
    assert f"frames {strip[0]} to {strip[-1]}" in (tmp_path / "film.mkv.report.html").read_text()


# Distinct frames of each shot of `film_of_slowed_shots`: a cut inside the first segment, and one inside the second.
DISTINCT = (9, 30, 12)


def film_of_slowed_shots(path: Path) -> list[range]:
    """Writes a film of these shots, each third frame of which is shown twice; the frames of each shot."""
    pictures: list[Picture] = []
    shots = []
    for number, count in enumerate(DISTINCT):
        first = len(pictures)
        for index in range(count):
            pictures += [scene(number * SHOT_FRAMES + 0.7 * index, "yuv420p", 128, 96)] * (1 + (index % 3 == 2))
        shots.append(range(first, len(pictures)))
    timed = [(Fraction(index, 24), picture) for index, picture in enumerate(pictures)]
    options = {"preset": "medium", "crf": "20"}
    write_film(path, Film(timed, Fraction(24), pix_fmt="yuv420p", options=options, audio="aac"))
    return shots


def packets(film: Path) -> list[tuple[int, int | None, bytes]]:
    """A film's packets: stream, time and content."""
    with av.open(str(film)) as container:
        return [(packet.stream.index, packet.pts, bytes(packet)) for packet in container.demux() if packet.size]


@pytest.mark.parametrize(("profile", "suffix"), [("master", ".mkv"), ("web", ".mp4")])
def test_a_shot_with_repeats_is_restored_again_alone(
    profile: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its segments alone are restored, each repeat shows the frame before it at its time, and all else is the same."""
    source, output = tmp_path / "slowed.mkv", tmp_path / f"film{suffix}"
    frames = film_of_slowed_shots(source)[2]
    settings = ("duplicates=restore-once", "deflicker=on", "tone.glare=0.5", f"profile={profile}")
    restored(source, output, *settings)
    before, content = read_manifest(str(output)), packets(output)
    assert len(before.duplicates) == sum(count // 3 for count in DISTINCT)
    restorations = counted_restorations(monkeypatch)
    assert run(["redo", str(output), "--shot", "3", "--set", "grain.keep=0.4"]) == 0
    # The second segment, and the worst frames of other shots that are in the first one, for their repair masks.
    second = [index for index in range(before.frames_in) if index not in before.duplicates][24]
    worst = [entry.fidelity.worst_frame for entry in before.shots[:2] if entry.fidelity is not None]
    assert len(restorations) == sum(DISTINCT) - 24 + sum(frame < second for frame in worst)
    assert packets(output) == content
    file = {"film_sha256", "film_bytes", "redone"}
    assert read_manifest(str(output)).model_dump(exclude=file) == before.model_dump(exclude=file)
    assert run(["redo", str(output), "--shot", "3", "--set", "grain.keep=1"]) == 0
    after = read_manifest(str(output))
    pairs = enumerate(zip(before.frame_digests, after.frame_digests, strict=True))
    assert [index for index, (one, other) in pairs if one != other] == list(frames)
    assert all(after.frame_digests[index] == after.frame_digests[index - 1] for index in after.duplicates)
    kept = ("duplicates", "pts", "source_pts", "frames_out", "streams", "chapters")
    assert {name: getattr(after, name) for name in kept} == {name: getattr(before, name) for name in kept}
    assert after.shots[:2] == before.shots[:2]
    assert run(["verify", str(output)]) == 0


def test_a_film_of_repeats_is_that_of_its_other_frames(tmp_path: Path) -> None:
    """Restored once, its other frames are those of a film that never had the repeats, whatever batches there are."""
    frames = shot(30, pan=[2.0 * index for index in range(30)], grain=2).frames[:, :96, :128]
    digests = []
    repeated = [index - index // 4 - (index % 4 == 3) for index in range(40)]
    for name, shown in (("with", repeated), ("without", list(range(30)))):
        pictures = [Picture("gray", 128, 96, (frames[index].copy(),)) for index in shown]
        shots = [(Fraction(index, 24), picture) for index, picture in enumerate(pictures)]
        write_film(tmp_path / f"{name}.mkv", Film(shots, Fraction(24), codec="ffv1"))
        digests.append(restored(tmp_path / f"{name}.mkv", tmp_path / f"{name}.film.mp4", "duplicates=restore-once"))
    assert len(digests[0]["frame_digests"]) == 40
    several = [digest for index, digest in enumerate(digests[0]["frame_digests"]) if index % 4 != 3]
    assert several == digests[1]["frame_digests"]


def test_a_killed_restoration_of_repeats_goes_on(tmp_path: Path) -> None:
    """After SIGKILL the other segments are made, and the film is that of an undisturbed restoration to the bit."""
    source, output = tmp_path / "slowed.mkv", tmp_path / "film.mp4"
    film_with_repeats(source)
    options = [f"--set=model={small_network()}", "--set=duplicates=restore-once", "--threads=1"]
    kill_after_commits(tmp_path, "restore", source, "-o", output, *options)
    assert not output.exists()
    for film in (output, tmp_path / "undisturbed.mp4"):
        assert run(["restore", str(source), "-o", str(film), *options]) == 0
    assert sha256(output) == sha256(tmp_path / "undisturbed.mp4")
    assert manifest_of(output)["frames_out"] == 40


@given(st.lists(st.booleans(), max_size=60))
def test_folded_frames_unfold_to_what_they_were(repeats: list[bool]) -> None:
    """No frame is lost, and each that is left carries at most so many."""
    picture = Picture("gray", 2, 2, (np.zeros((2, 2), np.uint8),))
    records = [
        FrameRecord(pts=index, duration=index % 3, shot_start=index == 0, duplicate=index > 0 and repeat)
        for index, repeat in enumerate(repeats)
    ]
    found = [each.record for each in folded(DecodedFrame(i, record, picture) for i, record in enumerate(records))]
    assert [record for each in found for record in unfolded(each)] == records
    assert all(len(each.repeats) <= MOST_REPEATS for each in found)
    assert all(frame_from_wire(frame_to_wire(each)) == each for each in found)
    if found:
        batch = FrameBatch(first_frame=7, frames=[frame_to_wire(each) for each in found])
        assert frame_numbers(batch) == [7 + each.pts for each in found]
