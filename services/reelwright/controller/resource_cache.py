"""The resources of a kind as they were seen last, kept current by a list and a watch."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

from reelwright.controller.api import Document, KubernetesApi, ResourceKind, ResourceNotFound, WatchExpired
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.watchdog import heartbeat, waiting
from reelwright.titles.errors import OneLineError

log = get_logger(__name__)

# The server ends a watch after this, and a new one goes on from there.
_WATCH_SECONDS = 120
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0


class ResourceCache:
    """Documents by name. Thread-safe. A document that is older than the one held is ignored."""

    def __init__(self) -> None:
        self._documents: dict[str, Document] = {}
        self._phases: Counter[str] = Counter()
        self._lock = threading.Lock()

    def get(self, name: str) -> Document | None:
        """The document of that name. It must not be changed."""
        with self._lock:
            return self._documents.get(name)

    def all(self) -> list[Document]:
        """Every document, the first created first."""
        with self._lock:
            documents = list(self._documents.values())
        return sorted(documents, key=_age)

    def count(self, phase: str) -> int:
        """How many resources have a phase in their status."""
        with self._lock:
            return self._phases[phase]

    def put_document(self, document: Document) -> bool:
        """Takes a document; whether it is another than the one held."""
        name = document["metadata"]["name"]
        with self._lock:
            held = self._documents.get(name)
            # Of one resource the server writes growing numbers.
            if held is not None and _version(document) <= _version(held):
                return False
            self._set(name, document)
            return True

    def remove(self, name: str) -> None:
        """Drops the document of that name."""
        with self._lock:
            self._set(name, None)

    def replace_all(self, documents: Iterable[Document]) -> set[str]:
        """Takes a complete list; names of what is gone."""
        listed = {document["metadata"]["name"]: document for document in documents}
        with self._lock:
            gone = set(self._documents) - set(listed)
            for name in gone:
                self._set(name, None)
            for name, document in listed.items():
                held = self._documents.get(name)
                if held is None or _version(held) < _version(document):
                    self._set(name, document)
        return gone

    def _set(self, name: str, document: Document | None) -> None:
        before = self._documents.pop(name, None)
        if before is not None:
            self._phases[_phase(before)] -= 1
        if document is not None:
            self._documents[name] = document
            self._phases[_phase(document)] += 1


class ResourceWatcher:
    """Keeps a cache current: lists, watches, and lists again when the watch has expired or it is time to.

    Args:
        api: the Kubernetes API.
        kind: the kind to watch.
        cache: what to keep current.
        changed: called with the name of each resource that has changed, and with every name after a list.
        relist_seconds: time between two lists.
    """

    def __init__(
        self,
        api: KubernetesApi,
        kind: ResourceKind,
        *,
        cache: ResourceCache,
        changed: Callable[[str], None],
        relist_seconds: float,
    ) -> None:
        self._api, self._kind, self._cache, self._changed = api, kind, cache, changed
        self._relist_seconds = relist_seconds
        self._version = ""
        self._listed_at = 0.0
        self.trouble = "the resources are not listed yet"

    def run(self, stop: threading.Event) -> None:
        """Runs until `stop` is set; a watch that waits for a change ends up to two minutes later."""
        pause = _FIRST_PAUSE_SECONDS
        while not stop.is_set():
            heartbeat()
            try:
                if not self._version or time.monotonic() - self._listed_at > self._relist_seconds:
                    self._list()
                self._watch(stop)
                pause = _FIRST_PAUSE_SECONDS
            except WatchExpired:
                log.info("watch expired", resource=self._kind.plural)
                self._version = ""
            except (OneLineError, ResourceNotFound) as error:
                self.trouble = str(error)
                if isinstance(error, ResourceNotFound):
                    self._version = ""
                    self.trouble = (
                        f"the custom resource definition {self._kind.plural}.{self._kind.group} is not installed; "
                        "set crds.install=true in the chart's values"
                    )
                log.warning("watch interrupted", resource=self._kind.plural, reason=self.trouble, pause_seconds=pause)
                with waiting():
                    stop.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _list(self) -> None:
        documents, version = self._api.list_all(self._kind)
        for name in self._cache.replace_all(documents):
            self._changed(name)
        for document in sorted(documents, key=_age):
            self._changed(document["metadata"]["name"])
        self._version, self._listed_at, self.trouble = version, time.monotonic(), ""

    def _watch(self, stop: threading.Event) -> None:
        seconds = max(1, min(_WATCH_SECONDS, round(self._relist_seconds)))
        with waiting():
            for kind, document in self._api.watch(self._kind, self._version, seconds):
                if stop.is_set():
                    return
                self.trouble = ""
                self._version = document["metadata"]["resourceVersion"]
                name = document["metadata"].get("name", "")
                if kind == "DELETED":
                    self._cache.remove(name)
                    self._changed(name)
                # What this process has written itself is in the cache already.
                elif kind != "BOOKMARK" and self._cache.put_document(document):
                    self._changed(name)
        self.trouble = ""


def _age(document: Document) -> tuple[str, str]:
    metadata = document["metadata"]
    return metadata.get("creationTimestamp", ""), metadata["name"]


def _version(document: Document) -> int:
    return int(document["metadata"]["resourceVersion"])


def _phase(document: Document) -> str:
    return str(document.get("status", {}).get("phase", ""))
