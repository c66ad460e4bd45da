"""Worst shots, judgements and comparisons of films, on the command line."""

from __future__ import annotations

import base64
import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import fsspec
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.cli.main import run
from reelwright.ledger.report.formatting import difference_sentence
from tests.support import clips
from tests.support.commands import manifest_of
from tests.support.films import small_film, small_network, uneven_film

SHOTS = (10, 7, 9, 1)


@cache
def film(*settings: str) -> Path:
    """A film with shots of these lengths, restored once with these settings."""
    output = clips.clip_folder() / f"judged-{'-'.join(settings) or 'plain'}" / "film.mp4"
    output.parent.mkdir()
    options = [f"--set={setting}" for setting in (f"model={small_network()}", *settings)]
    assert run(["restore", str(uneven_film(*SHOTS)), "-o", str(output), *options]) == 0
    return output


def printed(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    """What a command prints."""
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    return out + err


def test_the_worst_shots_are_listed_first(capsys: pytest.CaptureFixture[str]) -> None:
    """One line per shot, in the order of the worst frame of each; `--limit` bounds them."""
    *lines, hint = printed(capsys, "qc", film()).splitlines()
    shots = manifest_of(film())["shots"]
    worst = sorted(range(len(SHOTS)), key=lambda index: -shots[index]["fidelity"]["worst"])
    assert [int(line.split()[1]) for line in lines] == [index + 1 for index in worst]
    assert all(" departs " in line for line in lines)
    assert f"redo {film()} --shot {worst[0] + 1} --set" in hint
    assert printed(capsys, "qc", film(), "--limit", 1).splitlines() == [lines[0], hint]
    listed = json.loads(printed(capsys, "qc", film(), "--json"))
    assert [each["shot"] for each in listed] == [index + 1 for index in worst]


def test_a_film_in_a_store_is_to_be_copied_before_a_shot_is_restored_again(capsys: pytest.CaptureFixture[str]) -> None:
    """The list of its shots ends with that, as `redo` refuses the address."""
    with fsspec.open("memory://judged/film.mp4.manifest.json", "wb") as stream:
        stream.write(Path(f"{film()}.manifest.json").read_bytes())
    hint = printed(capsys, "qc", "memory://judged/film.mp4").splitlines()[-1]
    assert hint.endswith("`reelwright redo` on a copy of the film, its manifest and its report on a disk")


def test_a_judgement_stays_in_the_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    """An accepted shot is listed as such, nothing else in the manifest changes, and the film is verified still."""
    before, page = manifest_of(film()), Path(f"{film()}.report.html")
    plain = page.read_text()
    assert "shot 2" in printed(capsys, "qc", film(), "--shot", 2, "--accept", "looked at in motion")
    written = page.read_text()
    assert "<td>accepted</td><td>looked at in motion</td>" in written
    assert without_judgements(written) == without_judgements(plain)
    after: dict[str, Any] = manifest_of(film())
    (judgement,) = after["judgements"]
    assert (judgement["shot"], judgement["accepted"], judgement["remark"]) == (2, True, "looked at in motion")
    assert {key: value for key, value in after.items() if key != "judgements"} == {
        key: value for key, value in before.items() if key != "judgements"
    }
    (line,) = (line for line in printed(capsys, "qc", film()).splitlines() if line.startswith("shot 2 "))
    assert line.endswith(": looked at in motion")
    assert run(["verify", str(film())]) == 0


def without_judgements(page: str) -> tuple[str, str]:
    """What stands in a report before and after the judgements."""
    before, _, rest = page.partition("<!-- judgements -->")
    return before, rest.partition("<!-- end of judgements -->")[2]


def test_judgements_in_a_report_are_all_there_and_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Later ones come below earlier ones, markup in a remark is text, and a film without its report is judged, too."""
    copy = tmp_path / "film.mp4"
    for path in film("grain.keep=0").parent.iterdir():
        shutil.copy(path, tmp_path)
    page = Path(f"{copy}.report.html")
    printed(capsys, "qc", copy, "--shot", 1, "--accept", "<!-- end of judgements --><script>")
    printed(capsys, "qc", copy, "--shot", 3, "--accept", "")
    text = page.read_text()
    assert text.count("<!-- end of judgements -->") == 1
    first, second = (text.index(f'data-goto="{shot}">{shot}</button></th><td>00:00:0') for shot in (1, 3))
    assert text.index('id="judgements"') < first < text.index("&lt;script&gt;") < second
    page.write_text("a report of an earlier version")
    assert "no place" in printed(capsys, "qc", copy, "--shot", 2, "--accept", "")
    assert page.read_text() == "a report of an earlier version"
    page.unlink()
    assert "no place" in printed(capsys, "qc", copy, "--shot", 2, "--accept", "")
    assert [each["shot"] for each in manifest_of(copy)["judgements"]] == [1, 3, 2, 2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--shot", "5", "--accept", ""), "no shot 5: the film has 4"),
        (("--shot", "0", "--accept", ""), "no shot 0: the film has 4"),
        (("--shot", "1"), "--shot and --accept belong together"),
    ],
)
def test_a_judgement_of_nothing_is_refused(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shot that the film does not have, and a shot without a judgement."""
    assert said in printed(capsys, "qc", film(), *arguments, code=2)


def test_a_shot_of_another_film_is_not_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written for a film that is not the manifest's, changed by one byte, say."""
    copy = tmp_path / "film.mp4"
    for suffix in ("", ".manifest.json"):
        shutil.copyfile(f"{film()}{suffix}", f"{copy}{suffix}")
    manifest = copy.with_name(f"{copy.name}.manifest.json")
    before = manifest.read_bytes()
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    assert "not the film of its manifest" in printed(capsys, "qc", copy, "--shot", 1, "--accept", "", code=2)
    assert manifest.read_bytes() == before


@pytest.mark.parametrize("tolerance", ["-1", "nan"])
def test_a_tolerance_below_zero_is_refused(tolerance: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No film departs less than not at all."""
    assert "--tolerance" in printed(capsys, "compare", film(), film(), "--tolerance", tolerance, code=2)


def test_the_c2pa_definition_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, with an action for each step of the edit list."""
    found = json.loads(printed(capsys, "qc", film(), "--c2pa"))
    steps = [step["step"] for step in manifest_of(film())["edits"]]
    actions = found["assertions"][0]["data"]["actions"]
    assert [action["description"].partition(":")[0] for action in actions[1:]] == steps


def test_two_films_of_a_source_are_compared_shot_by_shot(capsys: pytest.CaptureFixture[str]) -> None:
    """One line per shot with the figures of both; `--tolerance` fails when the second film departs further by more."""
    one, other = film(), film("grain.keep=0")
    lines = printed(capsys, "compare", one, other).splitlines()
    assert [int(line.split()[1]) for line in lines] == [1, 2, 3, 4]
    shots = json.loads(printed(capsys, "compare", one, other, "--json"))
    assert all(shot["b"]["difference"] > shot["a"]["difference"] for shot in shots)
    least = min(abs(shot["further"]) for shot in shots)
    worse = [str(shot["number"]) for shot in shots if shot["further"] > least / 2]
    code = 1 if worse else 0
    found = printed(capsys, "compare", one, other, "--tolerance", least / 2, code=code)
    assert not worse or f"in shot {', '.join(worse)}" in found
    assert "departs over" not in printed(capsys, "compare", one, one, "--tolerance", 0)


def test_the_report_of_two_films_shows_both(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A row per shot with the figures of both, a picture of each film per shot, and curves with a line of each."""
    page = tmp_path / "page.html"
    printed(capsys, "compare", film(), film("grain.keep=0"), "--report", page)
    text = page.read_text()
    assert text.count('data-before="data:image/jpeg') == text.count('data-after="data:image/jpeg') == len(SHOTS)
    assert ">A</span>" in text
    assert ">B</span>" in text
    compared = text.partition('id="compared"')[2].partition("</table>")[0]
    assert compared.count("data-goto") == len(SHOTS)
    curves = text.partition('id="certificate"')[2].partition("Worst shots")[0]
    assert curves.count('class="before"') == curves.count('class="after"') == curves.count("<figure")
    # Each shot shows the frame in which the films differ most, the shots that do first.
    numbers = [int(each) for each in re.findall(r'data-motion="([0-9]+)"', text)]
    assert sorted(numbers) == [1, 2, 3, 4]
    levels = differences(film(), film("grain.keep=0"))
    shots, first, most = manifest_of(film())["shots"], 0, []
    for number, entry in enumerate(shots, 1):
        part = levels[first : first + entry["frames"]]
        worst = first + int(np.argmax([np.sqrt((each.astype(float) ** 2).mean()) for each in part]))
        (shown,) = re.findall(rf'data-shot="{number}" data-frame="([0-9]+)"', text)
        assert int(shown) == worst
        strip = range(max(first, worst - 2), min(first + entry["frames"], worst + 3))
        assert f'alt="Frames {strip[0]} to {strip[-1]} of A"' in text
        shares = [(levels[worst] >= 4).mean(), (levels[worst] <= -4).mean()]
        assert difference_sentence(*shares) in text
        most.append(np.sqrt((levels[worst].astype(float) ** 2).mean()))
        first += entry["frames"]
    assert numbers == sorted(numbers, key=lambda number: -most[number - 1])
    assert "redo" not in text.partition("Where the films differ most")[2].partition("</section>")[0]
    assert "is the source itself" in printed(capsys, "compare", film(), film(), "--report", film(), code=2)


def differences(one: Path, other: Path) -> list[NDArray[np.int16]]:
    """By how many levels the luma of a film is above that of another, both as small as their source, frame by frame."""
    lumas = []
    for path in (one, other):
        with av.open(str(path)) as container:
            pictures = [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]
        lumas.append([cv2.resize(each, (64, 48), interpolation=cv2.INTER_AREA).astype(np.int16) for each in pictures])
    return [after - before for before, after in zip(*lumas, strict=True)]


def test_films_that_are_alike_show_no_differences(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A film compared with itself has its pictures, and nothing is marked."""
    page = tmp_path / "page.html"
    printed(capsys, "compare", film(), film(), "--report", page)
    text = page.read_text()
    assert text.count('data-before="data:image/jpeg') == len(SHOTS)
    assert "data-marked" not in text.partition("<script>")[0]
    assert "data-motion" not in text


def test_the_report_of_two_films_replaces_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Neither the source, a film and what lies beside it nor another file; nothing is compared before that is known."""
    source, one = tmp_path / "source.mkv", tmp_path / "one.mp4"
    shutil.copy(small_film(4), source)
    assert run(["restore", str(source), "-o", str(one), f"--set=model={small_network()}"]) == 0
    (tmp_path / "link.html").hardlink_to(source)
    (tmp_path / "other.html").write_text("mine")
    (tmp_path / "one.c2pa").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for name, said in {
        "source.mkv": "is the source itself",
        "link.html": "is the source itself",
        "one.mp4": "is the source itself",
        "one.mp4.manifest.json": "is the source itself",
        "one.mp4.report.html": "is the source itself",
        "one.c2pa": "is the source itself",
        "new.txt": "name it new.html",
        "none/new.html": "no such folder",
    }.items():
        for option in ([], ["--overwrite"]):
            found = printed(capsys, "compare", one, one, "--report", tmp_path / name, *option, code=2)
            assert said in found
            assert "shot 1" not in found
    page = tmp_path / "other.html"
    assert "exists already" in printed(capsys, "compare", one, one, "--report", page, code=2)
    assert "not on a disk" in printed(capsys, "compare", one, one, "--report", "s3://bucket/page.html", code=2)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    printed(capsys, "compare", one, one, "--report", f"file://{page}", "--overwrite")
    assert page.read_text().startswith("<!")


def test_a_film_that_is_cut_short_has_no_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One line names the film and the frame that it does not have."""
    copy = tmp_path / "film.mp4"
    for path in film("grain.keep=0").parent.iterdir():
        shutil.copy(path, tmp_path)
    shutil.copy(small_film(4), copy)
    assert "frame 4 is missing" in printed(capsys, "compare", film(), copy, "--report", tmp_path / "page.html", code=2)


def test_films_of_two_scales_are_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The strips of both show the same part of the source, each in its own size."""
    page = tmp_path / "page.html"
    printed(capsys, "compare", film(), film("scale=3"), "--report", page)
    strips = re.findall(r'class="frames"><img src="([^"]+)".*?<img src="([^"]+)"', page.read_text())
    assert len(strips) == len(SHOTS)
    for pair in strips:
        (rows, columns), (more, wider) = (shape_of_uri(each) for each in pair)
        assert (rows * 3, columns * 3) == (more * 2, wider * 2)


def shape_of_uri(uri: str) -> tuple[int, int]:
    found = cv2.imdecode(np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert found is not None
    return found.shape[0], found.shape[1]


def test_films_that_cannot_be_compared_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of another source, and one that was not measured; the line says what to do."""
    other = tmp_path / "other.mp4"
    assert run(["restore", str(small_film(4)), "-o", str(other), f"--set=model={small_network()}"]) == 0
    assert "made from another source" in printed(capsys, "compare", film(), other, code=2)
    manifest = other.with_name("other.mp4.manifest.json")
    document = json.loads(manifest.read_text())
    document["shots"][0]["fidelity"] = document["frame_fidelity"] = None
    manifest.write_text(json.dumps(document))
    assert "shot 1 was not measured" in printed(capsys, "compare", other, other, code=2)
    assert "were not measured" in printed(capsys, "qc", other)
