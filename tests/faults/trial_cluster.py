"""The cluster that faults are injected into: broker, store, role processes, and the proxies between them."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import reelwright
from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.faults.commit_monitor import CommitMonitor
from tests.faults.disks import FileSizeLimit, Fillable, SmallDisk, can_mount
from tests.faults.foreign_files import ForeignFiles
from tests.faults.proxy import Proxy, ProxyThread
from tests.faults.store_client import StoreClient
from tests.faults.supervisor import ProcessSlot, Supervisor
from tests.faults.topic_recorder import TopicRecorder
from tests.support.cluster import Cluster
from tests.support.commands import TIMEOUT_SECONDS
from tests.support.role_processes import free_port, until

LEDGER = "ledger/"
_ROOT = Path(__file__).resolve().parents[2]
# It restores with another engine and knows no certificate; its encoders write films as those now do, byte by byte.
_FORMER_COMMIT = "5d953a7"
PROCESSES = {"decoder": 1, "dispatcher": 2, "inference": 2, "encoder": 2}
_MAX_PROCESSES = 3
# A lossless film of the largest size has 30 MB, and each encoder may work on one.
_STORE_MEGABYTES, _SCRATCH_MEGABYTES = 1024, 192
# Where Debian installs libfaketime's build for programs with threads.
_FAKETIME = "usr/lib/*/faketime/libfaketimeMT.so.1"

# A process that returns within this time keeps its partitions; otherwise they move to another process.
_SESSION_SECONDS = "10"
# Between the sizes of a small film's batches, so that some are inline and some are stored (claim check).
_INLINE_BYTES = "65536"
# The clients of `kinds/unauthenticated_clients.py` do not have it.
_TOKEN = secrets.token_hex(16)
_SETTINGS = {
    "REELWRIGHT_DISPATCHER_TOKEN": _TOKEN,
    "REELWRIGHT_INFERENCE_TOKEN": _TOKEN,
    "REELWRIGHT_BUS_SESSION_SECONDS": _SESSION_SECONDS,
    "REELWRIGHT_BUS_INLINE_BYTES": _INLINE_BYTES,
    "REELWRIGHT_DECODER_STALL_SECONDS": "20",
    "REELWRIGHT_DISPATCHER_LEASE_SECONDS": "15",
    "REELWRIGHT_DISPATCHER_DRAIN_SECONDS": "5",
    "REELWRIGHT_INFERENCE_DRAIN_SECONDS": "5",
}


@dataclass(frozen=True)
class TrialCluster:
    """Everything that a fault can act on.

    Attributes:
        folder: logs, clips and films during the campaign.
        kafka, s3: the servers.
        network: the proxies between the processes.
        cluster: starts role processes and runs commands.
        supervisor: keeps the role processes running.
        store_disk, scratch: disk space of the store and of the encoders.
        next_version, former_version: folders with other versions of the product.
        broken_worker, wrong_worker: the same with an engine that fails, and with one that returns wrong pictures.
        foreign_files: files of other owners beside the ledger and the films.
        store: client of the store, without a proxy.
        recorder: keeps and publishes records.
        commits: times of commits.
        prefix: the ledger's root within the bucket.
        broker_lock, store_lock: held by the fault that acts on the server.
        abandoned: set when the campaign ends early; nobody waits for titles any more.
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
    former_version: Path
    broken_worker: Path
    wrong_worker: Path
    foreign_files: ForeignFiles
    store: StoreClient
    recorder: TopicRecorder
    commits: CommitMonitor
    prefix: str = LEDGER
    broker_lock: threading.Lock = field(default_factory=threading.Lock)
    store_lock: threading.Lock = field(default_factory=threading.Lock)
    abandoned: threading.Event = field(default_factory=threading.Event)


@contextmanager
def open_trial_cluster(folder: Path) -> Iterator[TrialCluster]:
    """Starts the cluster in an empty folder and ends it with the context."""
    with ExitStack() as stack:
        mounts = can_mount()
        store_disk = SmallDisk(folder / "store", _STORE_MEGABYTES)
        scratch = SmallDisk(folder / "scratch", _SCRATCH_MEGABYTES)
        if mounts:
            stack.enter_context(store_disk)
            stack.enter_context(scratch)
        broker_port = free_port()
        advertised = {"advertised.listeners": f"OPEN://127.0.0.1:{broker_port}"}
        kafka = stack.enter_context(KafkaServer(folder / "kafka", properties=advertised))
        s3 = stack.enter_context(S3Server(store_disk.folder))
        network = stack.enter_context(open_network(broker_port, kafka, s3))
        cluster = stack.enter_context(_cluster(folder, kafka, s3, network))
        supervisor = Supervisor(cluster, _slots(network, scratch.folder), PROCESSES)
        store = StoreClient(s3.env, cluster.bucket)
        stack.enter_context(supervisor)
        # The time without a commit counts from here; a busy machine needs minutes to start all processes.
        until(lambda: supervisor.ready, "every role is ready", 4 * TIMEOUT_SECONDS)
        yield TrialCluster(
            folder=folder,
            kafka=kafka,
            s3=s3,
            network=network,
            cluster=cluster,
            store_disk=store_disk if mounts else FileSizeLimit(lambda: [s3.pid] if s3.pid else []),
            scratch=scratch if mounts else FileSizeLimit(lambda: supervisor.pids("encoder")),
            next_version=_next_version(folder / "version-next"),
            former_version=_former_version(folder / "version-former"),
            broken_worker=_broken_worker(folder / "version-broken", "raise RuntimeError('the device is lost')"),
            wrong_worker=_broken_worker(folder / "version-wrong", "return 1 - _upscale(self, *given, **named)"),
            foreign_files=ForeignFiles(store, LEDGER),
            store=store,
            supervisor=supervisor,
            recorder=stack.enter_context(TopicRecorder(network.to_broker.address)),
            commits=stack.enter_context(CommitMonitor(store, LEDGER)),
        )


