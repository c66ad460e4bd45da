"""A cluster for tests: role processes as in an installation, on a real broker and a real store.

`with Cluster(kafka, s3, folder) as cluster:` makes the topics, a bucket and a ledger; `start(role)` starts a
process, and the commands of a person (`submit`, `status`, ...) run against the same broker and ledger.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import s3fs
from kafka import KafkaAdminClient

from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.support.commands import COMMAND, TIMEOUT_SECONDS
from tests.support.role_processes import Process, free_port, until

ROLES = ("decoder", "dispatcher", "inference", "encoder")
# Suffixes of the film and of the files beside it.
_BESIDE = ("", ".report.html", ".manifest.json")


class Cluster:
    """Role processes on one broker and one store, with their own ledger.

    Args:
        kafka: a running broker; the installation's topics are deleted and created again.
        s3: a running store.
        folder: for logs.
        env: variables of every process and command, added to the cluster's own.
        dispatchers: number of dispatcher addresses that workers get.
    """

    def __init__(
        self,
        kafka: KafkaServer,
        s3: S3Server,
        folder: Path,
        env: Mapping[str, str] | None = None,
        *,
        dispatchers: int = 1,
    ) -> None:
        self.kafka, self.s3, self.folder = kafka, s3, folder
        self.bucket = f"films-{uuid4().hex[:8]}"
        self._addresses = [f"127.0.0.1:{free_port()}" for _ in range(dispatchers)]
        self.ledger = f"s3://{self.bucket}/ledger"
        self.env: dict[str, str] = {
            **kafka.env,
            **s3.env,
            "REELWRIGHT_STORE_LEDGER": self.ledger,
            # Tests also submit local films.
            "REELWRIGHT_STORE_SOURCES": f"s3://{self.bucket},/",
            "REELWRIGHT_STORE_OUTPUTS": f"s3://{self.bucket},/",
            "REELWRIGHT_INFERENCE_DISPATCHER": ",".join(self._addresses),
            "REELWRIGHT_INFERENCE_THREADS": "1",
            **(env or {}),
        }
        self.processes: list[Process] = []
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Cluster:
        self.fs.mkdir(self.bucket)
        self.delete_topics()
        # Repeated because the broker of a busy machine may answer too late.
        until(lambda: self.command("topics", "apply").returncode == 0, "the topics are made")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            if process.code is None:
                process.kill()

    @property
    def fs(self) -> s3fs.S3FileSystem:
        """The store, reached without the product's code."""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")
        key, secret, endpoint = (self.s3.env[name] for name in names)
        return s3fs.S3FileSystem(
            key=key, secret=secret, endpoint_url=endpoint, use_listings_cache=False, skip_instance_cache=True
        )

    def delete_topics(self) -> None:
        """Deletes the broker's Reelwright topics, and with them the offsets of earlier clusters."""
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        try:
            prefix = f"{self.env.get('REELWRIGHT_INSTALLATION', 'reelwright')}."
            known = [topic for topic in admin.list_topics() if topic.startswith(prefix)]
            if known:
                admin.delete_topics(known)
            until(lambda: not set(known) & set(admin.list_topics()), "the topics are gone")
        finally:
            admin.close()

    def start(self, role: str, name: str | None = None, **env: str) -> Process:
        """Starts a process of a role; the next free address is a dispatcher's.

        Args:
            role: decoder, dispatcher, inference or encoder.
            name: of the process; the role and a number unless given.
            **env: what its environment has beside the cluster's.
        """
        number = sum(process.role == role for process in self.processes)
        own = {**self.env, **env}
        if role == "dispatcher" and "REELWRIGHT_DISPATCHER_ADDRESS" not in own:
            own["REELWRIGHT_DISPATCHER_ADDRESS"] = self._addresses[number]
        process = Process(role, name or f"{role}-{number}", free_port(), own, self.folder)
        self.processes.append(process)
        return process

    def restart(self, process: Process, **env: str) -> Process:
        """Starts a process that has ended again: same name, ports and environment, with what `env` changes."""
        assert process.code is not None, f"{process.name} runs"
        again = Process(process.role, process.name, process.port, {**process.env, **env}, self.folder)
        self.processes[self.processes.index(process)] = again
        return again

    def start_all(self) -> list[Process]:
        """One process of each role, ready for work."""
        started = [self.start(role) for role in ROLES]
        for process in started:
            until(lambda p=process: p.ready or p.code is not None, f"{process.name} is ready")  # type: ignore[misc]
            assert process.code is None, process.log.read_text()
        return started

    def command(self, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in the cluster's environment until it ends."""
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
            env={**os.environ, **self.env, **env},
        )

    def submit(self, source: object, output: object, *options: object) -> str:
        """Submits a title; its run."""
        done = self.command("submit", source, "-o", output, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[0]

    def status(self, run: str) -> dict[str, Any]:
        """The entry of a run in `reelwright status --json`."""
        done = self.command("status", run, "--json")
        (status,) = json.loads(done.stdout)
        return dict(status)

    def wait(self, *runs: str) -> int:
        """Waits until every one of the runs has ended; the exit code of `reelwright status --wait`."""
        return self.command("status", *runs, "--wait").returncode

    def upload(self, local: Path, name: str | None = None) -> str:
        """Puts a source into the store; its address."""
        address = f"s3://{self.bucket}/sources/{name or local.name}"
        self.fs.put_file(str(local), address)
        return address

    def film(self, name: str) -> str:
        """The address of an output of that name."""
        return f"s3://{self.bucket}/films/{name}"

    def fetch(self, address: str, folder: Path) -> Path:
        """Copies a film with manifest and report out of the store, or from where it lies; the copy."""
        folder.mkdir(parents=True, exist_ok=True)
        local = folder / address.rsplit("/", 1)[-1]
        for suffix in _BESIDE:
            target = f"{local}{suffix}"
            if address.startswith("s3://"):
                self.fs.get_file(f"{address}{suffix}", target)
            else:
                shutil.copyfile(f"{address}{suffix}", target)
        return local
