"""The cluster under trial: broker, store and roles, with a troublesome network between them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import reelwright
from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.faults.disks import Disk, FileLimit, Fillable, can_mount
from tests.faults.proxy import Proxies, Proxy
from tests.faults.store_client import StoreClient
from tests.faults.supervisor import Slot, Supervisor
from tests.faults.topic_recorder import TopicRecorder
from tests.faults.watch import Commits
from tests.support.cluster import Cluster
from tests.support.role_processes import free_port

LEDGER = "ledger/"
PROCESSES = {"decoder": 1, "dispatcher": 2, "inference": 2, "encoder": 2}
_MOST = 3
# A lossless film of the largest size takes 30 MB, and each encoder may be at one.
_STORE_MEGABYTES, _SCRATCH_MEGABYTES = 1024, 192
# Debian's libfaketime, in the build for programs with threads.
_FAKETIME = "usr/lib/*/faketime/libfaketimeMT.so.1"

# A process that comes back within this time goes on with what it had; one that does not is replaced.
_SESSION_SECONDS = "10"
# Between the sizes of a small film's batches, so that some travel in their message and some by the store.
_INLINE_BYTES = "65536"
_SETTINGS = {
    "REELWRIGHT_BUS_SESSION_SECONDS": _SESSION_SECONDS,
    "REELWRIGHT_BUS_INLINE_BYTES": _INLINE_BYTES,
    "REELWRIGHT_DECODER_STALL_SECONDS": "20",
    "REELWRIGHT_DISPATCHER_LEASE_SECONDS": "15",
    "REELWRIGHT_DISPATCHER_DRAIN_SECONDS": "5",
    "REELWRIGHT_INFERENCE_DRAIN_SECONDS": "5",
}


@dataclass(frozen=True)
class TrialCluster:
    """Everything that a fault may touch.

    Attributes:
        folder: logs, clips and films under way.
        network: what lies between the processes.
        store_disk, scratch: the store's room, and the encoders'.
        next_version: an installation of another version of the product.
        shelf: the store, past the network.
        prefix: the ledger's root within the bucket.
    """

    folder: Path
    kafka: KafkaServer
    s3: S3Server
    network: Network
    cluster: Cluster
    supervisor: Supervisor
    store_disk: Fillable
    scratch: Fillable
    next_version: Path
    shelf: StoreClient
    tap: TopicRecorder
    commits: Commits
    prefix: str = LEDGER
    broker_lock: threading.Lock = field(default_factory=threading.Lock)
    store_lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def open_trial_cluster(folder: Path) -> Iterator[TrialCluster]:
    """Starts it all in an empty folder, and ends it all."""
    with ExitStack() as stack:
        mounts = can_mount()
        store, scratch = Disk(folder / "store", _STORE_MEGABYTES), Disk(folder / "scratch", _SCRATCH_MEGABYTES)
        if mounts:
            stack.enter_context(store)
            stack.enter_context(scratch)
        broker_port = free_port()
        advertised = {"advertised.listeners": f"OPEN://127.0.0.1:{broker_port}"}
        kafka = stack.enter_context(KafkaServer(folder / "kafka", properties=advertised))
        s3 = stack.enter_context(S3Server(store.folder))
        network = stack.enter_context(open_network(broker_port, kafka, s3))
        cluster = stack.enter_context(_cluster(folder, kafka, s3, network))
        supervisor = Supervisor(cluster, _slots(network, scratch.folder), PROCESSES)
        shelf = StoreClient(s3.env, cluster.bucket)
        yield TrialCluster(
            folder=folder,
            kafka=kafka,
            s3=s3,
            network=network,
            cluster=cluster,
            store_disk=store if mounts else FileLimit(lambda: [s3.pid] if s3.pid else []),
            scratch=scratch if mounts else FileLimit(lambda: supervisor.pids("encoder")),
            next_version=_installation(folder / "version-next", f"{reelwright.__version__}.post1"),
            shelf=shelf,
            supervisor=stack.enter_context(supervisor),
            tap=stack.enter_context(TopicRecorder(network.to_broker.address)),
            commits=stack.enter_context(Commits(shelf, LEDGER)),
        )


@dataclass(frozen=True, slots=True)
class Network:
    """The proxies between the processes: to the broker, to the store, to each dispatcher that there may be."""

    to_broker: Proxy
    to_store: Proxy
    to_dispatchers: list[Proxy]


@contextmanager
def open_network(broker_port: int, kafka: KafkaServer, s3: S3Server) -> Iterator[Network]:
    """Opens the proxies; the broker's is on the port that it tells its clients."""
    store = s3.env["AWS_ENDPOINT_URL"].removeprefix("http://")
    with Proxies() as proxies:
        yield Network(
            proxies.open("broker", broker_port, kafka.bootstrap),
            proxies.open("store", free_port(), store),
            [proxies.open(f"dispatcher-{n}", free_port(), f"127.0.0.1:{free_port()}") for n in range(_MOST)],
        )


def _cluster(folder: Path, kafka: KafkaServer, s3: S3Server, network: Network) -> Cluster:
    env = {
        **_SETTINGS,
        "PYTHONPATH": str(_installation(folder / "version-now", reelwright.__version__)),
        "REELWRIGHT_BUS_BOOTSTRAP_SERVERS": network.to_broker.address,
        "REELWRIGHT_INFERENCE_DISPATCHER": ",".join(proxy.address for proxy in network.to_dispatchers),
        "AWS_ENDPOINT_URL": f"http://{network.to_store.address}",
    }
    return Cluster(kafka, s3, folder / "logs", 0, **env)


def clock_env(seconds: int) -> dict[str, str]:
    """The environment of a process whose wall clock is off by so many seconds."""
    library = find_faketime()
    assert library, "no libfaketime"
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def find_faketime() -> Path | None:
    """The library that gives a process another clock; None where it is not installed."""
    return next(Path("/").glob(_FAKETIME), None)


def _slots(network: Network, scratch: Path) -> dict[str, list[Slot]]:
    slots: dict[str, list[Slot]] = {}
    for role in PROCESSES:
        slots[role] = []
        for number in range(_MOST):
            name = f"{role}-{number}"
            env = {"REELWRIGHT_BUS_INSTANCE": name}
            if role == "dispatcher":
                env["REELWRIGHT_DISPATCHER_ADDRESS"] = network.to_dispatchers[number].target
            if role == "encoder":
                env["REELWRIGHT_ENCODER_SCRATCH"] = str(scratch / name)
                (scratch / name).mkdir(parents=True, exist_ok=True)
            slots[role].append(Slot(role, name, env))
    return slots


def _installation(folder: Path, version: str) -> Path:
    """A copy of the product as it is now, which says it is of that version; so nothing changes under the campaign."""
    source = Path(reelwright.__file__).parent
    shutil.copytree(source, folder / "reelwright", ignore=shutil.ignore_patterns("__pycache__"))
    init = folder / "reelwright" / "__init__.py"
    init.write_text(init.read_text().replace(f'"{reelwright.__version__}"', f'"{version}"'))
    return folder
