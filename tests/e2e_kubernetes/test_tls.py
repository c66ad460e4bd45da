"""A release in which every connection is encrypted: gRPC with mutual TLS and a token, Kafka with a login, S3."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from scripts.servers.kafka import PASSWORD, USER
from scripts.servers.s3 import REGION, S3Server
from tests.e2e_kubernetes.kube import delete_namespace, get, kubectl, make_namespace, wait_for
from tests.e2e_kubernetes.release import Release, Title, source
from tests.e2e_kubernetes.tls_servers import (
    KAFKA_PORT,
    S3_PORT,
    host_of,
    put_certificate,
    put_secret,
    start_kafka,
    start_s3,
)
from tests.support.certificates import Authority
from tests.support.stores import require_real_server

# A cluster may have to be started, and images to be built.
pytestmark = pytest.mark.timeout(1400)

_NAMESPACE = "reelwright-tls"
_DISPATCHER = f"film-dispatcher-0.film-dispatcher-pods.{_NAMESPACE}.svc"
_DISPATCHER_HOSTS = (f"film-dispatcher.{_NAMESPACE}.svc", _DISPATCHER)
_FRAMES = 48
_VALUES = (
    "--set=development.enabled=false,store.ledger=s3://films/ledger,store.credentialsSecretName=s3-keys",
    f"--set=bus.bootstrapServers={host_of('kafka', _NAMESPACE)}:{KAFKA_PORT},bus.securityProtocol=SASL_SSL",
    "--set=bus.saslMechanism=PLAIN,bus.credentials.secretName=kafka-login,bus.tls.caSecretName=client",
    "--set=bus.tls.clientSecretName=client",
    f"--set=store.endpoint=https://{host_of('s3', _NAMESPACE)}:{S3_PORT},store.region={REGION}",
    "--set=store.tls.caSecretName=client",
    "--set=grpc.tls.enabled=true,grpc.tls.dispatcherSecretName=dispatcher,grpc.tls.workerSecretName=worker",
    "--set=grpc.token.secretName=token",
)
_PUT = "import sys, fsspec; f = fsspec.open(sys.argv[1], 'wb').open(); f.write(sys.stdin.buffer.read()); f.close()"
# The certificate that a dispatcher shows on a new connection, to a client with the certificate of the workers.
_SHOWN = """
import socket, ssl, sys
context = ssl.create_default_context(cafile="/etc/reelwright/grpc/ca.crt")
context.load_cert_chain("/etc/reelwright/grpc/tls.crt", "/etc/reelwright/grpc/tls.key")
with context.wrap_socket(socket.create_connection((sys.argv[1], 50051)), server_hostname=sys.argv[1]) as connection:
    print(ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True)))
