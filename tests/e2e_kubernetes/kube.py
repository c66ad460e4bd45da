"""kubectl, and conditions on what it shows. Everything goes through the current context."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.support.role_processes import until


def kubectl(*words: str, text: str | None = None, timeout: float = 300) -> str:
    """Runs kubectl; its output.

    Raises:
        AssertionError: it failed; the message is what it printed.
    """
    done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
    return done.stdout


def get(namespace: str, kind: str, *words: str) -> list[dict[str, Any]]:
    """The objects of a kind in a namespace."""
    return list(json.loads(kubectl("-n", namespace, "get", kind, "-o", "json", *words))["items"])


def make_namespace(name: str) -> None:
    """Makes a namespace that admits restricted pods alone."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    kubectl("apply", "-f", "-", text=json.dumps(namespace))


def delete_namespace(name: str) -> None:
    """Deletes a namespace with all that it holds, and waits until it is gone."""
    kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=true")


def unready(namespace: str, selector: str) -> list[str]:
    """Names of Deployments and StatefulSets without all their new pods ready, and of Jobs that have not succeeded."""
    names = []
    for item in get(namespace, "deployments,statefulsets", "-l", selector):
        status, wanted = item["status"], item["spec"]["replicas"]
        new = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
        counts = {status.get(field, 0) for field in ("replicas", "updatedReplicas", "readyReplicas")}
        if not new or counts != {wanted}:
            names.append(item["metadata"]["name"])
    jobs = get(namespace, "jobs", "-l", selector)
    return names + [job["metadata"]["name"] for job in jobs if not job["status"].get("succeeded")]


def wait_until_ready(namespace: str, selector: str, seconds: float = 300) -> None:
    """Waits until every pod of a release is ready.

    Raises:
        AssertionError: it takes too long; the message has the pods' states.
    """
    try:
        until(lambda: not unready(namespace, selector), "the release is ready", seconds)
    except AssertionError as error:
        pods = kubectl("-n", namespace, "get", "pods", "-o", "wide")
        events = kubectl("-n", namespace, "get", "events", "--sort-by=.lastTimestamp")
        raise AssertionError(f"{error}\n{pods}\n{events[-3000:]}") from None
