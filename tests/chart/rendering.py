"""Renders the chart with helm, as an installation would."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).resolve().parents[2] / "helm" / "reelwright"
GIVEN = ("--set=bus.bootstrapServers=kafka:9092", "--set=store.ledger=s3://films/ledger")
"""The values that have no default."""

_OPERATORS = "--api-versions=keda.sh/v1alpha1,cert-manager.io/v1,monitoring.coreos.com/v1"
# A helm that Go built alone takes an old version of Kubernetes for granted.
_KUBERNETES = "--kube-version=1.33.0"
RELEASE, NAMESPACE = "film", "films"


@cache
def helm() -> str:
    """The command; skips the test where there is none, because `make chart` builds it."""
    found = shutil.which("helm")
    if found is None:
        pytest.skip("helm is not installed: make chart")
    return found


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs helm on the chart, with every operator installed in the imagined cluster."""
    command, *rest = arguments
    return subprocess.run([helm(), command, *rest], capture_output=True, text=True, check=False)


@cache
def objects(*values: str) -> tuple[dict[str, Any], ...]:
    """The objects of a release with the values of an installation, in helm's words: `--set=...`, `-f=...`."""
    done = run_helm("template", RELEASE, str(CHART), f"--namespace={NAMESPACE}", _KUBERNETES, _OPERATORS, *values)
    assert done.returncode == 0, done.stderr
    return tuple(document for document in yaml.safe_load_all(done.stdout) if document)


@cache
def installation(namespace: str, release: str, *values: str) -> str:
    """The name of the installation of a release, with a broker and a store of its own."""
    only = ("--show-only=templates/settings.yaml", "--set=development.enabled=true")
    done = run_helm("template", release, str(CHART), f"--namespace={namespace}", _KUBERNETES, *only, *values)
    assert done.returncode == 0, done.stderr
    return str(yaml.safe_load(done.stdout)["data"]["REELWRIGHT_INSTALLATION"])


def refusal(*values: str) -> str:
    """What helm says against values."""
    done = run_helm("template", RELEASE, str(CHART), f"--namespace={NAMESPACE}", _KUBERNETES, *values)
    assert done.returncode != 0
    return done.stderr


def find(documents: tuple[dict[str, Any], ...], kind: str, name: str) -> dict[str, Any]:
    """The object of that kind and name; the release's name is added."""
    return next(o for o in documents if o["kind"] == kind and o["metadata"]["name"] == f"{RELEASE}-{name}")


def pods(documents: tuple[dict[str, Any], ...]) -> dict[str, dict[str, Any]]:
    """The pod specifications, by kind and name of their object."""
    found: dict[str, dict[str, Any]] = {}
    for document in documents:
        spec = document.get("spec", {})
        if document["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if document["kind"] != "Pod":
            spec = spec.get("template", {}).get("spec")
        if spec:
            found[f"{document['kind']} {document['metadata']['name']}"] = spec
    return found


def environment(pod: dict[str, Any]) -> dict[str, Any]:
    """Values of a pod's own variables; those from Secrets and fields are the reference."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in pod["containers"][0]["env"]}
