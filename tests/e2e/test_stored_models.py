"""A worker that serves a network from the store: titles that name it, and workers that cannot have it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.support.cluster import Cluster
from tests.support.films import small_film
from tests.support.own_networks import own_network
from tests.support.role_processes import Process, until
from tests.support.stores import require_real_server


@pytest.fixture(scope="module")
def cluster(kafka: KafkaServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Topics, a bucket and a ledger; each test starts the processes that it needs."""
    with Cluster(kafka, s3, tmp_path_factory.mktemp("logs"), dispatchers=2) as made:
        yield made


@pytest.fixture
def network(cluster: Cluster, tmp_path: Path) -> str:
    """The name of a network that a person has put into the store."""
    done = cluster.command("models", "add", own_network(tmp_path))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refusal(process: Process) -> str:
    """The one error line of a process that exited because a setting must be corrected."""
    assert process.wait() == 2, process.log.read_text()
    (line,) = [line for line in process.lines() if line["level"] == "error"]
    return str(line["message"])


def test_a_title_is_restored_by_the_network_that_it_names(cluster: Cluster, network: str) -> None:
    """A worker with a network from the store restores the titles that name it, and the manifest has its hash."""
    for role in ("decoder", "dispatcher", "encoder"):
        cluster.start(role)
    cluster.start("inference", REELWRIGHT_INFERENCE_MODEL=network)
    output = f"s3://{cluster.bucket}/own.mp4"
    cluster.submit(small_film(48), output, "--set", f"model={network}", "--wait")
    assert cluster.command("verify", output).returncode == 0
    manifest = json.loads(cluster.fs.cat_file(f"{output}.manifest.json"))
    assert manifest["model_sha256"] == network.removeprefix("sha256:")


def test_a_title_of_a_network_that_is_not_there_is_refused(cluster: Cluster) -> None:
    """`submit` refuses a title whose network the store does not have, in one line."""
    name = f"sha256:{'0' * 64}"
    done = cluster.command("submit", small_film(48), "-o", f"s3://{cluster.bucket}/no.mp4", "--set", f"model={name}")
    assert done.returncode == 2
    assert f"{cluster.ledger}/models/{'0' * 64}.safetensors: no such model" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_worker_does_not_start_with_another_file(cluster: Cluster, network: str) -> None:
    """A worker whose network was replaced by another file ends with one line that has the hash of that file."""
    own = cluster.fs.cat_file(path := f"{cluster.ledger}/models/{network.removeprefix('sha256:')}.safetensors")
    cluster.fs.pipe_file(path, own[:-1] + bytes([own[-1] ^ 1]))
    line = refusal(cluster.start("inference", REELWRIGHT_INFERENCE_MODEL=network))
    assert f"{path}: its SHA-256 is " in line
    cluster.fs.rm_file(path)
    line = refusal(cluster.start("inference", REELWRIGHT_INFERENCE_MODEL=network))
    assert f"{path}: no such model; put it into the store" in line


def test_a_worker_waits_for_the_store_of_its_network(cluster: Cluster, network: str, s3: S3Server) -> None:
    """While the store is away the worker is not ready and says why; then it fetches its network, or stops when told."""
    require_real_server(s3)
    cluster.start("dispatcher")
    s3.kill()
    waiting, stopped = (cluster.start("inference", REELWRIGHT_INFERENCE_MODEL=network) for _ in range(2))
    for process in (waiting, stopped):
        until(lambda p=process: "the store does not answer" in p.get("/readyz")[1], "it misses the store")  # type: ignore[misc]
    stopped.terminate()
    assert stopped.wait() == 0, stopped.log.read_text()
    s3.start()
    until(lambda: waiting.ready, "it takes work")
