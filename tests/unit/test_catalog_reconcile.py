"""What the controller decides about a Catalog, and how its feeds are read."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reelwright.controller.catalog_reconcile import (
    CatalogFacts,
    FeedContent,
    FeedTitle,
    reconcile_catalog,
    restoration_name,
)
from reelwright.controller.catalog_resources import Catalog, CatalogFeed
from reelwright.controller.feeds import delivered_outputs, read_feed
from reelwright.controller.resources import Restoration, format_time
from reelwright.controller.restoration_facts import Trouble
from reelwright.titles.errors import InputError
from tests.support.restorations import NOW, document_of

TEMPLATE = {"output": "/restored/{name}.mp4", "recipe": "archive"}
FEED = {"folder": {"location": "/films", "pattern": "*.mov"}}


def catalog_of(**spec: Any) -> Catalog:
    """A catalog named `archive`."""
    metadata = {"name": "archive", "namespace": "films", "uid": "u1", "generation": 3}
    return Catalog.model_validate({"metadata": metadata, "spec": {"feed": FEED, "template": TEMPLATE, **spec}})


def titles_of(count: int) -> FeedContent:
    """Titles t0, t1, ..."""
    return FeedContent([FeedTitle(f"t{number}", f"/films/t{number}.mov") for number in range(count)])


def made_of(catalog: Catalog, title: FeedTitle, **status: Any) -> Restoration:
    """The Restoration of a title."""
    return Restoration.model_validate(document_of(restoration_name(catalog, title), status=status))


def test_as_many_titles_are_begun_as_may_run() -> None:
    """The first titles of the feed become Restorations, up to the number that may run; the others wait."""
    catalog = catalog_of(maxRunning=2)
    feed = titles_of(5)
    running = made_of(catalog, feed.titles[0], phase="Running")
    decision = reconcile_catalog(CatalogFacts(catalog=catalog, now=NOW, restorations=[running], feed=feed))
    assert [made["spec"]["source"] for made in decision.create] == ["/films/t1.mov"]
    titles = decision.status.titles
    assert titles is not None
    assert (titles.found, titles.waiting, titles.running) == (5, 3, 2)


def test_a_title_becomes_a_restoration_by_the_template() -> None:
    """Output, recipe, class, deadline, label and owner of a title's Restoration follow from the catalog."""
    catalog = catalog_of(template={**TEMPLATE, "class": "express", "deadlineSeconds": 3600, "overrides": {"scale": 3}})
    feed = FeedContent([FeedTitle("1950s/Der Film", "/films/1950s/Der Film.mov", {"recipe": "clean"})])
    (made,) = reconcile_catalog(CatalogFacts(catalog=catalog, now=NOW, restorations=[], feed=feed)).create
    assert made["spec"] == {
        "source": "/films/1950s/Der Film.mov",
        "output": "/restored/1950s/Der Film.mp4",
        "recipe": "clean",
        "class": "express",
        "overrides": {"scale": 3},
        "deadline": format_time(NOW + timedelta(hours=1)),
    }
    assert made["metadata"]["name"].startswith("archive-1950s-der-film-")
    assert made["metadata"]["labels"] == {"reelwright.io/catalog": "archive"}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u1"


def test_a_film_that_is_there_is_not_made_again() -> None:
    """A title whose film is at its output counts as finished, also when its Restoration is gone."""
    facts = CatalogFacts(
        catalog=catalog_of(), now=NOW, restorations=[], feed=titles_of(2), delivered=frozenset({"/restored/t0.mp4"})
    )
    decision = reconcile_catalog(facts)
    assert [made["spec"]["source"] for made in decision.create] == ["/films/t1.mov"]
    assert decision.status.titles is not None
    assert decision.status.titles.finished == 1


def test_failures_are_told_and_not_tried_again() -> None:
    """A failed title keeps its Restoration, is named in the status, and takes no room from the others."""
    catalog, feed = catalog_of(maxRunning=1), titles_of(3)
    refused = {"type": "Accepted", "status": "False", "reason": "SourceMissing", "lastTransitionTime": NOW.isoformat()}
    failed = [
        made_of(catalog, feed.titles[0], phase="Failed", message="frames 0-11 could not be restored"),
        made_of(catalog, feed.titles[1], phase="Pending", message="no such file", conditions=[refused]),
    ]
    decision = reconcile_catalog(CatalogFacts(catalog=catalog, now=NOW, restorations=failed, feed=feed))
    assert [made["spec"]["source"] for made in decision.create] == ["/films/t2.mov"]
    assert [problem.reason for problem in decision.status.problems] == [each.status.message for each in failed]
    assert decision.status.titles is not None
    assert decision.status.titles.failed == 2


def test_a_broker_that_is_away_begins_no_other_titles() -> None:
    """Titles that wait for Kafka take their room: the catalog does not go through the whole feed meanwhile."""
    catalog, feed = catalog_of(maxRunning=1), titles_of(3)
    away = {
        "type": "Accepted",
        "status": "Unknown",
        "reason": "BrokerUnreachable",
        "lastTransitionTime": NOW.isoformat(),
    }
    waiting = made_of(catalog, feed.titles[0], phase="Pending", conditions=[away])
    assert reconcile_catalog(CatalogFacts(catalog=catalog, now=NOW, restorations=[waiting], feed=feed)).create == []


