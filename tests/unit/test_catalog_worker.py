"""The work on Catalogs, on an API in memory: what each one finds and makes, and what is refused to it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

import pytest

from reelwright.controller.api import CATALOGS, Document, KubernetesApi
from reelwright.controller.catalog_ownership import catalog_of
from reelwright.controller.catalog_worker import CatalogWorker
from reelwright.controller.resource_cache import ResourceCache
from reelwright.controller.resources import CATALOG_LABEL
from reelwright.controller.status_writer import StatusWriter
from tests.support.restorations import MemoryApi, document_of

NEWSREELS = "public-broadcaster-newsreels-1940-to-1949"
# Longer than the value of a label may be.
LONG = f"{NEWSREELS}-scanned-a-second-time-in-2029"


class Catalogs:
    """A controller's work on Catalogs over one feed, whose titles are 1950s/0.mov, 1.mov and so on."""

    def __init__(self, folder: Path, titles: int) -> None:
        self.api = MemoryApi()
        self._feed, self._films = folder / "feed", folder / "films"
        for each in (self._feed, self._films):
            each.mkdir()
        (self._feed / "1950s").mkdir()
        for number in range(titles):
            (self._feed / "1950s" / f"{number}.mov").touch()
        self.cache, self.restorations = ResourceCache(), ResourceCache()
        api = cast("KubernetesApi", self.api)
        self._worker = CatalogWorker(
            api,
            catalogs=self.cache,
            restorations=self.restorations,
            writer=StatusWriter(api, CATALOGS, kind_name="Catalog", cache=self.cache, identity="test"),
            created=lambda _name: None,
            settle_seconds=0.0,
            may_act=lambda: None,
        )

    def add(self, name: str, *, folder: str = "", **spec: Any) -> None:
        """A Catalog of that name, of the feed's whole folder or one in it."""
        template = {"output": f"{self._films}/{name}/{{name}}.mp4"}
        feed = {"folder": {"location": str(self._feed / folder), "pattern": "*.mov"}}
        metadata = {"name": name, "namespace": "films", "uid": f"uid-{name}", "generation": 1, "resourceVersion": "1"}
        document = {"metadata": metadata, "spec": {"feed": feed, "template": template, **spec}, "status": {}}
        self.api.documents[name] = document
        self.cache.put_document(document)

    def work(self, name: str) -> float | None:
        """One look; see CatalogWorker.work."""
        return self._worker.work(name)

    def made(self) -> list[Document]:
        """Every Restoration."""
        return [each for each in self.api.documents.values() if "source" in each["spec"]]

    def sources(self, catalog: str) -> list[str]:
        """The films that became Restorations of a Catalog, in order."""
        made = [each for each in self.made() if catalog_of(each) == catalog]
        return sorted(Path(each["spec"]["source"]).name for each in made)

    def put(self, name: str, source: str, *, owner: str, label: str) -> None:
        """A Restoration that is there already; of nobody if `owner` is empty."""
        made = document_of(name, {"source": source})
        if owner:
            made["metadata"]["ownerReferences"] = [{"kind": "Catalog", "name": owner}]
            made["metadata"]["labels"] = {CATALOG_LABEL: label}
        self.api.documents[name] = made
        self.restorations.put_document(made)

    def finish_all(self) -> None:
        """Has every Restoration end with its film."""
        for document in self.made():
            version = str(int(document["metadata"]["resourceVersion"]) + 1)
            metadata = {**document["metadata"], "resourceVersion": version}
            ended = {**document, "metadata": metadata, "status": {"phase": "Finished"}}
            self.api.documents[metadata["name"]] = ended
            self.restorations.put_document(ended)

    def status(self, name: str) -> dict[str, Any]:
        """The status of a Catalog."""
        return dict(self.api.documents[name]["status"])


@pytest.mark.parametrize("name", ["news", LONG, f"{NEWSREELS}-{'b' * 20}.web"], ids=["short", "long", "with a dot"])
def test_a_catalog_goes_through_its_feed_whatever_its_name(name: str, tmp_path: Path) -> None:
    """Each look finds what earlier ones made: no title is made twice, and what ends makes room for the next."""
    catalogs = Catalogs(tmp_path, titles=3)
    catalogs.add(name, maxRunning=2)
    for expected in (["0.mov", "1.mov"], ["0.mov", "1.mov"]):
        catalogs.work(name)
        assert catalogs.sources(name) == expected
    catalogs.finish_all()
    catalogs.work(name)
    assert catalogs.sources(name) == ["0.mov", "1.mov", "2.mov"]
    assert catalogs.status(name)["titles"] == {"found": 3, "waiting": 0, "running": 1, "finished": 2, "failed": 0}
    for made in catalogs.made():
        assert len(made["metadata"]["labels"][CATALOG_LABEL]) <= 63


