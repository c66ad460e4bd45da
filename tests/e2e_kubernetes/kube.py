"""kubectl, and conditions on what it shows. Everything goes through the current context."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support.role_processes import until


def wait_for(condition: Callable[[], object], what: str, seconds: float = 900) -> None:
    """Waits for a condition that kubectl shows. Asks once a second, because each question takes processor time."""
    until(condition, what, seconds, poll=1.0)


def kubectl(*words: str, given: str | bytes = "", timeout: float = 300) -> str:
    """Runs kubectl; its output.

    Args:
        words: its arguments.
        given: its standard input.
        timeout: seconds.

    Raises:
        AssertionError: it failed; the message is what it printed.
    """
    data = given.encode() if isinstance(given, str) else given
    done = subprocess.run(["kubectl", *words], input=data, capture_output=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr.decode()}"
    return done.stdout.decode()


def get(namespace: str, kind: str, *words: str) -> list[dict[str, Any]]:
    """The objects of a kind in a namespace."""
    return list(json.loads(kubectl("-n", namespace, "get", kind, "-o", "json", *words))["items"])


def make_namespace(name: str) -> None:
    """Makes a namespace that admits restricted pods alone."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    kubectl("apply", "-f", "-", given=json.dumps(namespace))


def delete_namespace(name: str) -> None:
    """Deletes a namespace with all that it holds, and waits until it is gone."""
    if "restorations.reelwright.io" in kubectl("get", "customresourcedefinitions", "-o", "name"):
        # The controller goes with the namespace, so nobody would take off the finalizers of what is under way. It goes
        # first, because it would put them on again.
        kubectl(
            "-n", name, "delete", "deployments", "-l", "app.kubernetes.io/component=controller", "--cascade=foreground"
        )
        for held in get(name, "restorations"):
            words = ("patch", "restoration", held["metadata"]["name"], "--type=merge")
            kubectl("-n", name, *words, "-p", '{"metadata": {"finalizers": null}}')
    kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=true", timeout=900)


def metric(namespace: str, pods: list[str], sample: str, **labels: str) -> float:
    """A sample of the metrics of pods, summed over them and over the labels that are not given.

    Args:
        namespace: of the pods.
        pods: their names.
        sample: name of the sample.
        labels: of the sample.
    """
    found = 0.0
    for pod in pods:
        page = kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{pod}:9100/proxy/metrics")
        for family in text_string_to_metric_families(page):
            found += sum(
                each.value for each in family.samples if each.name == sample and labels.items() <= each.labels.items()
            )
    return found


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


def wait_until_ready(namespace: str, selector: str, seconds: float = 600) -> None:
    """Waits until every pod of a release is ready.

    Raises:
        AssertionError: it takes too long; the message has the pods' states, and what the nodes lack.
    """
    try:
        wait_for(lambda: not unready(namespace, selector), "the release is ready", seconds)
    except AssertionError as error:
        pods = kubectl("-n", namespace, "get", "pods", "-o", "wide")
        events = kubectl("-n", namespace, "get", "events", "--sort-by=.lastTimestamp")
        taints = kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.taints}")
        raise AssertionError(f"{error}\n{pods}\n{events[-3000:]}\ntaints of the nodes: {taints}") from None
