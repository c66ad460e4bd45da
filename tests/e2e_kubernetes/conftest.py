"""The cluster that the tests use: the current context of kubectl, or a testbed that TESTBED names.

TESTBED is a folder with the commands `cluster`, `images` and `keda`, which bring up a Kubernetes on this machine, build
images for it and load them. Without it, the current context is used, KUBERNETES_LOAD is a command that loads an image
into its nodes (`kind load docker-image`), and nothing is loaded if that is not set either.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reelwright import __version__
from scripts.images import arguments, builder
from tests.e2e_kubernetes.kube import delete_namespace, make_namespace
from tests.e2e_kubernetes.release import Release
from tests.support.api_server import Namespace, running_cluster

_IMAGES = ("media", "inference-cpu")
NEXT_TAG = f"{__version__}-next"
"""The tag of a second build of the same code, for upgrades."""


@pytest.fixture(scope="session")
def kubernetes() -> None:
    """A cluster that has the images of this checkout under two tags."""
    testbed = os.environ.get("TESTBED", "")
    load = shlex.split(os.environ.get("KUBERNETES_LOAD", ""))
    if testbed:
        subprocess.run([f"{testbed}/cluster", "up"], check=True)
        subprocess.run([f"{testbed}/images", "all"], check=True)
        _use_environment(Path(testbed))
        os.environ.setdefault("IMAGES_BUILD", f"{testbed}/images build")
        load = [f"{testbed}/cluster", "load"]
        subprocess.run([*load, "docker.io/apache/kafka:4.1.0"], check=True)
    if not testbed and (shutil.which("kubectl") is None or not _answers()):
        pytest.skip("no Kubernetes answers: set KUBECONFIG, or TESTBED")
    if shutil.which("helm") is None:
        pytest.skip("helm is not installed: make chart-tools")
    if load:
        for tag in (__version__, NEXT_TAG):
            for image in _IMAGES:
                subprocess.run([*builder(), *arguments(image, tag)], check=True)
                subprocess.run([*load, f"reelwright/{image}:{tag}"], check=True)


def _use_environment(testbed: Path) -> None:
    """Takes KUBECONFIG and PATH from the testbed."""
    shown = subprocess.run(
        ["bash", "-c", f'eval "$({testbed}/cluster env)"; echo "$KUBECONFIG"; echo "$PATH"'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    os.environ["KUBECONFIG"], os.environ["PATH"] = shown


def _answers() -> bool:
    return subprocess.run(["kubectl", "version"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def release(request: pytest.FixtureRequest) -> Iterator[Release]:
    """A release whose pods are ready, with a client; the namespace admits restricted pods alone."""
    request.getfixturevalue("kubernetes")
    delete_namespace("reelwright-e2e")
    make_namespace("reelwright-e2e")
    made = Release("film", "reelwright-e2e", "--set=controller.enabled=false")
    made.apply()
    made.wait()
    made.start_client()
    yield made
    delete_namespace("reelwright-e2e")


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """The kubeconfig of an API server that has the custom resources: that of KUBECONFIG, or one without nodes."""
    with running_cluster() as found:
        yield found


@pytest.fixture
def namespace(kubeconfig: Path) -> Iterator[Namespace]:
    """A new namespace."""
    made = Namespace(kubeconfig)
    yield made
    made.close()