"""


class Encrypted(NamedTuple):
    """A release with everything encrypted.

    Attributes:
        release: its pods are ready, and it has a client.
        authority: signs the certificates of dispatcher and workers.
        other: another authority.
    """

    release: Release
    authority: Authority
    other: Authority


@pytest.fixture(scope="module")
def encrypted(kubernetes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    """A release on a broker and an S3 server that answer over TLS alone, each with certificates made by openssl."""
    del kubernetes
    folder = tmp_path_factory.mktemp("tls")
    server = S3Server(folder / "s3")
    require_real_server(server)
    delete_namespace(_NAMESPACE)
    make_namespace(_NAMESPACE)
    authority, other = Authority(folder, "grpc"), Authority(folder, "other")
    put_secrets(folder, authority, server)
    start_kafka(_NAMESPACE, "kafka")
    start_s3(_NAMESPACE, "s3", server)
    release = Release("film", _NAMESPACE, *_VALUES)
    release.install()
    release.start_client()
    yield Encrypted(release, authority, other)
    delete_namespace(_NAMESPACE)


def put_secrets(folder: Path, grpc: Authority, server: S3Server) -> None:
    """Makes the certificates of all sides, and the Secrets that the values name."""
    servers = Authority(folder, "servers")
    for name in ("kafka", "s3"):
        put_certificate(_NAMESPACE, name, servers, servers, host_of(name, _NAMESPACE))
    put_certificate(_NAMESPACE, "client", servers, servers)
    put_certificate(_NAMESPACE, "dispatcher", grpc, grpc, *_DISPATCHER_HOSTS)
    put_certificate(_NAMESPACE, "worker", grpc, grpc)
    put_secret(_NAMESPACE, "kafka-login", username=USER, password=PASSWORD)
    put_secret(_NAMESPACE, "token", token="a token of the workers")
    keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3-keys"}, "stringData": keys}
    kubectl("-n", _NAMESPACE, "apply", "-f", "-", given=json.dumps(secret))


def restore(release: Release, name: str) -> None:
    """Restores a title by kubectl, from its source to its verified film."""
    title = Title(name, _FRAMES, f"s3://films/sources/{name}.mp4", f"s3://films/restored/{name}.mp4")
    release.command("python", "-c", _PUT, title.source, given=source(name, _FRAMES))
    release.restore(title, deadline="2100-01-01T00:00:00Z")
    release.finish(title)
    (status,) = release.statuses(title)
    assert status["frames"] == {"done": _FRAMES, "total": _FRAMES}
    release.command("reelwright", "verify", title.output)


def workers(release: Release) -> float:
    """Workers that are connected to the dispatcher."""
    return release.metric("dispatcher", "reelwright_workers_connected")


def log_of(pod: str) -> str:
    """The log of a pod."""
    return kubectl("-n", _NAMESPACE, "logs", pod)


def restarts(pod: str) -> int:
    """How often the container of a pod was started again."""
    field = "jsonpath={.status.containerStatuses[0].restartCount}"
    return int(kubectl("-n", _NAMESPACE, "get", "pod", pod, "-o", field))


def start_worker(release: Release, name: str, secret: str) -> None:
    """Starts a worker like those of the release, with the certificate of another Secret."""
    (deployment,) = get(_NAMESPACE, "deployments", "-l", f"{release.selector},reelwright.io/pool=cpu")
    template = deployment["spec"]["template"]
    for volume in template["spec"]["volumes"]:
        if volume["name"] == "grpc":
            volume["secret"]["secretName"] = secret
    metadata = {"name": name, "labels": template["metadata"]["labels"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    kubectl("-n", _NAMESPACE, "apply", "-f", "-", given=json.dumps(pod))
    running = "--for=jsonpath={.status.phase}=Running"
    kubectl("-n", _NAMESPACE, "wait", running, f"pod/{name}", "--timeout=120s")


def test_a_film_is_restored_over_encrypted_connections(encrypted: Encrypted) -> None:
    """A Restoration becomes a verified film, and the controller gets its forecasts from the dispatcher."""
    restore(encrypted.release, "film")
    (controller,) = encrypted.release.pods("controller")
    # It asks at submission, because the title has a deadline, and says so when it gets no answer.
    assert "no forecast" not in log_of(controller)


def test_a_worker_of_another_authority_is_refused(encrypted: Encrypted) -> None:
    """A worker whose certificate another authority has signed is not connected, and never ready."""
    release = encrypted.release
    put_certificate(_NAMESPACE, "strange", encrypted.other, encrypted.authority)
    start_worker(release, "strange", "strange")
    wait_for(lambda: "dispatcher disconnected" in log_of("strange"), "the worker is refused")
    assert "dispatcher connected" not in log_of("strange")
    assert workers(release) == 1
    kubectl("-n", _NAMESPACE, "delete", "pod", "strange", "--grace-period=0", "--force")


def test_replaced_certificates_are_used_without_a_restart(encrypted: Encrypted, figure: Callable[[str], None]) -> None:
    """Dispatcher and worker use replaced Secrets for new connections, and are not restarted for it."""
    release = encrypted.release
    (dispatcher,), (worker,), (controller,) = (release.pods(role) for role in ("dispatcher", "inference", "controller"))
    shown = put_certificate(_NAMESPACE, "dispatcher", encrypted.authority, encrypted.authority, *_DISPATCHER_HOSTS)
    put_certificate(_NAMESPACE, "worker", encrypted.authority, encrypted.authority)
    began = time.monotonic()
    # The kubelet writes a Secret into a pod at once when the pod changes, else within a minute and a half.
    kubectl("-n", _NAMESPACE, "annotate", "pods", "-l", release.selector, "replaced=yes")
    ask = ("-n", _NAMESPACE, "exec", controller, "--", "python", "-c", _SHOWN, _DISPATCHER)
    wait_for(lambda: kubectl(*ask).strip() == shown.strip(), "the dispatcher shows its new certificate")
    figure(f"TLS: a replaced Secret's certificate is shown on a new connection after {time.monotonic() - began:.0f} s")
    assert restarts(dispatcher) == 0
    # With the dispatcher's pod its streams end, so the worker connects anew.
    release.kill(dispatcher)
    wait_for(lambda: "certificates replaced" in log_of(worker), "the worker has its new certificate")
    release.wait()
    wait_for(lambda: workers(release) == 1, "the worker is connected")
    assert restarts(worker) == 0
