"""The Kubernetes API as the controller uses it: resources of one namespace as plain documents.

Every request is counted by verb and resource, bounded in time, and its failure is one of a few errors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration, CustomObjectsApi
from kubernetes.client.exceptions import ApiException

from reelwright.controller.resources import GROUP, VERSION
from reelwright.telemetry import metrics
from reelwright.titles.errors import InternalError, OneLineError, UnavailableError, UserError

Document = dict[str, Any]

_TIMEOUT_SECONDS = (5.0, 30.0)
_PAGE = 500
_MERGE_PATCH = "application/merge-patch+json"
_CONFLICT, _NOT_FOUND, _GONE, _TOO_MANY = 409, 404, 410, 429
_REFUSALS = {400, 401, 403, 405, 422}


class ResourceKind(NamedTuple):
    """A kind of resource.

    Attributes:
        group: its API group.
        version: its version.
        plural: its name in addresses.
    """

    group: str
    version: str
    plural: str


RESTORATIONS = ResourceKind(GROUP, VERSION, "restorations")
CATALOGS = ResourceKind(GROUP, VERSION, "catalogs")
LEASES = ResourceKind("coordination.k8s.io", "v1", "leases")
EVENTS = ResourceKind("events.k8s.io", "v1", "events")


class ResourceConflict(InternalError):
    """The resource has changed since it was read, or exists already. Temporary: it is read again."""

    temporary = True


class ResourceNotFound(InternalError):
    """There is no such resource (any more)."""


class WatchExpired(InternalError):
    """The API server no longer has the changes since the version that a watch began with (410 Gone).

    Temporary: all resources are listed again.
    """

    temporary = True


class ApiRefusal(UserError):
    """The API server refuses a request: permissions are missing, or the document is not valid."""


class KubernetesApi:
    """Resources of one namespace. Thread-safe.

    Every method raises UnavailableError when the API server does not answer or is too busy, ApiRefusal when it refuses
    the request, ResourceConflict and ResourceNotFound.

    Args:
        namespace: the namespace.
        connections: requests at the same time; a watch takes one.

    Raises:
        UserError: this process has no way to find a cluster.
    """

    def __init__(self, namespace: str, connections: int = 16) -> None:
        self.namespace = namespace
        # A configuration of its own: the library's default one is shared by the whole process.
        configuration = Configuration()
        try:
            if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
                config.load_incluster_config(configuration)
            else:
                # The library itself reads the variable only when it is imported.
                config.load_kube_config(os.environ.get("KUBECONFIG"), client_configuration=configuration)
        except (config.ConfigException, OSError) as error:
            raise UserError(f"no cluster is known: {error}", "KUBECONFIG", "run in a pod, or set it") from None
        # The work queue repeats what fails; repeats in the client would multiply the time until that.
        configuration.retries = False
        configuration.connection_pool_maxsize = connections
        self._address = str(configuration.host)
        self._objects = CustomObjectsApi(ApiClient(configuration))

    def list_all(self, kind: ResourceKind) -> tuple[list[Document], str]:
        """Every resource of a kind, and the version from which a watch goes on. In pages of 500."""
        found: list[Document] = []
        following = ""
        while True:
            more = {"_continue": following} if following else {}
            with self._request("list", kind):
                page = cast(
                    "Document",
                    self._objects.list_namespaced_custom_object(
                        kind.group,
                        kind.version,
                        self.namespace,
                        kind.plural,
                        limit=_PAGE,
                        _request_timeout=_TIMEOUT_SECONDS,
                        **more,
                    ),
                )
            found += map(_without_managed_fields, page["items"])
            following = page["metadata"].get("continue", "")
            if not following:
                return found, page["metadata"]["resourceVersion"]

    def watch(self, kind: ResourceKind, version: str, seconds: int) -> Iterator[tuple[str, Document]]:
        """Changes since a version: the type (ADDED, MODIFIED, DELETED, BOOKMARK) and the resource.

        Args:
            kind: the kind.
            version: of the last list or change.
            seconds: after which the server ends the watch.

        Raises:
            WatchExpired: list again.
        """
        with self._request("watch", kind):
            response = self._objects.list_namespaced_custom_object(
                kind.group,
                kind.version,
                self.namespace,
                kind.plural,
                watch=True,
                allow_watch_bookmarks=True,
                resource_version=version,
                timeout_seconds=seconds,
                _preload_content=False,
                # The server ends the watch first, so only a dead connection is this silent.
                _request_timeout=(_TIMEOUT_SECONDS[0], seconds + _TIMEOUT_SECONDS[1]),
            )
            stream = cast("urllib3.HTTPResponse", response)
            try:
                yield from _changes(stream)
            finally:
                stream.close()

    def get(self, kind: ResourceKind, name: str) -> Document:
        """One resource."""
        with self._request("get", kind):
            return self._document(self._objects.get_namespaced_custom_object(*self._path(kind), name, **_BOUNDED))

    def create(self, kind: ResourceKind, document: Document) -> Document:
        """Creates a resource; ResourceConflict when there is one of that name."""
        with self._request("create", kind):
            made = self._objects.create_namespaced_custom_object(*self._path(kind), document, **_BOUNDED)
            return self._document(made)

    def replace(self, kind: ResourceKind, name: str, document: Document) -> Document:
        """Replaces a resource; ResourceConflict when it has changed since the document was read."""
        with self._request("update", kind):
            made = self._objects.replace_namespaced_custom_object(*self._path(kind), name, document, **_BOUNDED)
            return self._document(made)

    def patch(self, kind: ResourceKind, name: str, changes: Document, *, status: bool = False) -> Document:
        """Merges changes into a resource; null removes a field.

        Args:
            kind: the kind.
            name: the name.
            changes: a merge patch. A resource version in it makes this a ResourceConflict after any other change.
            status: whether the status is changed, and not the rest.
        """
        path, options = self._path(kind), {**_BOUNDED, "_content_type": _MERGE_PATCH}
        with self._request("patch", kind):
            if status:
                made = self._objects.patch_namespaced_custom_object_status(*path, name, changes, **options)
            else:
                made = self._objects.patch_namespaced_custom_object(*path, name, changes, **options)
            return self._document(made)

    def delete(self, kind: ResourceKind, name: str) -> None:
        """Asks for the deletion of a resource."""
        with self._request("delete", kind):
            self._objects.delete_namespaced_custom_object(*self._path(kind), name, **_BOUNDED)

    def _path(self, kind: ResourceKind) -> tuple[str, str, str, str]:
        return kind.group, kind.version, self.namespace, kind.plural

    @staticmethod
    def _document(answer: object) -> Document:
        return _without_managed_fields(cast("Document", answer))

    @contextmanager
    def _request(self, verb: str, kind: ResourceKind) -> Iterator[None]:
        metrics.KUBERNETES_REQUESTS.labels(verb=verb, resource=kind.plural).inc()
        try:
            yield
        except ApiException as error:
            raise self._translated(error, f"{verb} {kind.plural}") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            what = f"does not answer ({type(error).__name__})"
            raise UnavailableError(what, self._where, "check that it can be reached") from None

    def _translated(self, error: ApiException, action: str) -> OneLineError | InternalError:
        status = error.status or 0
        message = _message(error)
        if status == _CONFLICT:
            return ResourceConflict(message)
        if status == _NOT_FOUND:
            return ResourceNotFound(message)
        if status == _GONE:
            return WatchExpired(message)
        if status in _REFUSALS:
            return ApiRefusal(f"{action}: {message}", self._where, "check the controller's Role and the definitions")
        return UnavailableError(f"{action}: {message or status}", self._where, "check that it is healthy")

    @property
    def _where(self) -> str:
        return f"the Kubernetes API at {self._address}"


_BOUNDED: dict[str, Any] = {"_request_timeout": _TIMEOUT_SECONDS}


def _changes(stream: urllib3.HTTPResponse) -> Iterator[tuple[str, Document]]:
    if stream.status != 200:
        raise ApiException(status=stream.status, reason=stream.reason, body=stream.data.decode(errors="replace"))
    pending = b""
    for piece in stream.stream(amt=None, decode_content=False):
        *lines, pending = (pending + piece).split(b"\n")
        for line in filter(None, lines):
            event = json.loads(line)
            found = event["object"]
            if event["type"] == "ERROR":
                raise ApiException(status=found.get("code"), reason=found.get("reason"), body=json.dumps(found))
            yield event["type"], _without_managed_fields(found)


def _message(error: ApiException) -> str:
    """What the API server says, in one line."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason or "")


def _without_managed_fields(document: Document) -> Document:
    # Who has written which field: often larger than all the rest, and of no use here.
    document.get("metadata", {}).pop("managedFields", None)
    return document
