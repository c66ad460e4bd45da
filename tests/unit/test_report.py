"""The report: complete, safe against markup in the source, and of limited size."""

from __future__ import annotations

import base64
import hashlib
import tracemalloc
from fractions import Fraction
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tests.support.ledgers
from reelwright.ledger.delivery import report_location
from reelwright.ledger.manifest import Manifest, ShotDamage, ShotEntry, ShotSteadiness
from reelwright.ledger.manifest_builder import build_manifest
from reelwright.ledger.records import TitleRecord
from reelwright.ledger.report import formatting, page, shot_pictures
from reelwright.ledger.report.images import BUDGET_BYTES, Budget
from reelwright.ledger.report.page import spaced, write_report
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.steadiness import steadiness_of
from reelwright.media.source_info import Bars, VideoInfo
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.timestamp import timestamp
from reelwright.titles.recipe import Grain, Recipe
from tests.support.ledgers import RUN, film_of, planned, preview_of, put_run, title_of, video_of

HOSTILE = '</title></script><script>alert("x")</script><img src=http://evil.example/x onerror=alert(1)>&amp;\'"'


class Document(HTMLParser):
    """Elements with their attributes, the visible text, and the text of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.inner: dict[str, list[str]] = {"style": [], "script": []}
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._in = tag
        self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self._in = "" if tag == self._in else self._in
        self.text += " "

    def handle_data(self, data: str) -> None:
        if self._in in self.inner:
            self.inner[self._in].append(data)
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """Attributes of every element of that name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def shots(self) -> list[dict[str, str]]:
        """Attributes of every shot in the filmstrip."""
        return [attributes for attributes in self.all("button") if attributes.get("class") == "shot"]

    @property
    def visible_text(self) -> str:
        """The text with single spaces."""
        return " ".join(self.text.split())


def report(
    folder: Path,
    title: TitleRecord | None = None,
    shots: tuple[int, ...] = (7, 1, 4),
    concealed: tuple[int, ...] = (),
    **film: Any,
) -> Document:
    """The report of a run made of these."""
    ledger = RunLedger(str(folder / "ledger"), RUN)
    frames = planned(shots, concealed)
    put_run(ledger, folder, title or title_of(video=video_of(32, 24)), frames)
    return written(build_manifest(ledger, film_of(len(frames), **film)), ledger, folder)


def written(manifest: Manifest, ledger: RunLedger, folder: Path) -> Document:
    """The report of a manifest."""
    film = str(folder / "film.mp4")
    write_report(manifest, ledger, film)
    return Document(Path(report_location(film)).read_text(encoding="utf-8"))


def with_source(title: TitleRecord, **source: Any) -> TitleRecord:
    """The same title with other facts of its source."""
    return title.model_copy(update={"source": title.source.model_copy(update=source)})


def pixels(uri: str) -> np.ndarray[Any, Any]:
    """The picture of a data URI as BGR."""
    coded = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    picture = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def test_every_shot_has_its_pair(tmp_path: Path) -> None:
    """The filmstrip has every shot, with a frame of the source and the same frame restored."""
    document = report(tmp_path, shots=(7, 1, 4, 9))
    assert [shot["data-frame"] for shot in document.shots] == ["2", "7", "10", "14"]
    for shot in document.shots:
        index = int(shot["data-frame"])
        for key, size in (("data-before", (32, 24)), ("data-after", (64, 48))):
            assert base64.b64decode(shot[key].partition(",")[2]) == preview_of(index, *size)
        assert shot["data-at"] == timestamp(Fraction(index, 25))


def test_markup_in_the_source_stays_text(tmp_path: Path) -> None:
    """Markup in titles, file names, notes and streams is shown as text and adds no element."""
    plain, hostile = tmp_path / "plain", tmp_path / "hostile"
    outcome = {"index": 1, "kind": "audio", "codec": "aac", "outcome": "left out"}
    harmless = report(plain, streams=(StreamOutcome(**outcome, reason="r"),), notes=("n",))
    title = with_source(title_of(video=video_of(32, 24)), metadata={"title": HOSTILE}, location=f"/films/{HOSTILE}.mp4")
    document = report(
        hostile,
        title,
        streams=(StreamOutcome(**outcome, reason=HOSTILE, language=HOSTILE),),
        notes=(HOSTILE,),
        name=HOSTILE,
    )
    assert [tag for tag, _ in document.elements] == [tag for tag, _ in harmless.elements]
    assert document.inner == harmless.inner
    assert document.text.count('<script>alert("x")</script>') >= 6


