"""The report works in a real browser: offline, with pointer and keyboard, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.ledger.delivery import report_location
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_builder import build_manifest
from reelwright.ledger.report.page import write_comparison, write_report
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.repair_mask import DUST
from tests.support.browser import Page, browser
from tests.support.ledgers import RUN, fidelity_of, film_of, planned, put_run, title_of, video_of

HOSTILE = "</title><script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
DESKTOP, PHONE = (1280, 800), (390, 844)
SHOTS = 12
STAGE = "JSON.parse(JSON.stringify(document.getElementById('stage').getBoundingClientRect()))"


def measured(index: int) -> FrameFidelity:
    """Frame 37, in the eighth shot, is the worst; frame 24, which begins a segment, is that of the fifth shot."""
    unsupported = {37: 3.0, 24: 1.0}.get(index, 0.5)
    return fidelity_of(difference=1 + index % 5, unsupported=unsupported, grain_before=4, grain_after=2)


def restored(folder: Path) -> tuple[Manifest, RunLedger]:
    """A film with twelve shots, whose title is a script."""
    ledger = RunLedger(str(folder / "ledger"), RUN)
    title = title_of(video=video_of(160, 120))
    title = title.model_copy(update={"source": title.source.model_copy(update={"metadata": {"title": HOSTILE}})})
    frames = planned([5] * SHOTS)
    dust = np.zeros((120, 160), np.uint8)
    dust[30:60, 60:100] = DUST
    masks = {37: dust, 30: np.zeros_like(dust)}
    put_run(ledger, folder, title, frames, segment=24, fidelity=measured, masks=masks)
    return build_manifest(ledger, film_of(len(frames), seconds={"assemble": 1.0})), ledger


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of that film."""
    folder = tmp_path_factory.mktemp("report & more #1")
    film = str(folder / "film.mp4")
    write_report(*restored(folder), film)
    return Path(report_location(film))


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One Chromium for all tests of this file."""
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(tab: Page, html: Path) -> Page:
    """The report, loaded again in a desktop window."""
    tab.set_window(*DESKTOP)
    tab.open(html)
    return tab


def split(page: Page) -> float:
    """Percentage of the picture that shows the source, from the page's style."""
    return float(page.evaluate("document.getElementById('stage').style.getPropertyValue('--split')").rstrip("%"))


def current_shot(page: Page) -> str:
    """Number of the shot that is shown."""
    return str(page.evaluate("document.querySelector('.shot[aria-current=true]').dataset.shot"))


def stage_point(page: Page, x: float, y: float) -> tuple[float, float]:
    """Window coordinates of a point given in fractions of the stage's width and height."""
    box: dict[str, Any] = page.evaluate(STAGE)
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def strip(page: Page, center: float) -> NDArray[np.int64]:
    """The drawn pixels of a narrow vertical strip of the stage."""
    x, y = (round(value) for value in stage_point(page, center, 0.3))
    return page.screenshot()[y : y + 60, x - 4 : x + 4].astype(np.int64)


def test_it_opens_offline_with_every_picture(page: Page, html: Path) -> None:
    """All pictures decode, the page requests nothing else, and the console has no errors."""
    sizes = page.evaluate(
        "Promise.all([...document.images].filter(image => image.id !== 'mask')"
        ".map(image => image.decode().then(() => image.naturalWidth)))"
    )
    # A thumbnail and two strips of each shot, and the two pictures that are compared.
    assert len(sizes) == 3 * SHOTS + 2
    assert min(sizes) > 0
    assert page.requests() == [html.as_uri()]
    assert page.console_errors() == []


def test_what_is_hidden_is_not_drawn(page: Page) -> None:
    """No hidden element takes any room, above all no picture without a source."""
    hidden = page.evaluate(
        "[...document.querySelectorAll('[hidden]')].map(each => [each.id, each.getClientRects().length])"
    )
    assert hidden == [["mask", 0], ["missing", 0]]


def test_a_script_in_the_title_is_shown_and_not_run(page: Page) -> None:
    """The script is the text of the heading, and the document's title is unchanged."""
    assert page.evaluate("document.querySelector('h1').textContent") == HOSTILE
    assert page.evaluate("document.title") != "taken"


