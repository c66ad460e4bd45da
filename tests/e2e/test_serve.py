"""Roles as processes: what they wait for, what readiness says, what they refuse, and how they exit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import reelwright as package
from scripts.servers.kafka import USER, KafkaServer
from scripts.servers.s3 import S3Server
from tests.support.cluster import ROLES, Cluster
from tests.support.commands import COMMAND
from tests.support.role_processes import Process, free_port, until

EXIT_BY_SIGTERM = 128 + 15


@pytest.fixture(scope="module")
def cluster(kafka: KafkaServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Topics, a bucket and a ledger; each test starts the processes that it needs."""
    with Cluster(kafka, s3, tmp_path_factory.mktemp("logs"), dispatchers=8) as made:
        yield made


def serving(cluster: Cluster, role: str = "dispatcher", **env: str) -> Process:
    """Starts a process of a role and waits until it is ready."""
    process = cluster.start(role, **env)
    until(lambda: process.ready, f"{role} is ready")
    return process


def refusal(process: Process) -> str:
    """The one error line of a process that exited because a setting must be corrected."""
    assert process.wait() == 2, process.log.read_text()
    lines = [line for line in process.lines() if line["level"] == "error"]
    assert len(lines) == 1
    assert "exception" not in lines[0]
    return str(lines[0]["message"])


def test_a_role_waits_for_a_broker_and_takes_work_once_it_is_there(tmp_path: Path) -> None:
    """Without a broker, at the start or later, a role stays alive, is not ready, says why, and continues with one."""
    with KafkaServer(tmp_path / "kafka") as server:
        process = Process("dispatcher", "dispatcher", free_port(), server.env, tmp_path)
        until(lambda: server.bootstrap in process.get("/readyz")[1], "it says which broker it misses")
        assert process.get("/readyz")[0] == 503
        assert process.get("/readyz")[1].count("\n") == 1
        assert process.get("/healthz")[0] == 200
        retries = [line for line in process.lines() if line["message"] == "unavailable, retrying"]
        assert all(server.bootstrap in line["reason"] for line in retries)
        server.start()
        until(lambda: "no topic" in process.get("/readyz")[1], "it says which topics it misses")
        subprocess.run([COMMAND, "topics", "apply"], env={**os.environ, **server.env}, check=True)
        until(lambda: process.ready, "it takes work")
        server.kill()
        until(lambda: process.get("/readyz") == (503, "the bus does not answer\n"), "it misses the broker")
        server.start()
        until(lambda: process.ready, "it takes work again")
        process.terminate()
        assert process.wait() == 0


def test_a_role_that_waits_for_a_broker_stops_when_told(tmp_path: Path) -> None:
    """SIGTERM ends the wait for a broker that never answers."""
    nobody = {"REELWRIGHT_BUS_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    process = Process("dispatcher", "dispatcher", free_port(), nobody, tmp_path)
    until(lambda: "no Kafka broker" in process.get("/readyz")[1], "it waits")
    process.terminate()
    assert process.wait() == 0


def test_wrong_credentials_are_refused(kafka: KafkaServer, tmp_path: Path) -> None:
    """A refused login ends the role with one line and exit code 2, and the log does not contain the password."""
    secret = "not the password"
    login = {
        "REELWRIGHT_BUS_BOOTSTRAP_SERVERS": kafka.sasl,
        "REELWRIGHT_BUS_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "REELWRIGHT_BUS_USERNAME": USER,
        "REELWRIGHT_BUS_PASSWORD": secret,
    }
    process = Process("dispatcher", "dispatcher", free_port(), login, tmp_path)
    assert f"refuses {USER}" in refusal(process)
    assert secret not in process.log.read_text()


def test_topics_that_are_too_small_are_refused(cluster: Cluster) -> None:
    """A topic that cannot hold the largest message of the settings is named, with the remedy."""
    process = cluster.start("dispatcher", REELWRIGHT_BUS_INLINE_BYTES=str(4 << 20))
    line = refusal(process)
    assert "max.message.bytes" in line
    assert "topics apply" in line


@pytest.mark.parametrize(
    ("role", "name", "value"),
    [
        ("decoder", "REELWRIGHT_DECODER_TITLES", "0"),
        ("encoder", "REELWRIGHT_ENCODER_PARALLEL_SEGMENTS", "many"),
        ("inference", "REELWRIGHT_INFERENCE_ENGINE", "abacus"),
        ("dispatcher", "REELWRIGHT_GRACE_SECONDS", "-1"),
        ("decoder", "REELWRIGHT_STORE_LEDGER", ""),
        ("decoder", "REELWRIGHT_BUS_INLINE_BYTES", "1 MB"),
    ],
)
def test_a_setting_that_is_not_valid_is_named(cluster: Cluster, role: str, name: str, value: str) -> None:
    """A setting out of its range ends the role with one line that names its variable."""
    assert name in refusal(cluster.start(role, **{name: value}))


def test_every_role_drains_on_sigterm(cluster: Cluster) -> None:
    """One process of each role becomes ready, shows its version and role, and exits with 0 on SIGTERM."""
    started = cluster.start_all()
    for process in started:
        build = {"version": package.__version__, "role": process.role}
        assert process.metric("reelwright_build_info", **build) == 1
        assert process.metric("process_resident_memory_bytes") > 0
        process.terminate()
    for process in started:
        assert process.wait() == 0, process.log.read_text()
        assert [line["message"] for line in process.lines()][-1] == "role stopped"


def test_a_drain_ends_though_the_broker_hangs(cluster: Cluster) -> None:
    """With a broker that answers nothing, SIGTERM still ends a role in order; a second one ends it at once."""
    first = serving(cluster)
    second = serving(cluster, "encoder", REELWRIGHT_GRACE_SECONDS="100000")
    cluster.kafka.freeze()
    try:
        first.terminate()
        second.terminate()
        until(lambda: "role stopping" in [line["message"] for line in second.lines()], "it has received the signal")
        second.terminate()
        assert second.wait() in {0, EXIT_BY_SIGTERM}
        assert first.wait() == 0
    finally:
        cluster.kafka.thaw()


def test_the_dispatcher_answers_health_and_reflection(cluster: Cluster) -> None:
    """The dispatcher answers the gRPC health service and server reflection."""
    process = serving(cluster)
    with grpc.insecure_channel(process.env["REELWRIGHT_DISPATCHER_ADDRESS"]) as channel:
        answer = HealthStub(channel).Check(HealthCheckRequest(service="reelwright.v1.Dispatch"))
        assert answer.status == HealthCheckResponse.SERVING
        assert "reelwright.v1.Dispatch" in ProtoReflectionDescriptorDatabase(channel).get_services()


def test_roles_are_the_four(cluster: Cluster) -> None:
    """Another role than the four is refused, and the four are named."""
    done = cluster.command("serve", "projectionist")
    assert done.returncode == 2
    assert all(role in done.stderr for role in ROLES)