def test_the_page_may_run_its_own_code_alone_and_load_nothing(tmp_path: Path) -> None:
    """The policy allows only the file's own style and script, and no element refers to another file."""
    document = report(tmp_path)
    policy = next(m["content"] for m in document.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        (text,) = document.inner[kind]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    for _, attributes in document.elements:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
        targets = [attributes[name] for name in ("src", "href", "srcset", "action") if name in attributes]
        assert all(target.startswith("data:") for target in targets)


def test_the_accounts_are_in_the_page(tmp_path: Path) -> None:
    """The report shows counts, concealed frames, stages, streams with reasons, notes and checksums."""
    streams = (
        StreamOutcome(index=1, kind="audio", codec="mp3", language="eng", outcome="copied", packets=369),
        StreamOutcome(index=2, kind="subtitle", codec="ass", outcome="converted", reason="MP4 holds no styles"),
    )
    document = report(
        tmp_path, concealed=(3, 8), streams=streams, notes=("Look here.",), seconds={"assemble": 3700.0}, chapters=14
    )
    for said in (
        "Frames in 12 Frames out 12 Lost 0 Doubled 0 Concealed 2 Shots 3",
        "00:00:00.120 frame 3 00:00:00.320 frame 8",
        "copied audio mp3, eng 369 packets",
        "converted subtitle ass MP4 holds no styles",
        "assemble 1 h 01 min",
        "Look here.",
        "Chapters 0 14",
        "ab" * 32,
    ):
        assert said in document.visible_text, said


def test_a_lost_or_doubled_frame_is_not_hidden(tmp_path: Path) -> None:
    """Lost and doubled frames are counted from the manifest's times."""
    ledger = RunLedger(str(tmp_path), RUN)
    put_run(ledger, tmp_path, title_of(), planned((5,)))
    whole = build_manifest(ledger, film_of(5))
    lost = written(whole.model_copy(update={"frames_out": 4, "pts": (0, 1, 2, 4)}), ledger, tmp_path)
    assert "Lost 1 Doubled 0" in lost.visible_text
    assert "once, in order" not in lost.visible_text
    doubled = written(whole.model_copy(update={"frames_out": 6, "pts": (0, 1, 2, 3, 3, 4)}), ledger, tmp_path)
    assert "Lost 0 Doubled 1" in doubled.visible_text


def test_a_missing_sample_leaves_its_shot_in_the_strip(tmp_path: Path) -> None:
    """A missing or damaged preview only removes the comparison of its shot."""
    ledger = RunLedger(str(tmp_path), RUN)
    put_run(ledger, tmp_path, title_of(), planned((3, 3, 3)))
    (tmp_path / RUN / "plan" / "000000-2.jpg").unlink()
    (tmp_path / RUN / "segments" / "000001-0.jpg").write_bytes(b"no picture")
    shots = written(build_manifest(ledger, film_of(9)), ledger, tmp_path).shots
    assert [(bool(shot["data-before"]), bool(shot["data-after"])) for shot in shots] == [
        (False, True),
        (True, False),
        (True, True),
    ]


def test_anamorphic_pictures_are_shown_at_their_shape(tmp_path: Path) -> None:
    """720x576 with a sample aspect ratio of 16:15 is shown as 4:3."""
    document = report(tmp_path, title_of(video=video_of(72, 58, sample_aspect_ratio="16/15")))
    viewer = next(s for s in document.all("section") if s.get("class") == "viewer")
    assert float(viewer["data-aspect"]) == pytest.approx(72 * 16 / 15 / 58, abs=1e-3)
    height, width = pixels(document.all("img")[-1]["src"]).shape[:2]
    assert width / height == pytest.approx(72 * 16 / 15 / 58, rel=0.02)


@pytest.mark.parametrize(("rotation", "dark"), [(0, "left"), (90, "bottom"), (180, "right"), (-90, "top")])
def test_rotated_pictures_stand_upright(tmp_path: Path, rotation: int, dark: str) -> None:
    """A picture that a player rotates counter-clockwise is rotated in the report too."""
    stored = np.full((24, 64, 3), 255, np.uint8)
    stored[:, :32] = 0
    uri = Budget(images=1).fit(cv2.imencode(".jpg", stored)[1].tobytes(), rotation)
    assert uri
    picture = pixels(uri)
    halves = {
        "left": picture[:, : picture.shape[1] // 2],
        "right": picture[:, picture.shape[1] // 2 :],
        "top": picture[: picture.shape[0] // 2],
        "bottom": picture[picture.shape[0] // 2 :],
    }
    assert min(halves, key=lambda side: float(halves[side].mean())) == dark
    document = report(tmp_path, title_of(video=video_of(32, 24, rotation=rotation)))
    viewer = next(s for s in document.all("section") if s.get("class") == "viewer")
    assert float(viewer["data-aspect"]) == pytest.approx(24 / 32 if rotation % 180 else 32 / 24, abs=1e-3)


@given(count=st.integers(1, 30), share=st.integers(4_700, 40_000), noisy=st.lists(st.booleans(), min_size=30))
@settings(max_examples=15, deadline=None)
def test_pictures_keep_to_their_budget(count: int, share: int, noisy: list[bool]) -> None:
    """Pictures of any sizes together fit the budget, and none is left out."""
    # The smallest share is that of a film with the most shots that a report shows.
    heavy = heavy_preview()
    budget = Budget(images=count, left=count * share)
    samples = [heavy if noisy[i] else preview_of(i, 320, 240) for i in range(count)]
    uris = [budget.thumbnail(s, Fraction(16, 9)) if i % 3 == 0 else budget.fit(s) for i, s in enumerate(samples)]
    assert all(uris)
    assert budget.left >= 0
    assert sum(len(uri or "") * 3 // 4 for uri in uris) <= count * share + 40 * count


def test_a_page_of_heavy_pictures_keeps_to_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole file, with markup, stays within its share of 40 MB."""
    shots, page_itself = 60, 40_000
    left = shots * BUDGET_BYTES * 7 // 10 // page.MOST_SHOTS
    monkeypatch.setattr(shot_pictures, "Budget", partial(Budget, left=left))
    monkeypatch.setattr(tests.support.ledgers, "preview_of", lambda *_: heavy_preview())
    document = report(tmp_path, shots=(2,) * shots)
    assert len(document.shots) == shots
    assert all(shot["data-before"] and shot["data-after"] for shot in document.shots)
    written = (tmp_path / "film.mp4.report.html").stat().st_size
    assert written <= shots * BUDGET_BYTES // page.MOST_SHOTS + page_itself


def test_memory_does_not_grow_with_the_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times as many shots need no more memory."""
    monkeypatch.setattr(tests.support.ledgers, "preview_of", lambda *_: heavy_preview())
    few, many = (peak_of_writing(tmp_path / str(count), count) for count in (10, 40))
    assert few[0] * 3 < many[0]
    assert many[1] < 1.2 * few[1]


def heavy_preview() -> bytes:
    """A JPEG of nothing but noise."""
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())


def peak_of_writing(folder: Path, count: int) -> tuple[int, int]:
    """Bytes of the report of a film of `count` shots, and the most memory that writing it took."""
    folder.mkdir()
    ledger = RunLedger(str(folder / "ledger"), RUN)
    frames = planned((2,) * count)
    put_run(ledger, folder, title_of(), frames)
    manifest, film = build_manifest(ledger, film_of(len(frames))), str(folder / "film.mp4")
    tracemalloc.start()
    write_report(manifest, ledger, film)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Path(report_location(film)).stat().st_size, peak


def test_a_light_picture_is_kept_to_the_byte() -> None:
    """A preview that fits is embedded unchanged."""
    jpeg = preview_of(1, 320, 240)
    assert base64.b64decode((Budget(images=1).fit(jpeg) or "").partition(",")[2]) == jpeg


@given(count=st.integers(0, 500), most=st.integers(1, 60))
def test_too_many_shots_are_thinned_evenly(count: int, most: int) -> None:
    """At most `most` shots are chosen, at equal distances from the first."""
    shots = [ShotEntry(first_frame=i, frames=1, preview_frame=i) for i in range(count)]
    indices = [index for index, _ in spaced(shots, most)]
    assert len(indices) <= most
    assert indices == list(range(0, count, indices[1])) if len(indices) > 1 else indices in ([], [0])
    assert len(indices) * 2 >= min(count, most)


def test_thinning_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that does not show every shot says so."""
    monkeypatch.setattr(page, "MOST_SHOTS", 2)
    document = report(tmp_path, shots=(3, 3, 3))
    assert len(document.shots) == 2
    assert "The film has 3 shots; 2 of them, evenly spaced, are shown." in document.visible_text


@pytest.mark.parametrize(
    ("recipe", "video", "said"),
    [
        (Recipe(grain=Grain(keep=0)), {}, "Grain removed"),
        (Recipe(grain=Grain(keep=1)), {}, "All of the film's grain was added back."),
        (Recipe(grain=Grain(keep=0.25)), {}, "25% of the grain kept"),
        (Recipe(grain=Grain(keep=0.5, mode="synthetic")), {}, "Grain made anew at 50% of its strength"),
        (Recipe(scale=4), {}, "Enlarged 4×"),
        (Recipe(model="/models/mine.safetensors"), {}, "The model mine.safetensors restored"),
        (Recipe(), {"field_order": "tff"}, "Deinterlaced The source is interlaced, top field first."),
        (Recipe(deinterlace="off"), {"field_order": "bff"}, "Fields unchanged"),
        (Recipe(), {"field_order": "telecine"}, "Pull-down undone"),
        (Recipe(deinterlace="on"), {}, "Deinterlaced The source is progressive."),
        (Recipe(bars="keep"), {"bars": Bars(left=8, right=6)}, "left 8, right 6. They were not restored"),
        (Recipe(bars="crop"), {"bars": Bars(top=4)}, "top 4. They were cropped."),
        (Recipe(bars="ignore"), {"bars": Bars(bottom=4)}, "bottom 4. They were restored together with the picture."),
        (Recipe(profile="master"), {}, "FFV1 level 3 with slice checksums"),
    ],
)
def test_what_was_done_is_said_in_words(tmp_path: Path, recipe: Recipe, video: dict[str, Any], said: str) -> None:
    """Each choice of the recipe and each relevant property of the source has its sentence."""
    title = title_of(video=video_of(32, 24, **video), recipe=recipe)
    assert said in report(tmp_path, title).visible_text


def test_a_variable_rate_is_called_so(tmp_path: Path) -> None:
    """A rate is variable when durations differ by more than one unit of the time base."""
    ledger = RunLedger(str(tmp_path), RUN)
    put_run(ledger, tmp_path, title_of(), planned((5,)))
    manifest = build_manifest(ledger, film_of(5))
    assert formatting.rate(manifest) == "25 fps"
    film = "24000/1001"
    video = VideoInfo.model_validate(manifest.source.video.model_dump() | {"average_rate": film})
    rounded = manifest.model_copy(
        update={"source_pts": (0, 42, 83, 125), "source": manifest.source.model_copy(update={"video": video})}
    )
    assert formatting.rate(rounded) == "23.976 fps"
    assert formatting.rate(rounded.model_copy(update={"source_pts": (0, 42, 83, 166)})) == "23.976 fps, variable"


@pytest.mark.parametrize(
    ("grain", "dust_frames", "blockiness", "sentence"),
    [
        (7.23, 0.03, 0.2, "grain 7.2 of 255, dust on 3 % of frames, blocks weak"),
        (0.0, 0.0, 0.05, "grain 0.0 of 255, no dust, no blocks"),
        (12.0, 1.0, 0.9, "grain 12.0 of 255, dust on 100 % of frames, blocks strong"),
    ],
)
def test_what_was_measured_is_said_in_words(grain: float, dust_frames: float, blockiness: float, sentence: str) -> None:
    """Grain, dust and blocks of a shot are one short phrase."""
    damage = ShotDamage(grain=grain, grain_size=0.3, blockiness=blockiness, sharpness=0.4, dust_frames=dust_frames)
    assert formatting.damage_sentence(damage) == sentence


def test_steadiness_in_words() -> None:
    """A shot's sentence has weave and flicker before and after, and rotation where it was measured."""
    steadiness = ShotSteadiness(weave_before=0.519, weave_after=0.08, flicker_before=2.14, flicker_after=0.2)
    damage = ShotDamage(grain=7.2, grain_size=0.3, blockiness=0.1, sharpness=0.4, dust_frames=0)
    shot = ShotEntry(first_frame=0, frames=9, preview_frame=0, damage=damage, steadiness=steadiness)
    weave, flicker = "weave 0.52 before and 0.08 samples after", "flicker 2.1 before and 0.2 % after"
    assert formatting.shot_sentence(shot) == f"grain 7.2 of 255, no dust, no blocks, {weave}, {flicker}"
    turned = steadiness.model_copy(update={"rotation_before": 0.1, "rotation_after": 0.02})
    assert formatting.steadiness_sentence(turned) == f"{weave}, {flicker}, rotation 0.10 before and 0.02 degrees after"
    unmeasured = ShotEntry(first_frame=9, frames=1, preview_frame=9)
    assert formatting.shot_sentence(unmeasured) == ""
    assert steadiness_of([shot, unmeasured]) == steadiness
    assert steadiness_of([unmeasured]) is None


def test_a_films_damage_is_weighted_by_the_length_of_its_shots() -> None:
    """A long shot counts more than a short one, and shots without a measurement do not count."""
    shots = [
        ShotEntry(first_frame=first, frames=frames, preview_frame=first, damage=damage)
        for first, frames, damage in (
            (0, 3, ShotDamage(grain=2, grain_size=0, blockiness=0, sharpness=0, dust_frames=0)),
            (3, 1, ShotDamage(grain=6, grain_size=0, blockiness=0, sharpness=0, dust_frames=1)),
            (4, 9, None),
        )
    ]
    found = formatting.damage_of(shots)
    assert found is not None
    assert (found.grain, found.dust_frames) == (3, 0.25)
    assert formatting.damage_of(shots[2:]) is None
