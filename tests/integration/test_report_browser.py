"""The report in a real browser: offline, by pointer, by keyboard, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.ledger.manifest import build_manifest
from reelwright.ledger.names import report_location
from reelwright.ledger.report.page import write_report
from reelwright.ledger.run_ledger import RunLedger
from tests.support.browser import Page, browser
from tests.support.ledgers import RUN, film_of, planned, put_run, title_of, video_of

HOSTILE = "</title><script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
DESKTOP, PHONE = (1280, 800), (390, 844)
SHOTS = 12
STAGE = "JSON.parse(JSON.stringify(document.getElementById('stage').getBoundingClientRect()))"


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a film of twelve shots whose title is an attack."""
    folder = tmp_path_factory.mktemp("report & more #1")
    ledger = RunLedger(str(folder / "ledger"), RUN)
    title = title_of(video=video_of(160, 120))
    title = title.model_copy(update={"source": title.source.model_copy(update={"metadata": {"title": HOSTILE}})})
    frames = planned([5] * SHOTS)
    put_run(ledger, folder, title, frames, segment=24)
    film = str(folder / "film.mp4")
    write_report(build_manifest(ledger, film_of(len(frames), seconds={"assemble": 1.0})), ledger, film)
    return Path(report_location(film))


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One Chromium for all."""
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(tab: Page, html: Path) -> Page:
    """The report, freshly loaded in a desktop window."""
    tab.look(*DESKTOP)
    tab.open(html)
    return tab


def split(page: Page) -> float:
    """Percent of the picture that shows the source, as the page's style has it."""
    return float(page.ask("document.getElementById('stage').style.getPropertyValue('--split')").rstrip("%"))


def current(page: Page) -> str:
    """The number of the shot that is shown."""
    return str(page.ask("document.querySelector('.shot[aria-current=true]').dataset.shot"))


def point(page: Page, across: float, down: float) -> tuple[float, float]:
    """A point of the stage in the window."""
    box: dict[str, Any] = page.ask(STAGE)
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def seen(page: Page, across: float) -> NDArray[np.int64]:
    """A narrow strip of the stage as it is drawn."""
    x, y = (round(value) for value in point(page, across, 0.3))
    return page.screenshot()[y : y + 60, x - 4 : x + 4].astype(np.int64)


def test_it_opens_offline_and_every_picture_is_there(page: Page, html: Path) -> None:
    """All pictures decode, nothing is asked from anywhere, and the console is silent."""
    sizes = page.ask("Promise.all([...document.images].map(image => image.decode().then(() => image.naturalWidth)))")
    assert len(sizes) == SHOTS + 2
    assert min(sizes) > 0
    assert page.requests() == [html.as_uri()]
    assert page.complaints() == []


def test_a_hostile_title_is_shown_and_does_nothing(page: Page) -> None:
    """The attack is the heading, to the letter."""
    assert page.ask("document.querySelector('h1').textContent") == HOSTILE
    assert page.ask("document.title") != "taken"


def test_the_pointer_drags_the_divider(page: Page) -> None:
    """What is drawn between the divider's old and new place changes from source to restored."""
    assert split(page) == 50
    page.ask("document.getElementById('before').decode()")
    before = seen(page, 0.35)
    page.drag(point(page, 0.5, 0.5), point(page, 0.2, 0.6))
    assert split(page) == pytest.approx(20, abs=1)
    assert np.abs(seen(page, 0.35) - before).mean() > 2
    page.drag(point(page, 0.2, 0.5), point(page, -0.5, 0.5))
    assert split(page) == 0


def test_the_keyboard_moves_the_divider(page: Page) -> None:
    """Tab reaches the slider first; arrows and page keys move it and its value is spoken."""
    page.press("Tab")
    assert page.ask("document.activeElement.id") == "split"
    page.press("ArrowLeft")
    assert split(page) == 48
    page.press("PageUp")
    assert split(page) == 58
    assert page.ask("document.activeElement.getAttribute('aria-valuetext')") == "58 % source"


def test_the_strip_jumps_between_shots(page: Page) -> None:
    """Clicks, arrow keys, End and the two buttons choose a shot; the pair shown is that shot's own."""
    page.ask("document.querySelectorAll('.shot')[4].click()")
    assert current(page) == "5"
    page.ask("document.querySelectorAll('.shot')[4].focus()")
    page.press("ArrowRight")
    assert current(page) == "6"
    page.press("End")
    assert current(page) == str(SHOTS)
    assert page.ask("document.getElementById('next').disabled") is True
    page.ask("document.getElementById('previous').click()")
    assert current(page) == str(SHOTS - 1)
    assert page.ask(
        "(d => document.getElementById('before').src === d.before && document.getElementById('after').src === d.after)"
        "(document.querySelector('.shot[aria-current=true]').dataset)"
    )
    shown = page.ask("document.getElementById('where').textContent")
    assert shown == f"Shot {SHOTS - 1} of {SHOTS}, frame 52, 00:00:02.080"


def test_magnified_pictures_are_moved_by_the_pointer(page: Page) -> None:
    """At 4x a drag beside the divider moves both pictures together and never past their edge."""
    page.ask("document.querySelector('[data-zoom=\"4\"]').click()")
    place = "['before','after'].map(id => document.getElementById(id).getBoundingClientRect().x)"
    start = page.ask(place)
    page.drag(point(page, 0.8, 0.5), point(page, 0.7, 0.5))
    moved = page.ask(place)
    assert moved[0] == pytest.approx(moved[1])
    assert moved[0] < start[0]
    assert split(page) == 50
    for _ in range(6):
        page.drag(point(page, 0.05, 0.5), point(page, 0.45, 0.5))
        page.drag(point(page, 0.55, 0.5), point(page, 0.95, 0.5))
    assert page.ask(place)[0] == pytest.approx(page.ask(STAGE)["x"], abs=0.5)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(tab: Page, html: Path, dark: bool) -> None:
    """The page is as wide as the screen, touch targets are large enough, and the scheme follows the device."""
    tab.look(*PHONE, dark=dark)
    tab.open(html)
    assert tab.ask("document.documentElement.scrollWidth") == PHONE[0]
    targets = "[...document.querySelectorAll('.tools button')].map(b => b.getBoundingClientRect().height)"
    assert min(tab.ask(targets)) >= 40
    drawn = tab.screenshot()
    assert drawn.shape[:2] == (PHONE[1], PHONE[0])
    assert (drawn[4, 4].mean() < 60) == dark
