"""Writes the status of a resource, and an Event for each change of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from reelwright.controller.api import EVENTS, Document, KubernetesApi, ResourceKind
from reelwright.controller.resource_cache import ResourceCache
from reelwright.controller.resources import API_VERSION, format_microtime
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import ReelwrightError

log = get_logger(__name__)

# The API server's limit of a note.
_MOST_NOTE = 1000


class StatusWriter:
    """Writes to the resources of a kind, and keeps the cache current with what the server answers.

    Args:
        api: the Kubernetes API.
        kind: the kind.
        kind_name: its name in a document, such as Restoration.
        cache: takes what was written.
        identity: name of this process, for Events.
    """

    def __init__(
        self, api: KubernetesApi, kind: ResourceKind, *, kind_name: str, cache: ResourceCache, identity: str
    ) -> None:
        self._api, self._kind, self._kind_name = api, kind, kind_name
        self._cache, self._identity = cache, identity

    def write_status(self, document: Document, status: BaseModel) -> Document:
        """Writes a status, unless the resource has it; the resource after that.

        Raises:
            ResourceConflict: the resource has changed since; decide again.
        """
        wanted = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        changes = merge_patch(document.get("status", {}), wanted)
        return document if not changes else self._patch(document, {"status": changes}, status=True)

    def write_finalizers(self, document: Document, finalizers: list[str]) -> Document:
        """Writes the finalizers; the resource after that.

        Raises:
            ResourceConflict: the resource has changed since; decide again.
        """
        return self._patch(document, {"metadata": {"finalizers": finalizers}}, status=False)

    def emit(self, document: Document, reason: str, note: str, *, warning: bool = False) -> None:
        """Creates an Event about a resource. An Event that cannot be created is logged and dropped."""
        metadata = document["metadata"]
        names = {"namespace": metadata["namespace"], "name": metadata["name"]}
        versions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name'][:200].rstrip('-.')}.{uuid.uuid4().hex[:16]}",
                "namespace": metadata["namespace"],
            },
            "eventTime": format_microtime(datetime.now(UTC)),
            "reportingController": "reelwright.io/controller",
            "reportingInstance": self._identity[:128],
            "action": "Reconcile",
            "reason": reason,
            "note": note[:_MOST_NOTE],
            "type": "Warning" if warning else "Normal",
            "regarding": {"apiVersion": API_VERSION, "kind": self._kind_name, **names, **versions},
        }
        try:
            self._api.create(EVENTS, event)
        except ReelwrightError as error:
            log.warning("event not created", resource=metadata["name"], reason=str(error))

    def _patch(self, document: Document, changes: Document, *, status: bool) -> Document:
        metadata = document["metadata"]
        # With the version, what was decided on an older state of the resource is a conflict.
        changes = {
            **changes,
            "metadata": {**changes.get("metadata", {}), "resourceVersion": metadata["resourceVersion"]},
        }
        written = self._api.patch(self._kind, metadata["name"], changes, status=status)
        self._cache.put_document(written)
        return written


def merge_patch(before: Document, after: Document) -> Document:
    """The JSON merge patch (RFC 7386) that makes `before` into `after`; empty when they are equal."""
    changes: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        held = before.get(key)
        if isinstance(held, dict) and isinstance(value, dict):
            if inner := merge_patch(held, value):
                changes[key] = inner
        elif held != value:
            changes[key] = value
    return changes
