"""The container images: no root, no compiler, the networks of this checkout, and roles that become ready."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.images import arguments, builder, weights
from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.support.cluster import Cluster
from tests.support.role_processes import Process, free_port, until

_BUILT = ("media", "inference-cpu")
# With buildah the build of the third image, of 6 GB, takes about 30 GB meanwhile.
_LARGE, _LARGE_BYTES = "inference-cuda", 50 << 30
_TAG = "test"
_COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "ld", "make", "cargo", "go")


@pytest.fixture(scope="module", params=(*_BUILT, _LARGE))
def image(request: pytest.FixtureRequest) -> str:
    """An image of this checkout."""
    if request.param == _LARGE and shutil.disk_usage("/").free < _LARGE_BYTES:
        pytest.skip(f"needs {_LARGE_BYTES >> 30} GiB of free disk")
    return build(request.param)


def build(name: str) -> str:
    """Builds an image, from layers that are there already where nothing has changed; its name."""
    if not builder():
        pytest.skip("neither docker nor buildah is here, and IMAGES_BUILD names no other")
    subprocess.run([*builder(), *arguments(name, _TAG)], check=True)
    return f"reelwright/{name}:{_TAG}"


def in_container(image: str, env: dict[str, str], *words: str) -> list[str]:
    """The command that runs a program in a container of an image, on this machine's network."""
    variables = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
    if builder()[0] == "docker":
        return [
            "docker",
            "run",
            "--rm",
            "--network=host",
            "--read-only",
            "--tmpfs=/tmp",
            "--entrypoint=",
            *variables,
            image,
            *words,
        ]
    container = subprocess.run(["buildah", "from", image], capture_output=True, text=True, check=True).stdout.strip()
    return ["buildah", "run", "--isolation=chroot", *variables, container, "--", *words]


@pytest.fixture(scope="module", autouse=True)
def containers_removed() -> Iterator[None]:
    """Removes the containers that the tests leave; buildah names them after their image."""
    yield
    if builder() and builder()[0] != "docker":
        shown = subprocess.run(["buildah", "containers", "--json"], capture_output=True, text=True, check=True).stdout
        made = [c["id"] for c in json.loads(shown or "[]") or [] if c["imagename"].endswith(f":{_TAG}")]
        if made:
            subprocess.run(["buildah", "rm", *made], capture_output=True, check=True)


def output_of(image: str, *words: str) -> str:
    """What a program in a container prints."""
    return subprocess.run(in_container(image, {}, *words), capture_output=True, text=True, check=True).stdout


def test_an_image_has_no_root_and_no_compiler(image: str) -> None:
    """Its programs run as user 65532, and none of the usual compilers is found."""
    assert output_of(image, "id", "-u").strip() == "65532"
    found = output_of(image, "python", "-c", f"import shutil; print([n for n in {_COMPILERS} if shutil.which(n)])")
    assert found.strip() == "[]"


def test_an_image_has_the_networks_of_this_checkout(image: str) -> None:
    """The packaged networks have the hashes of the checkout's files."""
    script = "from reelwright.restoration.models import list_models as m; print(*(f'{n.name}={n.sha256}' for n in m()))"
    assert output_of(image, "python", "-c", script).strip() == weights()


def test_every_module_has_its_bytecode(image: str) -> None:
    """No module of Reelwright or its libraries is compiled at the start of a process."""
    script = (
        "import sysconfig, pathlib, importlib.util as u; r = pathlib.Path(sysconfig.get_path('purelib'));"
        "print([str(p) for p in (r / 'reelwright').rglob('*.py') if not pathlib.Path(u.cache_from_source(p)).exists()])"
    )
    assert output_of(image, "python", "-c", script).strip() == "[]"


def test_roles_in_containers_become_ready(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """A dispatcher, a decoder and a worker from the two images reach broker, store and each other."""
    media, inference = map(build, _BUILT)
    with Cluster(kafka, s3, tmp_path) as cluster:
        (address,) = cluster.env["REELWRIGHT_INFERENCE_DISPATCHER"].split(",")
        env = {**cluster.env, "REELWRIGHT_DISPATCHER_ADDRESS": address}
        for role, chosen in (("dispatcher", media), ("decoder", media), ("inference", inference)):
            port = free_port()
            command = in_container(chosen, env, "reelwright", "serve", role, "--metrics-port", str(port))
            process = Process(role, role, port, dict(os.environ), tmp_path, command)
            cluster.processes.append(process)
        for process in cluster.processes:
            until(lambda p=process: p.ready or p.code is not None, f"{process.name} is ready")  # type: ignore[misc]
            assert process.code is None, process.log.read_text()
