"""Access to the store that is taken away for a while delays work; only its own source or output fails a title."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from reelwright.ledger.run_ledger import RunLedger
from reelwright.store.retry import RetryPolicy
from reelwright.titles.request import RunRequest
from scripts.servers.s3 import S3Server
from tests.support.films import small_film
from tests.support.ledgers import RUN
from tests.support.pipeline_harness import pipeline_harness, request_for
from tests.support.role_processes import Process, free_port, until
from tests.support.stores import aws_environment, require_real_server

# A role on a bus of its own that reads the ledger again and again.
ROLE = """
import signal, sys
from reelwright.process.signals import STOP_SIGNALS
signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
from reelwright.bus.local.bus import LocalBus
from reelwright.ledger.run_ledger import RunLedger
from reelwright.process import service

class Role:
    unready = ""

    def __init__(self, retry):
        self.ledger = RunLedger(sys.argv[1], sys.argv[2], retry=retry)

    def run(self, stop):
        while not stop.wait(0.05):
            self.ledger.request()

service.connect, service.create = LocalBus, lambda role, bus, retry: Role(retry)
sys.exit(service.serve("decoder", int(sys.argv[3])))
"""


class GuardedBucket:
    """A bucket that one user may use, until it is revoked.

    Attributes:
        name: of the bucket.
        env: the user's AWS_* variables.
    """

    def __init__(self, server: S3Server, name: str) -> None:
        self.name, self._client = name, server.client()
        self.env = server.add_user(f"user{uuid4().hex[:8]}")
        self._client.create_bucket(Bucket=name)
        self.allow()

    def allow(self, *prefixes: str) -> None:
        """Allows everything below these prefixes, and everywhere if none is given."""
        arn = f"arn:aws:s3:::{self.name}"
        places = [arn, *(f"{arn}/{prefix}*" for prefix in prefixes or ("",))]
        principal = {"AWS": [self.env["AWS_ACCESS_KEY_ID"]]}
        allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": places, "Principal": principal}
        policy = {"Version": "2012-10-17", "Statement": [allowed]}
        self._client.put_bucket_policy(Bucket=self.name, Policy=json.dumps(policy))

    def revoke(self) -> None:
        """Allows nothing."""
        self._client.delete_bucket_policy(Bucket=self.name)

    def upload(self, source: Path, name: str) -> str:
        """Puts a film into the bucket; its address."""
        self._client.put_object(Bucket=self.name, Key=name, Body=source.read_bytes())
        return f"s3://{self.name}/{name}"

    def exists(self, name: str) -> bool:
        """Whether there is such an object."""
        found = self._client.list_objects_v2(Bucket=self.name, Prefix=name).get("Contents", [])
        return name in {each["Key"] for each in found}


@pytest.fixture
def bucket() -> Iterator[GuardedBucket]:
    """A bucket of a server of its own, which this process uses as a user without other rights."""
    with S3Server() as server:
        require_real_server(server)
        made = GuardedBucket(server, f"guarded-{uuid4().hex[:8]}")
        with aws_environment(made.env):
            yield made


def titles(bucket: GuardedBucket, count: int, frames: int) -> list[RunRequest]:
    """Requests whose sources and outputs are in the bucket."""
    requests = []
    for number in range(count):
        film = small_film(frames + number)
        source = bucket.upload(film, f"sources/{number}.mp4")
        request = request_for(film, film.with_name(f"restored-{number}.mp4"))
        output = f"s3://{bucket.name}/films/{number}.mp4"
        requests.append(request.model_copy(update={"source": source, "output": output}))
    return requests


def test_access_that_is_revoked_for_a_while(bucket: GuardedBucket, caplog: pytest.LogCaptureFixture) -> None:
    """While nothing in the store is allowed, every service waits; afterwards every title is finished."""
    root, retry = f"s3://{bucket.name}/ledger", RetryPolicy(waits_for_access=True)
    requests = titles(bucket, 3, 120)
    with pipeline_harness(root, ledger=partial(RunLedger, root, retry=retry), inline_bytes=0, retry=retry) as here:
        for request in requests:
            here.submit(request)
        until(lambda: any(here.ledger(each.run).committed_segments() for each in requests), "a commit")
        bucket.revoke()
        until(lambda: "the store does not allow it" in retry.trouble, "a service waits for access")
        seen = len(caplog.messages)
        until(lambda: caplog.messages[seen:].count("unavailable, retrying") > 5, "services have tried again")
        bucket.allow()
        ended = {each.run: here.wait_for_any() for each in requests}
    assert [event.WhichOneof("event") for event in ended.values()] == ["title_finished"] * len(requests)


def test_a_source_and_an_output_that_are_not_allowed(bucket: GuardedBucket) -> None:
    """A title whose own source or output stays refused fails with exit code 2, and the others are finished."""
    root, retry = f"s3://{bucket.name}/ledger", RetryPolicy(waits_for_access=True)
    refused_source, refused_output, allowed = titles(bucket, 3, 48)
    bucket.allow("ledger", "sources/1", "sources/2", "films/0", "films/2")
    with pipeline_harness(root, ledger=partial(RunLedger, root, retry=retry), retry=retry) as here:
        for request in (refused_source, refused_output, allowed):
            here.submit(request)
        ended = {event.run: event for event in (here.wait_for_any() for _ in range(3))}
    assert ended[allowed.run].HasField("title_finished")
    for request, place in ((refused_source, refused_source.source), (refused_output, refused_output.output)):
        failure = ended[request.run].title_failed
        assert failure.exit_code == 2
        assert failure.reason.startswith(f"{place}: the store does not allow it")
    assert bucket.exists("films/2.mp4")


def test_a_role_without_access_is_not_ready(bucket: GuardedBucket, tmp_path: Path) -> None:
    """Readiness names the store while it refuses the ledger's root; the process lives, and is ready again after it."""
    port = free_port()
    command = [sys.executable, "-c", ROLE, f"s3://{bucket.name}/ledger", RUN, str(port)]
    process = Process("decoder", "decoder", port, bucket.env, tmp_path, command)
    try:
        until(lambda: process.ready, "it is ready")
        bucket.revoke()
        until(lambda: "the store does not allow it" in process.get("/readyz")[1], "it names the store")
        assert process.get("/readyz")[0] == 503
        assert process.get("/healthz")[0] == 200
        assert 'reelwright_store_waiting{cause="refused"} 1.0' in process.get("/metrics")[1]
        bucket.allow()
        until(lambda: process.ready, "it is ready again")
        assert 'reelwright_store_waiting{cause="refused"} 0.0' in process.get("/metrics")[1]
    finally:
        process.kill()