def test_the_certificate_leads_to_the_worst_shot(page: Page) -> None:
    """The curves are drawn with every cut, and the first button of the list shows the worst shot."""
    assert page.evaluate("document.querySelector('.curve path').getAttribute('d').split('M').length") == SHOTS
    height = "document.querySelector('.curve .after').getBoundingClientRect().height"
    assert page.evaluate(height) > 20
    assert page.evaluate("document.querySelector('.worst tbody td small').textContent") == "frame 37"
    page.evaluate("document.querySelector('.worst button').click()")
    assert current_shot(page) == "8"


def test_repairs_are_shown_over_the_picture(page: Page) -> None:
    """The switch draws the mask of the shot that is shown, where it is in the frame, and says how much it is."""
    page.evaluate("document.querySelector('.worst button').click()")
    before = page.screenshot()
    page.evaluate("document.getElementById('marks').click()")
    page.evaluate("document.getElementById('mask').decode()")
    changed = np.abs(page.screenshot().astype(int) - before).max(axis=2) > 40
    box: dict[str, Any] = page.evaluate(STAGE)

    def drawn(x: float, y: float) -> bool:
        column, row = round(box["x"] + x * box["width"]), round(box["y"] + y * box["height"])
        return bool(changed[row, column])

    assert [drawn(x, 0.37) for x in (0.3, 0.4, 0.6, 0.7)] == [False, True, True, False]
    assert "; repaired: dust 6.2 % of the samples" in page.evaluate("document.getElementById('where').textContent")
    page.evaluate("document.querySelectorAll('.shot')[6].click()")
    assert page.evaluate("document.getElementById('mask').getClientRects().length") == 0
    assert page.evaluate("document.getElementById('where').textContent").endswith("; nothing repaired in this frame")
    page.evaluate("document.querySelectorAll('.shot')[2].click()")
    assert page.evaluate("document.getElementById('marks').disabled") is True


def test_each_of_the_worst_shots_shows_how_it_moves(page: Page) -> None:
    """Its frames lie side by side, the source's above the restored ones, with the command that restores it again."""
    shown = page.evaluate("[...document.querySelectorAll('.motion')].map(figure => figure.dataset.motion)")
    assert shown == page.evaluate("[...document.querySelectorAll('.worst [data-goto]')].map(b => b.dataset.goto)")
    figure = "document.querySelector('.motion[data-motion=\"5\"]')"
    # Frames before it are of another segment.
    assert "frames 24 to 24" in page.evaluate(f"{figure}.textContent")
    sizes = page.evaluate(
        f"[...{figure}.querySelectorAll('img')].map(image => [image.naturalWidth, image.naturalHeight])"
    )
    assert sizes == [[32, 24], [64, 48]]
    boxes = page.evaluate(f"[...{figure}.querySelectorAll('img')].map(image => image.getBoundingClientRect().toJSON())")
    assert boxes[0]["width"] == boxes[1]["width"]
    assert boxes[0]["bottom"] <= boxes[1]["top"]
    for number in shown:
        command = f"document.querySelector('.motion[data-motion=\"{number}\"] code').textContent"
        assert page.evaluate(command) == f"reelwright redo film.mp4 --shot {number} --set KEY=VALUE"


def test_two_films_are_shown_with_their_differences(tab: Page, tmp_path: Path) -> None:
    """The switch marks where they differ, and the strips name both films and no command that would change one."""
    manifest, ledger = restored(tmp_path)
    page = tmp_path / "compared.html"
    write_comparison(manifest, manifest, ledger, page, differing={7: 37, 1: 5})
    tab.set_window(*DESKTOP)
    tab.open(page)
    assert tab.evaluate("document.getElementById('marks').textContent") == "Show differences"
    tab.evaluate("document.querySelector('.motion button').click()")
    assert current_shot(tab) == "8"
    tab.evaluate("document.getElementById('marks').click()")
    tab.evaluate("document.getElementById('mask').decode()")
    assert tab.evaluate("document.getElementById('mask').hidden") is False
    where = tab.evaluate("document.getElementById('where').textContent")
    assert where.endswith("; B is brighter in 6.2 % of the samples, by 4 levels or more")
    assert tab.evaluate("[...document.querySelectorAll('.motion')].map(each => each.dataset.motion)") == ["8", "2"]
    alts = tab.evaluate("[...document.querySelector('.motion').querySelectorAll('img')].map(each => each.alt)")
    assert alts == ["Frames 35 to 39 of A", "The same frames of B"]
    assert tab.evaluate("document.querySelector('.motion code')") is None
    assert tab.console_errors() == []