@pytest.mark.parametrize(
    ("first", "second", "folder"),
    [(f"{NEWSREELS}-web", f"{NEWSREELS}-archive", ""), ("web", "web-1950s", "1950s")],
    ids=["that begin alike", "of which one continues the other"],
)
def test_catalogs_over_one_feed_do_not_meet(first: str, second: str, folder: str, tmp_path: Path) -> None:
    """Two Catalogs each make every title of a feed, however alike their names are."""
    catalogs = Catalogs(tmp_path, titles=2)
    for name, place in ((first, ""), (second, folder)):
        catalogs.add(name, folder=place)
        catalogs.work(name)
    assert catalogs.sources(first) == catalogs.sources(second) == ["0.mov", "1.mov"]


@pytest.mark.parametrize("name", ["news", LONG], ids=["short", "long"])
def test_what_the_first_version_made_is_not_made_again(name: str, tmp_path: Path) -> None:
    """A Restoration whose name and label were made by the rules of the first version is its title's."""
    catalogs = Catalogs(tmp_path, titles=2)
    catalogs.add(name)
    source = str(tmp_path / "feed" / "1950s" / "0.mov")
    former = f"{name[:40]}-1950s-0-{hashlib.sha256(source.encode()).hexdigest()[:10]}"
    catalogs.put(former, source, owner=name, label=name[:63])
    catalogs.work(name)
    assert catalogs.sources(name) == ["0.mov", "1.mov"]


def test_a_restoration_of_somebody_else_is_told(tmp_path: Path) -> None:
    """A title whose Restoration's name is taken is named in the status as failed, and keeps no other from its room."""
    catalogs = Catalogs(tmp_path, titles=2)
    catalogs.add("news", maxRunning=1)
    catalogs.work("news")
    (taken,) = (each["metadata"]["name"] for each in catalogs.made())
    del catalogs.api.documents[taken]
    catalogs.restorations.remove(taken)
    catalogs.put(taken, "/films/other.mov", owner="", label="")
    catalogs.work("news")
    status = catalogs.status("news")
    assert [each["name"] for each in status["problems"]] == [taken]
    assert "another Restoration has this name" in status["message"]
    assert (status["titles"]["failed"], catalogs.sources("news")) == (1, [])
    catalogs.work("news")
    assert catalogs.sources("news") == ["1.mov"]
    assert catalogs.status("news")["titles"] == {"found": 2, "waiting": 0, "running": 1, "finished": 0, "failed": 1}


def test_a_title_that_a_killed_controller_made_is_found(tmp_path: Path) -> None:
    """A Restoration that the Catalog made, and that this process has not seen yet, is no problem."""
    catalogs = Catalogs(tmp_path, titles=1)
    catalogs.add("news")
    catalogs.work("news")
    (made,) = (each["metadata"]["name"] for each in catalogs.made())
    catalogs.restorations.remove(made)
    catalogs.work("news")
    assert catalogs.restorations.get(made) is not None
    assert catalogs.status("news").get("problems", []) == []


def test_titles_that_are_refused_keep_no_other_from_its_room(tmp_path: Path) -> None:
    """A title that the API server refuses counts as failed, and is tried again after all the others."""
    catalogs = Catalogs(tmp_path, titles=3)
    catalogs.add("news", maxRunning=1)
    catalogs.api.refused = {str(tmp_path / "feed" / "1950s" / f"{number}.mov") for number in (0, 1)}
    for _ in range(3):
        catalogs.work("news")
    assert catalogs.sources("news") == ["2.mov"]
    assert catalogs.status("news")["titles"]["failed"] == 2
    catalogs.api.refused.clear()
    for _ in range(2):
        catalogs.finish_all()
        catalogs.work("news")
    assert catalogs.sources("news") == ["0.mov", "1.mov", "2.mov"]
    assert catalogs.status("news")["problems"] == []
