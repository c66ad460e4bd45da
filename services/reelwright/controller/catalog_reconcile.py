"""Decides what to do about a Catalog: a pure function of its feed and its Restorations."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reelwright.controller.api import Document
from reelwright.controller.catalog_ownership import catalog_label
from reelwright.controller.catalog_resources import Catalog, CatalogStatus, CatalogTitles, TitleProblem
from reelwright.controller.resources import (
    API_VERSION,
    CATALOG_LABEL,
    NewCondition,
    Restoration,
    StatusCondition,
    format_time,
    set_conditions,
)
from reelwright.controller.restoration_facts import Trouble
from reelwright.controller.run_client import TITLE_REASONS

# At most so many problems are listed in the status; each Restoration has its own.
_MOST_PROBLEMS = 20
# Restorations made by one decision, so that no decision takes long.
_MOST_AT_ONCE = 50
_MOST_NAME = 40


@dataclass(frozen=True, slots=True)
class FeedTitle:
    """A title of a feed.

    Attributes:
        name: its name, from which output and Restoration are named.
        source: location of the film.
        fields: of its Restoration's spec, where the feed gives them; they replace those of the template.
    """

    name: str
    source: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeedContent:
    """What was read from a feed.

    Attributes:
        titles: in the order of the feed.
        problems: parts of the feed that are no titles.
    """

    titles: Sequence[FeedTitle]
    problems: Sequence[TitleProblem] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogFacts:
    """All that a decision depends on.

    Attributes:
        catalog: the resource as it was seen last.
        now: the present.
        restorations: those that this catalog has made.
        feed: what was read; None when that failed.
        refused: by the name of the Restoration that could not be made, why.
        delivered: outputs whose film is there, among those of titles without a Restoration.
        trouble: why the feed cannot be read; None if it can.
    """

    catalog: Catalog
    now: datetime
    restorations: Sequence[Restoration]
    feed: FeedContent | None = None
    refused: Mapping[str, TitleProblem] = field(default_factory=dict)
    delivered: frozenset[str] = frozenset()
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class CatalogDecision:
    """What to do.

    Attributes:
        create: Restorations to create, in this order.
        delete: names of finished Restorations whose time is over.
        status: the status to leave.
    """

    create: Sequence[Document]
    delete: Sequence[str]
    status: CatalogStatus


def output_of(catalog: Catalog, title: FeedTitle) -> str:
    """Where the film of a title goes."""
    given = title.fields.get("output")
    return str(given) if given else catalog.spec.template.output.replace("{name}", title.name)


def restoration_name(catalog: Catalog, title: FeedTitle) -> str:
    """The name of a title's Restoration. It follows from catalog, title and source, so that no title is made twice."""
    # The readable parts are cut, and where one ends is not to be seen: those of two catalogs may be the same.
    identity = json.dumps([catalog.metadata.name, title.name, title.source])
    return _name(catalog.metadata.name[:_MOST_NAME].rstrip("-."), title, identity)


def titles_to_make(catalog: Catalog, titles: Sequence[FeedTitle], made: Sequence[Restoration]) -> list[FeedTitle]:
    """The titles without a Restoration.

    Args:
        catalog: the catalog.
        titles: of its feed.
        made: the Restorations that it has made, under names of any version.
    """
    known = {each.metadata.name for each in made}
    return [title for title in titles if known.isdisjoint(_names(catalog, title))]


def _names(catalog: Catalog, title: FeedTitle) -> Iterator[str]:
    yield restoration_name(catalog, title)
    # Of the first version, whose digest was that of the source alone.
    yield _name(catalog.metadata.name[:_MOST_NAME], title, title.source)


def _name(catalog: str, title: FeedTitle, identity: str) -> str:
    readable = re.sub(r"[^a-z0-9]+", "-", title.name.lower()).strip("-")[:_MOST_NAME].strip("-")
    return "-".join(filter(None, (catalog, readable, hashlib.sha256(identity.encode()).hexdigest()[:10])))


