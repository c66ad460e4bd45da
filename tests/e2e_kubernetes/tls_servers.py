"""A Kafka broker and an S3 server in pods, which answer over TLS alone, and Secrets with certificates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reelwright import __version__
from scripts.servers.kafka import PASSWORD, USER
from scripts.servers.s3 import REGION, S3Server, build
from tests.e2e_kubernetes.kube import kubectl
from tests.support.certificates import Authority

KAFKA_PORT, S3_PORT = 9094, 7070
_PLAIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
# The program comes through the pipe once the container runs. Who needs the pipe first makes it.
_PIPE = "mkfifo /data/program 2>/dev/null;"
_S3 = (
    f"{_PIPE} cat /data/program > /data/versitygw && chmod +x /data/versitygw "
    "&& mkdir -p /data/objects/films /data/more "
    f"&& exec /data/versitygw --port :{S3_PORT} --cert /tls/tls.crt --key /tls/tls.key --region {REGION} --quiet "
    "posix --sidecar /data/more /data/objects"
)


def host_of(name: str, namespace: str) -> str:
    """The host name of a server."""
    return f"{name}.{namespace}.svc"


def put_secret(namespace: str, name: str, **content: str) -> None:
    """Makes or replaces a Secret; keys have underscores for dots."""
    data = {key.replace("_", "."): value for key, value in content.items()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
    kubectl("-n", namespace, "apply", "-f", "-", given=json.dumps(secret))


def put_certificate(namespace: str, name: str, issuer: Authority, authority: Authority, *hosts: str) -> str:
    """Makes or replaces a Secret with a new certificate; the certificate in PEM.

    Args:
        namespace: of the Secret.
        name: of the Secret.
        issuer: signs the certificate.
        authority: the one that the owner of the certificate trusts.
        hosts: names in the certificate.
    """
    certificate, key = (path.read_text() for path in issuer.issue(name, *hosts))
    ca = authority.certificate.read_text()
    put_secret(namespace, name, tls_crt=certificate, tls_key=key, ca_crt=ca, keystore_pem=key + certificate)
    return certificate


def start_kafka(namespace: str, secret: str) -> None:
    """Starts a broker that wants a certificate of its clients, too, and a login by user name and password.

    Args:
        namespace: it exists.
        secret: name of the Secret with its certificate.
    """
    clients = "LISTENER_NAME_CLIENTS"
    settings = {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        # Other pods reach CLIENTS alone.
        "LISTENERS": f"CLIENTS://:{KAFKA_PORT},OWN://localhost:9092,CONTROLLER://localhost:9093",
        "ADVERTISED_LISTENERS": f"CLIENTS://{host_of('kafka', namespace)}:{KAFKA_PORT},OWN://localhost:9092",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "INTER_BROKER_LISTENER_NAME": "OWN",
        "LISTENER_SECURITY_PROTOCOL_MAP": "CLIENTS:SASL_SSL,OWN:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "SSL_KEYSTORE_TYPE": "PEM",
        "SSL_KEYSTORE_LOCATION": "/tls/keystore.pem",
        "SSL_TRUSTSTORE_TYPE": "PEM",
        "SSL_TRUSTSTORE_LOCATION": "/tls/ca.crt",
        f"{clients}_SSL_CLIENT_AUTH": "required",
        "SASL_ENABLED_MECHANISMS": "PLAIN",
        f"{clients}_PLAIN_SASL_JAAS_CONFIG": _PLAIN,
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "OFFSETS_TOPIC_NUM_PARTITIONS": "1",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "LOG_DIRS": "/data/log",
        "HEAP_OPTS": "-Xmx512m",
        "JVM_PERFORMANCE_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }
    env = {f"KAFKA_{name}": value for name, value in settings.items()}
    _start(namespace, "kafka", KAFKA_PORT, secret, {"image": "apache/kafka:4.1.0", "env": env})


def start_s3(namespace: str, secret: str, server: S3Server) -> None:
    """Starts an S3 server with the bucket `films`.

    Args:
        namespace: it exists.
        secret: name of the Secret with its certificate.
        server: has its keys, and does not run.
    """
    env = {"ROOT_ACCESS_KEY": server.access_key, "ROOT_SECRET_KEY": server.secret_key}
    container = {"image": f"reelwright/media:{__version__}", "env": env, "command": ["sh", "-c", _S3]}
    _start(namespace, "s3", S3_PORT, secret, container)
    kubectl("-n", namespace, "wait", "--for=jsonpath={.status.phase}=Running", "pod/s3", "--timeout=120s")
    program = Path(build()).read_bytes()
    kubectl("-n", namespace, "exec", "-i", "s3", "--", "sh", "-c", f"{_PIPE} cat > /data/program", given=program)


def _start(namespace: str, name: str, port: int, secret: str, container: dict[str, Any]) -> None:
    """Starts a pod with a certificate at /tls and a folder /data, and a Service of its name."""
    metadata = {"name": name, "labels": {"server": name}}
    container |= {
        "name": name,
        "env": [{"name": variable, "value": value} for variable, value in container["env"].items()],
        # Without a request for processor time it would get what others leave, and all of them wait for it.
        "resources": {"requests": {"cpu": "250m"}},
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}, {"name": "data", "mountPath": "/data"}],
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tls", "secret": {"secretName": secret}}, {"name": "data", "emptyDir": {}}],
    }
    service = {"selector": metadata["labels"], "ports": [{"port": port}]}
    items = [
        {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": each}
        for kind, each in (("Pod", spec), ("Service", service))
    ]
    kubectl("-n", namespace, "apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
