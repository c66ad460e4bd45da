"""One shot of a finished film is restored again, and everything else in it stays."""

from __future__ import annotations

import json
import re
import shutil
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import av
import pytest

from reelwright.cli.main import run
from tests.support import clips
from tests.support.carried_clips import captioned
from tests.support.clipmaker import Film, write_film
from tests.support.commands import manifest_of
from tests.support.films import REAL, real_film, small_network, uneven_film, unsteady_film
from tests.support.scenes import SHOT_FRAMES, scene

# Cuts inside segments, a shot that is longer than a segment, and a last shot of one frame.
SHOTS = (10, 7, 90, 1)
SUFFIXES = {"web": ".mp4", "master": ".mkv", "hevc10": ".mp4", "av1": ".mp4", "prores": ".mov"}


@cache
def restored(profile: str, *settings: str) -> Path:
    """The film of these shots, restored once."""
    name = f"redo-{profile}-{'-'.join(settings)}".replace("=", "")
    output = clips.clip_folder() / name / f"film{SUFFIXES[profile]}"
    output.parent.mkdir()
    options = [f"--set={setting}" for setting in (f"model={small_network()}", *settings)]
    assert run(["restore", str(uneven_film(*SHOTS)), "-o", str(output), "--profile", profile, *options]) == 0
    return output


def copied(film: Path, folder: Path) -> Path:
    """A copy of a film with its manifest and report."""
    for path in film.parent.iterdir():
        shutil.copy(path, folder)
    return folder / film.name


def redo(film: Path, shot: int, *settings: str, code: int = 0) -> dict[str, Any]:
    """Restores a shot again; the manifest."""
    options = [option for setting in settings for option in ("--set", setting)]
    assert run(["redo", str(film), "--shot", str(shot), *options]) == code
    return manifest_of(film)