def test_the_pointer_drags_the_divider(page: Page) -> None:
    """The pixels between the old and the new position change from source to restored."""
    assert split(page) == 50
    page.evaluate("document.getElementById('before').decode()")
    before = strip(page, 0.35)
    page.drag(stage_point(page, 0.5, 0.5), stage_point(page, 0.2, 0.6))
    assert split(page) == pytest.approx(20, abs=1)
    assert np.abs(strip(page, 0.35) - before).mean() > 2
    page.drag(stage_point(page, 0.2, 0.5), stage_point(page, -0.5, 0.5))
    assert split(page) == 0


def test_the_keyboard_moves_the_divider(page: Page) -> None:
    """Tab focuses the slider first; arrow and page keys move it and update its accessible value."""
    page.press("Tab")
    assert page.evaluate("document.activeElement.id") == "split"
    page.press("ArrowLeft")
    assert split(page) == 48
    page.press("PageUp")
    assert split(page) == 58
    assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')") == "58 % source"


def test_shots_are_selected_by_clicks_and_keys(page: Page) -> None:
    """Clicks, arrow keys, End and the two buttons select a shot, and its pictures are shown."""
    page.evaluate("document.querySelectorAll('.shot')[4].click()")
    assert current_shot(page) == "5"
    page.evaluate("document.querySelectorAll('.shot')[4].focus()")
    page.press("ArrowRight")
    assert current_shot(page) == "6"
    page.press("End")
    assert current_shot(page) == str(SHOTS)
    assert page.evaluate("document.getElementById('next').disabled") is True
    page.evaluate("document.getElementById('previous').click()")
    assert current_shot(page) == str(SHOTS - 1)
    assert page.evaluate(
        "(d => document.getElementById('before').src === d.before && document.getElementById('after').src === d.after)"
        "(document.querySelector('.shot[aria-current=true]').dataset)"
    )
    shown = page.evaluate("document.getElementById('where').textContent")
    assert shown.startswith(f"Shot {SHOTS - 1} of {SHOTS}, frame 50, 00:00:02.000: differs by")


def test_magnified_pictures_are_moved_by_the_pointer(page: Page) -> None:
    """At 4x a drag outside of the divider moves both pictures equally, and not beyond their edge."""
    page.evaluate("document.querySelector('[data-zoom=\"4\"]').click()")
    positions = "['before','after'].map(id => document.getElementById(id).getBoundingClientRect().x)"
    start = page.evaluate(positions)
    page.drag(stage_point(page, 0.8, 0.5), stage_point(page, 0.7, 0.5))
    moved = page.evaluate(positions)
    assert moved[0] == pytest.approx(moved[1])
    assert moved[0] < start[0]
    assert split(page) == 50
    for _ in range(6):
        page.drag(stage_point(page, 0.05, 0.5), stage_point(page, 0.45, 0.5))
        page.drag(stage_point(page, 0.55, 0.5), stage_point(page, 0.95, 0.5))
    assert page.evaluate(positions)[0] == pytest.approx(page.evaluate(STAGE)["x"], abs=0.5)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_a_phone_without_horizontal_scrolling(tab: Page, html: Path, dark: bool) -> None:
    """The page is as wide as the screen, buttons are at least 40 pixels high, and dark mode follows the device."""
    tab.set_window(*PHONE, dark=dark)
    tab.open(html)
    assert tab.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    targets = "[...document.querySelectorAll('.tools button')].map(b => b.getBoundingClientRect().height)"
    assert min(tab.evaluate(targets)) >= 40
    drawn = tab.screenshot()
    assert drawn.shape[:2] == (PHONE[1], PHONE[0])
    assert (drawn[4, 4].mean() < 60) == dark