def reconcile_catalog(facts: CatalogFacts) -> CatalogDecision:
    """Decides which Restorations to create and to delete, and the status to leave."""
    catalog, spec = facts.catalog, facts.catalog.spec
    if catalog.metadata.deletion_timestamp is not None:
        return CatalogDecision((), (), catalog.status)
    if facts.trouble is not None or facts.feed is None:
        return CatalogDecision((), _expired(facts), _unread(facts))
    missing = titles_to_make(catalog, facts.feed.titles, facts.restorations)
    undone = [title for title in missing if output_of(catalog, title) not in facts.delivered]
    waiting = [title for title in undone if restoration_name(catalog, title) not in facts.refused]
    refused = [title for title in undone if restoration_name(catalog, title) in facts.refused]
    room = 0 if spec.suspend else max(0, spec.max_running - sum(map(_takes_room, facts.restorations)))
    # What was refused is tried again, and after the others, so that these go on.
    chosen = [*waiting, *refused][: min(room, _MOST_AT_ONCE)]
    begun = min(len(chosen), len(waiting))
    phases = [each.status.phase for each in facts.restorations]
    failed = [each for each in facts.restorations if _needs_person(each)]
    titles = CatalogTitles(
        found=len(facts.feed.titles),
        waiting=len(waiting) - begun,
        running=len(facts.restorations) - phases.count("Finished") - len(failed) + begun,
        finished=phases.count("Finished") + len(missing) - len(undone),
        failed=len(failed) + len(refused),
    )
    refusals = [facts.refused[restoration_name(catalog, title)] for title in refused]
    failures = [TitleProblem(name=each.metadata.name, reason=each.status.message or "failed") for each in failed]
    problems = tuple([*refusals, *facts.feed.problems, *failures][:_MOST_PROBLEMS])
    status = catalog.status.model_copy(
        update={
            "observed_generation": catalog.metadata.generation,
            "titles": titles,
            "problems": problems,
            "message": problems[0].reason if problems else None,
            "conditions": _conditions(facts, NewCondition("Ready", "True", "FeedRead", "the feed was read")),
        }
    )
    create = [_restoration(facts, title) for title in chosen]
    return CatalogDecision(create, _expired(facts), status)


def _takes_room(restoration: Restoration) -> bool:
    """Whether it counts as running. One that waits for a person does not, so that the others go on."""
    return not restoration.settled and restoration.status.phase != "Suspended" and not _needs_person(restoration)


def _needs_person(restoration: Restoration) -> bool:
    accepted = restoration.status.condition("Accepted")
    refused = accepted is not None and accepted.status == "False" and accepted.reason in TITLE_REASONS
    return restoration.status.phase == "Failed" or refused


def _expired(facts: CatalogFacts) -> list[str]:
    keep = facts.catalog.spec.keep_finished_seconds
    if keep is None:
        return []
    oldest = facts.now - timedelta(seconds=keep)
    return [
        each.metadata.name
        for each in facts.restorations
        if each.status.phase == "Finished" and not each.deleting and (each.status.completion_time or facts.now) < oldest
    ]


def _unread(facts: CatalogFacts) -> CatalogStatus:
    trouble = facts.trouble
    reason, message = (trouble.reason, trouble.message) if trouble else ("FeedUnread", "the feed was not read yet")
    condition = NewCondition("Ready", "Unknown" if trouble is None or trouble.temporary else "False", reason, message)
    changes = {
        "observed_generation": facts.catalog.metadata.generation,
        "message": message,
        "conditions": _conditions(facts, condition),
    }
    return facts.catalog.status.model_copy(update=changes)


def _conditions(facts: CatalogFacts, condition: NewCondition) -> tuple[StatusCondition, ...]:
    catalog = facts.catalog
    return set_conditions(catalog.status.conditions, [condition], catalog.metadata.generation, facts.now)


def _restoration(facts: CatalogFacts, title: FeedTitle) -> Document:
    catalog, template = facts.catalog, facts.catalog.spec.template
    spec: dict[str, Any] = {"recipe": template.recipe, "class": template.priority_class}
    if template.overrides:
        spec["overrides"] = template.overrides
    if template.deadline_seconds is not None:
        spec["deadline"] = format_time(facts.now + timedelta(seconds=template.deadline_seconds))
    spec |= {**title.fields, "source": title.source, "output": output_of(catalog, title)}
    owner = {
        "apiVersion": API_VERSION,
        "kind": "Catalog",
        "name": catalog.metadata.name,
        "uid": catalog.metadata.uid,
        "controller": True,
    }
    metadata = {
        "name": restoration_name(catalog, title),
        "namespace": catalog.metadata.namespace,
        "labels": {CATALOG_LABEL: catalog_label(catalog.metadata.name)},
        "ownerReferences": [owner],
    }
    return {"apiVersion": API_VERSION, "kind": "Restoration", "metadata": metadata, "spec": spec}