def packets(film: Path) -> list[bytes]:
    """The picture's packets, in decoding order."""
    with av.open(str(film)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def shown_in_report(film: Path) -> list[str]:
    """The repair masks and the source's motion strips of a film's report, with the words beside them."""
    text = Path(f"{film}.report.html").read_text()
    masks = re.findall(r'data-marked="([^"]+)" data-mask="([^"]*)"', text)
    strips = re.findall(r'data-motion="([0-9]+)".*?<img src="([^"]+)" alt="([^"]+)"', text, re.DOTALL)
    assert (len(masks), len(strips)) == (len(SHOTS), len(SHOTS))
    return [*chain.from_iterable(masks), *chain.from_iterable(strips)]


def frames_of(shot: int) -> range:
    first = sum(SHOTS[: shot - 1])
    return range(first, first + SHOTS[shot - 1])


@pytest.mark.parametrize("profile", SUFFIXES)
def test_only_the_shot_changes(profile: str, tmp_path: Path) -> None:
    """The shot's frames are others, all others are the same, and so is the film's sound; the film is verified."""
    film = copied(restored(profile), tmp_path)
    before, old = manifest_of(film), packets(film)
    after, new = redo(film, 2, "grain.keep=1"), packets(film)
    changed = [
        index
        for index, (one, other) in enumerate(zip(before["frame_digests"], after["frame_digests"], strict=True))
        if one != other
    ]
    assert changed == list(frames_of(2))
    # The segments that show nothing of the shot have their bytes.
    assert new[24:] == old[24:]
    assert new[:24] != old[:24]
    assert [shot for index, shot in enumerate(before["shots"]) if index != 1] == [
        shot for index, shot in enumerate(after["shots"]) if index != 1
    ]
    assert after["pts"] == before["pts"]
    assert after["redone"][0]["settings"] == ["grain.keep=1"]
    assert run(["verify", str(film)]) == 0


def test_a_film_redone_by_its_own_settings_is_the_same(tmp_path: Path) -> None:
    """Redone as it was, every shot gives the same film to the bit, and the same figures."""
    settings = ("tone.glare=0.6", "deflicker=on", "stabilise=on", "grain.keep=0.4")
    film = copied(restored("web", *settings), tmp_path)
    before, content, shown = manifest_of(film), film.read_bytes(), shown_in_report(film)
    for shot in range(1, len(SHOTS) + 1):
        after = redo(film, shot, "grain.keep=0.4")
        assert film.read_bytes() == content
        assert shown_in_report(film) == shown
        assert {key: value for key, value in after.items() if key != "redone"} == {
            key: value for key, value in before.items() if key != "redone"
        }


@pytest.mark.parametrize(
    "name", ["vfr_mp4", "bframes_ts", "negative_start", "edit_list", "odd_444", "hdr", "pillarbox", "telecine"]
)
def test_films_of_any_kind_can_be_redone(name: str, tmp_path: Path) -> None:
    """Whatever its times, size, depth, borders or fields: redone as it was, a film is the same to the bit."""
    film = tmp_path / "film.mp4"
    assert run(["restore", str(clips.clip(name)), "-o", str(film), f"--set=model={small_network()}"]) == 0
    content, shots = film.read_bytes(), manifest_of(film)["shots"]
    redo(film, len(shots), "grain.keep=0.4")
    assert film.read_bytes() == content


@pytest.mark.parametrize("name", REAL)
def test_a_real_film_can_be_redone(name: str, tmp_path: Path) -> None:
    """With the network that ships: a shot's grain comes nearer to the source's, and the shot to the source."""
    film = tmp_path / "film.mp4"
    assert run(["restore", str(real_film(name)), "-o", str(film), "--set", "grain.keep=0"]) == 0
    before, after = manifest_of(film), redo(film, 1, "grain.keep=1")
    one, other = (manifest["shots"][0]["fidelity"] for manifest in (before, after))
    assert other["difference"] <= one["difference"]
    lost, still_lost = (abs(shot["grain_after"] - shot["grain_before"]) for shot in (one, other))
    assert still_lost <= lost
    assert run(["verify", str(film)]) == 0


def test_a_redone_shot_is_what_its_settings_make(tmp_path: Path) -> None:
    """A film of one shot, redone with other settings, is the film that is restored with them, to the bit."""
    settings = (
        "stabilise=on",
        "deflicker=on",
        "limits.unsupported=0.5",
        "detail=0.5",
        "temporal_filter=on",
        "grain.mode=synthetic",
        "tone.glare=0.5",
    )
    redone, whole = tmp_path / "redone.mp4", tmp_path / "whole.mp4"
    for film, options in ((redone, ()), (whole, settings)):
        sets = [f"--set={setting}" for setting in (f"model={small_network()}", *options)]
        assert run(["restore", str(unsteady_film(60)), "-o", str(film), *sets]) == 0
    found, wanted = redo(redone, 1, *settings), manifest_of(whole)
    assert redone.read_bytes() == whole.read_bytes()
    for name in ("shots", "edits", "frame_fidelity", "notes"):
        assert found[name] == wanted[name]
    assert "Shots restored again" in redone.with_name("redone.mp4.report.html").read_text()


def test_a_shot_keeps_what_it_was_given_before(tmp_path: Path) -> None:
    """A shot that is redone twice has both settings, and a neighbour in its segment keeps its own."""
    film = copied(restored("master"), tmp_path)
    redo(film, 1, "grain.keep=1")
    first = redo(film, 2, "tone.shadows=1", "tone.glare=1")
    both = redo(film, 2, "grain.keep=0")
    assert both["frame_digests"][: SHOTS[0]] == first["frame_digests"][: SHOTS[0]]
    steps = {step["step"]: step["ranges"] for step in both["edits"]}
    shot = frames_of(2)
    assert [row[:2] for row in steps["tone"]] == [[shot.start, shot.stop - 1]]
    assert [shot.start, shot.stop - 1, 1.0] in steps["grain"]
    assert all(row[0] != 0 for row in steps["grain"])
    assert run(["verify", str(film)]) == 0
    report = film.with_name(f"{film.name}.report.html").read_text()
    assert report.count('class="shot"') == len(SHOTS)
    assert 'data-before=""' not in report


@pytest.mark.parametrize("shot", [3, 4])
def test_a_long_shot_and_one_of_one_frame(shot: int, tmp_path: Path) -> None:
    """A shot of several segments is restored in all of them, and the last frame of a film alone."""
    film = copied(restored("web"), tmp_path)
    before, after = manifest_of(film), redo(film, shot, "tone.glare=0.8", "tone.shadows=1")
    pairs = zip(before["frame_digests"], after["frame_digests"], strict=True)
    assert [index for index, (one, other) in enumerate(pairs) if one != other] == list(frames_of(shot))
    assert run(["verify", str(film)]) == 0


@pytest.mark.parametrize(
    ("shot", "setting", "said"),
    [
        (5, "grain.keep=1", "no shot 5: the film has 4"),
        (1, "scale=4", "'scale' is no key of a single shot"),
        (1, "grain.keep=2", "grain.keep"),
        (1, "grain.keep", "is not KEY=VALUE"),
    ],
)
def test_what_cannot_be_done_is_refused(
    shot: int, setting: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shot that does not exist, and settings that are none of a shot; the film stays."""
    film = copied(restored("web"), tmp_path)
    content = film.read_bytes()
    redo(film, shot, setting, code=2)
    assert said in capsys.readouterr().err
    assert film.read_bytes() == content


def test_a_film_whose_source_is_gone_or_another_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says so; the film stays."""
    source = tmp_path / "source.mkv"
    write_film(source, Film([(clips.F(i, 25), scene(i, "yuv420p", 64, 48)) for i in range(SHOT_FRAMES)], codec="ffv1"))
    film = tmp_path / "film.mp4"
    assert run(["restore", str(source), "-o", str(film), f"--set=model={small_network()}"]) == 0
    shutil.copy(uneven_film(*SHOTS), source)
    redo(film, 1, "grain.keep=1", code=2)
    assert "not the source that the film was made from" in capsys.readouterr().err
    source.unlink()
    redo(film, 1, "grain.keep=1", code=2)
    assert str(source) in capsys.readouterr().err


@pytest.mark.parametrize("former", [False, True])
def test_a_film_is_redone_from_any_folder(former: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative source is found again, also by the manifest of an earlier version, which kept it as it was typed."""
    (folder := tmp_path / "films").mkdir()
    (elsewhere := tmp_path / "elsewhere").mkdir()
    shutil.copy(uneven_film(*SHOTS), folder / "source.mkv")
    monkeypatch.chdir(tmp_path)
    assert run(["restore", "films/source.mkv", "-o", "films/film.mp4", f"--set=model={small_network()}"]) == 0
    film = folder / "film.mp4"
    known = manifest_of(film)
    assert known["source"]["location"] == str(folder / "source.mkv")
    if former:
        known["source"]["location"] = "films/source.mkv"
        film.with_name("film.mp4.manifest.json").write_text(json.dumps(known))
        shutil.copy(film, elsewhere / "source.mkv")
    monkeypatch.chdir(elsewhere)
    assert redo(film, 1, "grain.keep=1")["source"]["location"] == str(folder / "source.mkv")
    assert run(["verify", str(film)]) == 0


def test_a_film_with_captions_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its pictures hold captions already, and would be given them again."""
    film = tmp_path / "film.mp4"
    options = ["-o", str(film), f"--set=model={small_network()}"]
    assert run(["restore", str(captioned(tmp_path / "source.mp4")), *options]) == 0
    redo(film, 1, "grain.keep=1", code=2)
    assert "its pictures hold captions" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("version", "0.0.1", "made by version 0.0.1"),
        ("toolchains", ["plan-0"], "made with plan-0, this is plan-"),
        ("engine", "torch-1", "made with engine torch-1"),
        ("film_sha256", "00", "not the film of its manifest"),
    ],
)
def test_a_film_of_another_version_is_refused(
    key: str, value: object, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its other frames could not be made again: by the program, its libraries or its engine; or it is another film."""
    film = copied(restored("web"), tmp_path)
    manifest = film.with_name(f"{film.name}.manifest.json")
    manifest.write_text(json.dumps({**manifest_of(film), key: value}))
    redo(film, 1, "grain.keep=1", code=2)
    assert said in capsys.readouterr().err


def test_only_what_differs_is_said_of_a_toolchain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A film of other plan rules alone: the line names them, and no library."""
    film = copied(restored("web"), tmp_path)
    (made,) = manifest_of(film)["toolchains"]
    rules, _, libraries = made.partition(" ")
    manifest = film.with_name(f"{film.name}.manifest.json")
    manifest.write_text(json.dumps({**manifest_of(film), "toolchains": [f"plan-0 {libraries}"]}))
    redo(film, 1, "grain.keep=1", code=2)
    assert f"made with plan-0, this is {rules}; restore the film again" in capsys.readouterr().err


def test_a_film_may_be_named_by_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of a file of this machine is taken; a store is refused, and no folder of its name is made."""
    film = copied(restored("web"), tmp_path)
    assert run(["redo", f"file://{film}", "--shot", "1", "--set", "grain.keep=1"]) == 0
    (empty := tmp_path / "empty").mkdir()
    monkeypatch.chdir(empty)
    assert run(["redo", "s3://bucket/film.mp4", "--shot", "1", "--set", "grain.keep=1"]) == 2
    assert "not on a disk of this machine; copy the film" in capsys.readouterr().err
    assert not list(empty.iterdir())
