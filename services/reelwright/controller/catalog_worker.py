"""Works on a Catalog: reads its feed when it is time to, creates and deletes Restorations, writes the status."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from reelwright.controller.api import (
    RESTORATIONS,
    ApiRefusal,
    Document,
    KubernetesApi,
    ResourceConflict,
    ResourceNotFound,
)
from reelwright.controller.catalog_reconcile import (
    CatalogFacts,
    FeedContent,
    output_of,
    reconcile_catalog,
    restoration_name,
)
from reelwright.controller.catalog_resources import Catalog, CatalogFeed, TitleProblem
from reelwright.controller.feeds import delivered_outputs, read_feed
from reelwright.controller.resource_cache import ResourceCache
from reelwright.controller.resources import CATALOG_LABEL, Restoration
from reelwright.controller.run_client import trouble_of
from reelwright.controller.status_writer import StatusWriter
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import ReelwrightError

log = get_logger(__name__)


class _Read(NamedTuple):
    """A feed as it was read last.

    Attributes:
        feed: where.
        at: monotonic seconds.
        content: what.
        delivered: outputs whose film was there.
    """

    feed: CatalogFeed
    at: float
    content: FeedContent
    delivered: frozenset[str]


class CatalogWorker:
    """Works on one Catalog at a time on each thread that calls `work`.

    Args:
        api: the Kubernetes API.
        catalogs: the Catalogs as they were seen last.
        restorations: the Restorations.
        writer: writes to Catalogs.
        created: called with the name of each Restoration that is made.
        settle_seconds: see ControllerSettings.
        may_act: raises an error unless this process leads; asked before each step.
    """

    def __init__(
        self,
        api: KubernetesApi,
        *,
        catalogs: ResourceCache,
        restorations: ResourceCache,
        writer: StatusWriter,
        created: Callable[[str], None],
        settle_seconds: float,
        may_act: Callable[[], None],
    ) -> None:
        self._api, self._catalogs, self._restorations, self._writer = api, catalogs, restorations, writer
        self._created, self._settle_seconds, self._may_act = created, settle_seconds, may_act
        self._read: dict[str, _Read] = {}

    def work(self, name: str) -> float | None:
        """Does what is to be done for a Catalog now.

        Returns:
            Seconds until it is to be worked on again; None when it is gone, 0 after a pause that grows.

        Raises:
            ResourceConflict: it has changed meanwhile.
            UnavailableError: the Kubernetes API does not answer.
        """
        document = self._catalogs.get(name)
        if document is None:
            self._read.pop(name, None)
            return None
        catalog = Catalog.model_validate(document)
        labelled = [each for each in self._restorations.all() if _catalog_of(each) == name]
        facts = CatalogFacts(
            catalog=catalog, now=datetime.now(UTC), restorations=[Restoration.model_validate(each) for each in labelled]
        )
        facts = self._with_feed(facts)
        decision = reconcile_catalog(facts)
        refused = [problem for made in decision.create if (problem := self._create(made)) is not None]
        for each in decision.delete:
            self._may_act()
            with suppress(ResourceNotFound):
                self._api.delete(RESTORATIONS, each)
        self._may_act()
        status = decision.status
        if refused:
            status = status.model_copy(
                update={"problems": (*refused, *status.problems)[:20], "message": refused[0].reason}
            )
        self._writer.write_status(document, status)
        self._emit_change(document, catalog, status.condition_reason, status.message)
        return 0.0 if facts.trouble is not None else float(catalog.spec.poll_seconds)

    def _with_feed(self, facts: CatalogFacts) -> CatalogFacts:
        """The facts with the feed, which is read again when the time of the last reading is over."""
        catalog = facts.catalog
        name, spec = catalog.metadata.name, catalog.spec
        read = self._read.get(name)
        if read is None or read.feed != spec.feed or time.monotonic() - read.at >= spec.poll_seconds:
            try:
                content = read_feed(spec.feed, self._settle_seconds)
                known = {each.metadata.name for each in facts.restorations}
                missing = [title for title in content.titles if restoration_name(catalog, title) not in known]
                delivered = delivered_outputs([output_of(catalog, title) for title in missing])
            except ReelwrightError as error:
                return replace(facts, trouble=trouble_of(error))
            heartbeat()
            read = self._read[name] = _Read(spec.feed, time.monotonic(), content, delivered)
        return replace(facts, feed=read.content, delivered=read.delivered)

    def _create(self, document: Document) -> TitleProblem | None:
        """Creates a Restoration; why the API server refuses it, if it does."""
        self._may_act()
        try:
            self._restorations.put_document(self._api.create(RESTORATIONS, document))
            # The watch reports nothing that is in the cache already.
            self._created(document["metadata"]["name"])
        except ResourceConflict:
            # Made before, by a process that was killed before it saw it.
            return None
        except ApiRefusal as error:
            return TitleProblem(name=document["metadata"]["name"], reason=error.what)
        return None

    def _emit_change(self, document: Document, catalog: Catalog, reason: str, message: str | None) -> None:
        if reason != catalog.status.condition_reason:
            self._writer.emit(document, reason, message or reason, warning=reason != "FeedRead")


def _catalog_of(document: Document) -> str:
    return str(document["metadata"].get("labels", {}).get(CATALOG_LABEL, ""))