def test_finished_titles_are_kept_as_long_as_told() -> None:
    """Only the Restorations of films that were finished long enough ago are deleted; failed ones stay."""
    feed = titles_of(3)
    for keep, expected in ((None, 0), (3600, 1)):
        catalog = catalog_of() if keep is None else catalog_of(keepFinishedSeconds=keep)
        held = [
            made_of(catalog, feed.titles[0], phase="Finished", completionTime=(NOW - timedelta(hours=2)).isoformat()),
            made_of(catalog, feed.titles[1], phase="Finished", completionTime=(NOW - timedelta(minutes=2)).isoformat()),
            made_of(catalog, feed.titles[2], phase="Failed", completionTime=(NOW - timedelta(hours=2)).isoformat()),
        ]
        decision = reconcile_catalog(CatalogFacts(catalog=catalog, now=NOW, restorations=held, feed=feed))
        assert decision.delete == [each.metadata.name for each in held[:expected]]


def test_a_suspended_catalog_begins_nothing() -> None:
    """`suspend` lets the titles that run go on, and begins none."""
    assert (
        reconcile_catalog(
            CatalogFacts(catalog=catalog_of(suspend=True), now=NOW, restorations=[], feed=titles_of(2))
        ).create
        == []
    )


def test_a_feed_that_cannot_be_read_is_a_condition() -> None:
    """Ready says why the feed cannot be read; what was counted before stays."""
    trouble = Trouble("SourceMissing", "/films/feed.jsonl: no such file", temporary=False)
    status = reconcile_catalog(CatalogFacts(catalog=catalog_of(), now=NOW, restorations=[], trouble=trouble)).status
    assert [(each.type, each.status, each.reason) for each in status.conditions] == [
        ("Ready", "False", "SourceMissing")
    ]
    assert status.message == trouble.message


def test_a_folder_is_a_feed(tmp_path: Path) -> None:
    """Files that match the pattern, in all folders below, are titles once they are no longer written."""
    for name in ("b.mov", "old/a.mov", "notes.txt", ".hidden.mov"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"film")
        os.utime(tmp_path / name, (1000, 1000))
    (tmp_path / "fresh.mov").write_bytes(b"half a film")
    feed = CatalogFeed.model_validate({"folder": {"location": str(tmp_path), "pattern": "*.mov"}})
    titles = read_feed(feed, 60).titles
    assert [(title.name, title.source) for title in titles] == [
        ("b", f"{tmp_path}/b.mov"),
        ("old/a", f"{tmp_path}/old/a.mov"),
    ]
    assert len(read_feed(feed, 0).titles) == 3


def test_a_list_is_a_feed(tmp_path: Path) -> None:
    """Each line is a title with what it says of it; a wrong line is a problem with its number, and the others count."""
    lines = [
        json.dumps({"source": "s3://films/a.mov", "recipe": "clean", "output": "s3://films/x.mp4"}),
        "",
        "no json",
        json.dumps({"name": "b"}),
        json.dumps({"source": "s3://films/c.mov", "recipie": "clean"}),
        json.dumps({"source": "s3://films/d.mov", "name": "D"}),
        "[" * 100_000,
    ]
    (tmp_path / "feed.jsonl").write_text("\n".join(lines))
    content = read_feed(CatalogFeed.model_validate({"jsonLines": {"location": f"{tmp_path}/feed.jsonl"}}), 60)
    assert [(title.name, title.fields.get("recipe")) for title in content.titles] == [("a", "clean"), ("D", None)]
    assert [problem.name for problem in content.problems] == ["line 3", "line 4", "line 5", "line 7"]
    assert "unknown field 'recipie'" in content.problems[2].reason


def test_media_rss_is_a_feed(tmp_path: Path) -> None:
    """Each item's media:content is a title; one without is a problem."""
    (tmp_path / "feed.xml").write_text(
        '<rss xmlns:media="http://search.yahoo.com/mrss/"><channel>'
        '<item><media:group><media:content url="s3://films/a.mov"/></media:group></item><item/></channel></rss>'
    )
    content = read_feed(CatalogFeed.model_validate({"mrss": {"location": f"{tmp_path}/feed.xml"}}), 60)
    assert [title.source for title in content.titles] == ["s3://films/a.mov"]
    assert [problem.name for problem in content.problems] == ["item 2"]


@pytest.mark.parametrize("text", ["<rss>", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'])
def test_xml_that_is_broken_or_hostile_is_refused(text: str, tmp_path: Path) -> None:
    """A broken file, or one with entities, is refused in one line."""
    (tmp_path / "feed.xml").write_text(text)
    with pytest.raises(InputError, match="not valid Media RSS"):
        read_feed(CatalogFeed.model_validate({"mrss": {"location": f"{tmp_path}/feed.xml"}}), 60)


def test_a_missing_feed_is_refused(tmp_path: Path) -> None:
    """A list that is not there is reported in one line."""
    with pytest.raises(InputError, match="no such file"):
        read_feed(CatalogFeed.model_validate({"jsonLines": {"location": f"{tmp_path}/feed.jsonl"}}), 60)


def test_a_film_counts_as_delivered_by_its_manifest(tmp_path: Path) -> None:
    """A film without its manifest is not whole yet."""
    for name in ("a.mp4", "a.mp4.manifest.json", "b.mp4"):
        (tmp_path / name).touch()
    outputs = [f"{tmp_path}/{name}" for name in ("a.mp4", "b.mp4", "c.mp4")]
    assert delivered_outputs(outputs) == {f"{tmp_path}/a.mp4"}
