"""The cluster that the tests use: the current context of kubectl, or a testbed that TESTBED names.

TESTBED is a folder with the commands `cluster`, `images` and `keda`, which bring up a Kubernetes on this machine, build
images for it and load them. Without it, the current context is used, KUBERNETES_LOAD is a command that loads an image
into its nodes (`kind load docker-image`), and nothing is loaded if that is not set either.

KUBERNETES_UNTIL, in Unix seconds, is when the last test may begin. Those that come later are skipped, and the summary
names them.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reelwright import __version__
from scripts.images import arguments, builder
from tests.support.api_server import Namespace, running_cluster
from tests.support.controller_process import Start
from tests.support.role_processes import Process, free_port

_IMAGES = ("media", "inference-cpu")
_ORDER = ("test_release", "test_keda", "test_tls")
_FIGURES = pytest.StashKey[list[str]]()
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
def figure(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes a line with a measured figure, which is printed after the tests."""
    return pytestconfig.stash.setdefault(_FIGURES, []).append


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Prints the figures."""
    for line in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(line)


def pytest_runtest_setup() -> None:
    """Begins no test after KUBERNETES_UNTIL."""
    if time.time() > float(os.environ.get("KUBERNETES_UNTIL", "inf")):
        pytest.skip("no time is left (KUBERNETES_UNTIL)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has the most important tests run first, because a run may have too little time for all of them."""
    items.sort(key=lambda item: _ORDER.index(item.path.stem) if item.path.stem in _ORDER else len(_ORDER))


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


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """Root of a ledger."""
    return str(tmp_path / "ledger")


@pytest.fixture
def start(namespace: Namespace, ledger: str, tmp_path: Path) -> Iterator[Start]:
    """Starts controller processes; those that run at the end are killed."""
    started: list[Process] = []

    def begin(*arguments: str) -> Process:
        name, port = f"controller-{len(started)}", free_port()
        env = {
            **namespace.env,
            "REELWRIGHT_METRICS_PORT": str(port),
            "REELWRIGHT_CONTROLLER_IDENTITY": name,
            "REELWRIGHT_CONTROLLER_LEASE_SECONDS": "3",
            "REELWRIGHT_CONTROLLER_PROGRESS_SECONDS": "0.2",
            "REELWRIGHT_CONTROLLER_SETTLE_SECONDS": "0",
        }
        command = [sys.executable, "-m", "tests.support.controller_process", ledger, *arguments]
        started.append(Process("controller", name, port, env, tmp_path, command))
        return started[-1]

    yield begin
    for process in started:
        if process.code is None:
            process.kill()
