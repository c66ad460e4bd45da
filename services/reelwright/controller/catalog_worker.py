"""Works on a Catalog: reads its feed when it is time to, creates and deletes Restorations, writes the status."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
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
from reelwright.controller.catalog_ownership import is_made_by
from reelwright.controller.catalog_reconcile import (
    CatalogFacts,
    FeedContent,
    output_of,
    reconcile_catalog,
    restoration_name,
    titles_to_make,
)
from reelwright.controller.catalog_resources import Catalog, CatalogFeed, TitleProblem
from reelwright.controller.feeds import delivered_outputs, read_feed
from reelwright.controller.resource_cache import ResourceCache
from reelwright.controller.resources import Restoration
from reelwright.controller.run_client import trouble_of
from reelwright.controller.status_writer import StatusWriter
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import ReelwrightError

log = get_logger(__name__)

_FOREIGN = "another Restoration has this name, which this Catalog has not made; delete it, or name the title otherwise"


class _Read(NamedTuple):
    """A feed as it was read last.

    Attributes:
        feed: where.
        at: monotonic seconds.
        content: what.
        delivered: outputs whose film was there.
        refused: by the name of the Restoration that could not be made, why.
    """

    feed: CatalogFeed
    at: float
    content: FeedContent
    delivered: frozenset[str]
    refused: Mapping[str, TitleProblem]


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
        made = [Restoration.model_validate(each) for each in self._restorations.all() if is_made_by(each, name)]
        facts = self._with_feed(CatalogFacts(catalog=catalog, now=datetime.now(UTC), restorations=made))
        decision = reconcile_catalog(facts)
        refused = self._create_all(name, decision.create, facts.refused)
        for each in decision.delete:
            self._may_act()
            with suppress(ResourceNotFound):
                self._api.delete(RESTORATIONS, each)
        self._may_act()
        status = decision.status
        if refused != facts.refused:
            self._read[name] = self._read[name]._replace(refused=refused)
            status = reconcile_catalog(replace(facts, refused=refused)).status
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
                missing = titles_to_make(catalog, content.titles, facts.restorations)
                delivered = delivered_outputs([output_of(catalog, title) for title in missing])
            except ReelwrightError as error:
                return replace(facts, trouble=trouble_of(error))
            heartbeat()
            refused = read.refused if read is not None else {}
            if refused:
                names = {restoration_name(catalog, title) for title in missing}
                refused = {each: problem for each, problem in refused.items() if each in names}
            read = self._read[name] = _Read(spec.feed, time.monotonic(), content, delivered, refused)
        return replace(facts, feed=read.content, delivered=read.delivered, refused=read.refused)

    def _create_all(
        self, catalog: str, documents: Sequence[Document], refused: Mapping[str, TitleProblem]
    ) -> Mapping[str, TitleProblem]:
        """Creates Restorations; what is refused after that, of what was refused before it."""
        tried = {each["metadata"]["name"]: self._create(catalog, each) for each in documents}
        return {name: problem for name, problem in {**refused, **tried}.items() if problem is not None}

    def _create(self, catalog: str, document: Document) -> TitleProblem | None:
        """Creates a Restoration; why it could not be, if so."""
        self._may_act()
        name = document["metadata"]["name"]
        try:
            made = self._api.create(RESTORATIONS, document)
        except ResourceConflict:
            # Made before, by a process that was killed before it saw it, or by somebody else.
            try:
                made = self._api.get(RESTORATIONS, name)
            except ResourceNotFound:
                return None
            if not is_made_by(made, catalog):
                return TitleProblem(name=name, reason=_FOREIGN)
        except ApiRefusal as error:
            return TitleProblem(name=name, reason=error.what)
        self._restorations.put_document(made)
        # The watch reports nothing that is in the cache already.
        self._created(name)
        return None

    def _emit_change(self, document: Document, catalog: Catalog, reason: str, message: str | None) -> None:
        if reason != catalog.status.condition_reason:
            self._writer.emit(document, reason, message or reason, warning=reason != "FeedRead")
