"""A real API server for tests of custom resources and the controller: etcd and kube-apiserver, without nodes.

The cluster of KUBECONFIG is used instead where that is set.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException, NotFoundException

from scripts.crds import TARGET
from tests.support.optional import optional_program
from tests.support.role_processes import free_port, until

_START_SECONDS = 300.0


@contextmanager
def running_cluster() -> Iterator[Path]:
    """A cluster with the definitions of this product; its kubeconfig."""
    given = os.environ.get("KUBECONFIG")
    if given:
        apply_definitions(Path(given))
        yield Path(given)
        return
    etcd, server = _program("etcd"), _program("kube-apiserver")
    with tempfile.TemporaryDirectory(prefix="reelwright-kube-") as name:
        folder = Path(name)
        peer, store, port = free_port(), free_port(), free_port()
        kubeconfig = _kubeconfig(folder, port)
        processes = [
            _start(folder, etcd, *_etcd_options(folder, store, peer)),
            _start(folder, server, *_server_options(folder, store, port)),
        ]
        try:
            until(lambda: _is_ready(kubeconfig), "the API server is ready", _START_SECONDS)
            apply_definitions(kubeconfig)
            yield kubeconfig
        finally:
            for process in reversed(processes):
                process.kill()
                process.wait()


def apply_definitions(kubeconfig: Path) -> None:
    """Creates the definitions of the chart, or replaces what is there, and waits until they are served."""
    api = client.ApiextensionsV1Api(_client(kubeconfig))
    for path in sorted(TARGET.glob("*.yaml")):
        definition = yaml.safe_load(path.read_text())
        if definition["kind"] != "CustomResourceDefinition":
            continue
        name = definition["metadata"]["name"]
        try:
            api.create_custom_resource_definition(definition)
        except ApiException as error:
            if error.status != 409:
                raise
            api.patch_custom_resource_definition(name, definition, _content_type="application/merge-patch+json")
        until(lambda name=name: _is_served(api, name), f"{name} is served")  # type: ignore[misc]


class Namespace:
    """A new namespace, and the resources of this product in it.

    Args:
        kubeconfig: of the cluster.

    Attributes:
        name: of the namespace.
        env: the variables with which a controller serves it.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.name = f"reelwright-test-{uuid4().hex[:8]}"
        self.env = {"KUBECONFIG": str(kubeconfig), "REELWRIGHT_CONTROLLER_NAMESPACE": self.name}
        found = _client(kubeconfig)
        self._core, self._objects = client.CoreV1Api(found), client.CustomObjectsApi(found)
        self._core.create_namespace({"metadata": {"name": self.name}})

    def close(self) -> None:
        """Deletes the resources without waiting for a controller."""
        for plural in ("catalogs", "restorations"):
            for found in self.find_all(plural):
                name = found["metadata"]["name"]
                # A Catalog's Restorations go with it.
                with suppress(NotFoundException):
                    self.patch(plural, name, {"metadata": {"finalizers": None}})
                    self.delete(plural, name)
        self._core.delete_namespace(self.name)

    def create(self, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Creates a Restoration or a Catalog."""
        document = {"apiVersion": "reelwright.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        made = self._objects.create_namespaced_custom_object(*self._path(f"{kind.lower()}s"), document)
        return dict(made)

    def refusal(self, kind: str, spec: dict[str, Any]) -> str:
        """What the API server says to a spec that it must refuse."""
        with pytest.raises(ApiException) as raised:
            self.create(kind, f"refused-{uuid4().hex[:6]}", spec)
        return str(raised.value.body)

    def get(self, name: str, plural: str = "restorations") -> dict[str, Any]:
        """A resource."""
        return dict(self._objects.get_namespaced_custom_object(*self._path(plural), name))

    def find(self, name: str, plural: str = "restorations") -> dict[str, Any] | None:
        """A resource; None when it is gone."""
        try:
            return self.get(name, plural)
        except ApiException as error:
            if error.status != 404:
                raise
            return None

    def find_all(self, plural: str = "restorations") -> list[dict[str, Any]]:
        """Every resource."""
        return list(self._objects.list_namespaced_custom_object(*self._path(plural))["items"])

    def phase(self, name: str) -> str:
        """The phase of a Restoration."""
        return str(self.get(name).get("status", {}).get("phase", ""))

    def condition(self, name: str, kind: str, plural: str = "restorations") -> tuple[str, str]:
        """Status and reason of a condition; empty texts before it is set."""
        for found in self.get(name, plural).get("status", {}).get("conditions", []):
            if found["type"] == kind:
                return found["status"], found["reason"]
        return "", ""

    def patch(self, plural: str, name: str, changes: dict[str, Any]) -> None:
        """Merges changes into a resource."""
        options = {"_content_type": "application/merge-patch+json"}
        self._objects.patch_namespaced_custom_object(*self._path(plural), name, changes, **options)

    def patch_status(self, name: str, status: dict[str, Any]) -> None:
        """Merges changes into the status of a Restoration."""
        options = {"_content_type": "application/merge-patch+json"}
        path = self._path("restorations")
        self._objects.patch_namespaced_custom_object_status(*path, name, {"status": status}, **options)

    def delete(self, plural: str, name: str) -> None:
        """Asks for a deletion."""
        self._objects.delete_namespaced_custom_object(*self._path(plural), name)

    def events(self, name: str) -> list[str]:
        """Reasons of the Events about a resource, the oldest first."""
        found = self._core.list_namespaced_event(self.name, field_selector=f"involvedObject.name={name}").items
        return [event.reason for event in sorted(found, key=lambda each: each.event_time)]

    def lease_holder(self) -> str:
        """Who holds the controller's Lease; empty when nobody does."""
        path = ("coordination.k8s.io", "v1", self.name, "leases")
        try:
            lease = self._objects.get_namespaced_custom_object(*path, "reelwright-controller")
        except ApiException:
            return ""
        return str(lease["spec"].get("holderIdentity", ""))

    def _path(self, plural: str) -> tuple[str, str, str, str]:
        return "reelwright.io", "v1alpha1", self.name, plural


def _program(name: str) -> str:
    kept = Path(os.environ.get("TESTBED_HOME", Path.home() / ".cache" / "testbed")) / "bin"
    return optional_program(name, kept, instead="a cluster in KUBECONFIG")


def _start(folder: Path, program: str, *options: str) -> subprocess.Popen[bytes]:
    with (folder / f"{Path(program).name}.log").open("ab") as log:
        return subprocess.Popen([program, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _etcd_options(folder: Path, port: int, peer: int) -> list[str]:
    urls = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    cluster = ["--initial-cluster", f"default={urls[1]}", "--initial-advertise-peer-urls", urls[1]]
    listen = ["--listen-client-urls", urls[0], "--advertise-client-urls", urls[0], "--listen-peer-urls", urls[1]]
    # A power failure of the test is no concern.
    return ["--data-dir", str(folder / "etcd"), *listen, *cluster]


def _server_options(folder: Path, store: int, port: int) -> list[str]:
    key = folder / "service-accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    options = {
        "etcd-servers": f"http://127.0.0.1:{store}",
        "bind-address": "127.0.0.1",
        "secure-port": port,
        "cert-dir": folder / "certificates",
        "service-cluster-ip-range": "10.0.0.0/24",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": key,
        "service-account-signing-key-file": key,
        "authorization-mode": "RBAC",
        "token-auth-file": folder / "tokens.csv",
        # There is no controller manager that would make service accounts, and nobody who asks for the endpoint.
        "disable-admission-plugins": "ServiceAccount",
        "endpoint-reconciler-type": "none",
    }
    return [f"--{name}={value}" for name, value in options.items()]


def _kubeconfig(folder: Path, port: int) -> Path:
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    server = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": server}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def _client(kubeconfig: Path) -> client.ApiClient:
    return config.new_client_from_config(str(kubeconfig))


def _is_ready(kubeconfig: Path) -> bool:
    try:
        # The namespace appears last, after the roles that the first requests need.
        client.CoreV1Api(_client(kubeconfig)).read_namespace("default")
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer yet
        return False
    return True


def _is_served(api: client.ApiextensionsV1Api, name: str) -> bool:
    conditions = api.read_custom_resource_definition(name).status.conditions or []
    return any(condition.type == "Established" and condition.status == "True" for condition in conditions)