@dataclass(frozen=True, slots=True)
class Network:
    """The proxies between the processes.

    Attributes:
        to_broker, to_store: one each.
        to_dispatchers: one for each slot of the dispatchers.
    """

    to_broker: Proxy
    to_store: Proxy
    to_dispatchers: list[Proxy]


@contextmanager
def open_network(broker_port: int, kafka: KafkaServer, s3: S3Server) -> Iterator[Network]:
    """Opens the proxies. The one to the broker listens on the port that the broker advertises to its clients."""
    store_address = s3.env["AWS_ENDPOINT_URL"].removeprefix("http://")
    with ProxyThread() as proxies:
        yield Network(
            proxies.open("broker", broker_port, kafka.bootstrap),
            proxies.open("store", free_port(), store_address),
            [proxies.open(f"dispatcher-{n}", free_port(), f"127.0.0.1:{free_port()}") for n in range(_MAX_PROCESSES)],
        )


def _cluster(folder: Path, kafka: KafkaServer, s3: S3Server, network: Network) -> Cluster:
    env = {
        **_SETTINGS,
        "PYTHONPATH": str(_installation(folder / "version-now", reelwright.__version__)),
        "REELWRIGHT_BUS_BOOTSTRAP_SERVERS": network.to_broker.address,
        "REELWRIGHT_INFERENCE_DISPATCHER": ",".join(proxy.address for proxy in network.to_dispatchers),
        "AWS_ENDPOINT_URL": f"http://{network.to_store.address}",
    }
    return Cluster(kafka, s3, folder / "logs", env, dispatchers=0)


def clock_env(seconds: int) -> dict[str, str]:
    """Environment variables of a process whose wall clock is wrong by so many seconds."""
    library = find_faketime()
    assert library, "libfaketime is not installed"
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def find_faketime() -> Path | None:
    """Path of libfaketime, which changes a process's clock; None where it is not installed."""
    return next(Path("/").glob(_FAKETIME), None)


def _slots(network: Network, scratch: Path) -> dict[str, list[ProcessSlot]]:
    slots: dict[str, list[ProcessSlot]] = {}
    for role in PROCESSES:
        slots[role] = []
        for number in range(_MAX_PROCESSES):
            name = f"{role}-{number}"
            env = {"REELWRIGHT_BUS_INSTANCE": name}
            if role == "dispatcher":
                env["REELWRIGHT_DISPATCHER_ADDRESS"] = network.to_dispatchers[number].target
            if role == "encoder":
                env["REELWRIGHT_ENCODER_SCRATCH"] = str(scratch / name)
                (scratch / name).mkdir(parents=True, exist_ok=True)
            slots[role].append(ProcessSlot(role, name, env))
    return slots


def _broken_worker(folder: Path, body: str) -> Path:
    _installation(folder, reelwright.__version__)
    with (folder / "reelwright" / "restoration" / "openvino_engine.py").open("a") as module:
        module.write(
            f"\n\n_upscale = OpenVinoEngine.upscale\n\n\ndef _broken(self, *given, **named):\n    {body}\n\n\n"
        )
        module.write("OpenVinoEngine.upscale = _broken\n")
    return folder


def _next_version(folder: Path) -> Path:
    """The product one version later: a new format of documents, messages and protocol, a new field and a new key."""
    return _installation(
        folder,
        f"{reelwright.__version__}.post1",
        {
            "titles/versions.py": (
                ("DOCUMENT_FORMAT = 1", "DOCUMENT_FORMAT = 2"),
                (
                    "    format: int = DOCUMENT_FORMAT\n",
                    '    format: int = DOCUMENT_FORMAT\n    added: str = "later"\n',
                ),
            ),
            "titles/recipe.py": (
                ("    scale: Literal[2, 3, 4] = 2\n", '    scale: Literal[2, 3, 4] = 2\n    look: str = "none"\n'),
            ),
            "bus/messages.py": (("FORMAT = 1", "FORMAT = 2"),),
            "wire/__init__.py": (("PROTOCOL = 1", "PROTOCOL = 2"),),
        },
    )


def _former_version(folder: Path) -> Path:
    """The product of the first release whose messages later ones read, from the history of this clone if it has it."""
    archive = subprocess.run(
        ["git", "archive", _FORMER_COMMIT, "services/reelwright"], cwd=_ROOT, capture_output=True, check=False
    )
    if archive.returncode != 0:
        return _installation(folder, f"{reelwright.__version__}.dev1")
    folder.mkdir()
    subprocess.run(["tar", "-x", "--strip-components=1"], cwd=folder, input=archive.stdout, check=True)
    return folder


Patches = Mapping[str, Sequence[tuple[str, str]]]


def _installation(folder: Path, version: str, patches: Patches = MappingProxyType({})) -> Path:
    """Copies the product into a folder with another version number; edits of the source cannot change the campaign.

    Args:
        folder: to make.
        version: to report.
        patches: by file, the texts to replace and their replacements.
    """
    source = Path(reelwright.__file__).parent
    shutil.copytree(source, folder / "reelwright", ignore=shutil.ignore_patterns("__pycache__"))
    init = folder / "reelwright" / "__init__.py"
    init.write_text(init.read_text().replace(f'"{reelwright.__version__}"', f'"{version}"'))
    for name, changes in patches.items():
        text = (folder / "reelwright" / name).read_text()
        for old, new in changes:
            assert old in text, f"{name} has no {old!r}"
            text = text.replace(old, new)
        (folder / "reelwright" / name).write_text(text)
    return folder
