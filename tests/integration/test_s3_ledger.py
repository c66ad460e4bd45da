"""Ledgers on a real S3 server: the contract, concurrent writers, permissions, servers without conditional puts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from reelwright.bus.claim_check import ClaimCheck
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.runs import list_runs
from reelwright.store.folder import Folder
from reelwright.store.retry import RetryPolicy
from reelwright.titles.errors import OutputError
from scripts.servers.s3 import S3Server
from tests.contract.attempt_machine import AttemptMachine
from tests.contract.attempts import AttemptContract
from tests.contract.ledger import AWKWARD, LedgerContract, payload_of
from tests.contract.run_index import RunIndexContract
from tests.support.ledgers import RUN, plan_of, request_of, title_of
from tests.support.stores import FaultyS3Server, aws_environment, require_real_server


@pytest.fixture
def store(s3: S3Server) -> Iterator[S3Server]:
    """The S3 server that this process uses."""
    with aws_environment(s3.env):
        yield s3


@pytest.fixture
def root(store: S3Server) -> str:
    return f"s3://{store.bucket}/{uuid4().hex}/{AWKWARD}"


class TestLedgerOnS3(LedgerContract, RunIndexContract):
    pass


class TestAttemptsOnS3(AttemptContract):
    pass


class S3Machine(AttemptMachine):
    """On the server; the test sets the environment."""

    bucket = ""

    def make_root(self) -> str:
        return f"s3://{self.bucket}/{uuid4().hex}"


def test_attempts_of_a_run_do_not_meet(store: S3Server) -> None:
    """Whatever people and frozen processes do to a run, no attempt changes another one."""
    S3Machine.bucket = store.bucket
    run_state_machine_as_test(S3Machine, settings=settings(max_examples=6, stateful_step_count=15, deadline=None))


RACER = """
import sys
from reelwright.store.folder import Folder
folder, name = Folder(sys.argv[1]), sys.argv[2]
folder.read("warm")
for number in range(int(sys.argv[3])):
    print("ready", flush=True)
    sys.stdin.readline()
    print(folder.create(str(number), name.encode()), flush=True)
"""
_ROUNDS = 12


@pytest.mark.parametrize("kind", ["a folder", "S3"])
def test_of_several_processes_one_creates_a_document(root: str, tmp_path: Path, kind: str) -> None:
    """Of several processes that write a document at the same time, one writes it, and only that one returns True."""
    root = root if kind == "S3" else str(tmp_path)
    command = [sys.executable, "-c", RACER, root]
    racers = [
        subprocess.Popen([*command, f"racer {i}", str(_ROUNDS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for i in range(3)
    ]
    pipes = [(racer.stdin, racer.stdout) for racer in racers if racer.stdin and racer.stdout]
    for number in range(_ROUNDS):
        assert [out.readline() for _, out in pipes] == [b"ready\n"] * 3
        for go, _ in pipes:
            go.write(b"go\n")
            go.flush()
        winners = [f"racer {i}".encode() for i, (_, out) in enumerate(pipes) if out.readline() == b"True\n"]
        assert winners == [Folder(root).read(str(number))]
    assert [racer.wait() for racer in racers] == [0, 0, 0]
    for go, out in pipes:
        go.close()
        out.close()


def test_a_ledger_is_used_from_many_threads(root: str) -> None:
    """Threads that open ledgers and write plans at the same time all read every plan."""

    def work(number: int) -> int:
        ledger = RunLedger(root, RUN)
        ledger.put_plan(plan_of(number))
        ledger.put_plan(plan_of(0))
        found = ledger.plan(number)
        return -1 if found is None else found.segment

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(64))) == list(range(64))
    assert len(Folder(f"{root}/{RUN}").list_names("plan")) == 64


def test_thousands_of_files_are_pruned(root: str) -> None:
    """More files than one request can remove or list are listed and removed, and the files to keep are kept."""
    folder = Folder(f"{root}/{RUN}")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: folder.replace(f"plan/{number:06d}.json", b"x"), range(1200)))
    ledger = RunLedger(root, RUN)
    names = [f"{number:06d}.json" for number in range(1200)]
    assert list(folder.iterate_names("plan")) == names
    assert list(folder.iterate_names("plan", names[99])) == names[100:]
    ledger.put_request(request_of())
    ledger.prune()
    assert folder.list_names("plan") == []
    assert ledger.request() == request_of()


@pytest.mark.parametrize("place", ["store", "disk"])
def test_names_after_a_folder_do_not_begin_with_it(root: str, tmp_path: Path, place: str) -> None:
    """Names go on after the one that is given, whether it is a file or a folder, or gone."""
    folder = Folder(root if place == "store" else str(tmp_path))
    for name in ("abc/one", "abd/one", "abd/two", "abe", "abf/one"):
        folder.replace(f"runs/{name}", b"x")
    assert list(folder.iterate_names("runs")) == ["abc", "abd", "abe", "abf"]
    assert list(folder.iterate_names("runs", "abd")) == ["abe", "abf"]
    assert list(folder.iterate_names("runs", "abe")) == ["abf"]
    assert list(folder.iterate_names("runs", "abdd")) == ["abe", "abf"]


def test_a_large_film_arrives_whole(root: str, tmp_path: Path) -> None:
    """A file that is sent and fetched in parts is unchanged."""
    film = tmp_path / "film.mkv"
    film.write_bytes(bytes(range(251)) * (50 << 12))
    folder = Folder(root)
    folder.upload("a film.mkv", film)
    assert folder.size("a film.mkv") == film.stat().st_size
    (tmp_path / "back").mkdir()
    assert folder.download("a film.mkv", tmp_path / "back").read_bytes() == film.read_bytes()


@pytest.mark.parametrize("kind", ["refuses", "ignores"])
def test_a_server_without_conditional_writes_keeps_the_first_writer(kind: str) -> None:
    """On a server that refuses or ignores conditions, the second writer changes nothing and returns False."""
    with FaultyS3Server(kind) as server, aws_environment(server.env):
        ledgers = [RunLedger("s3://films/ledger", RUN), RunLedger("s3://films/ledger", RUN[::-1])]
        for ledger in ledgers:
            assert ledger.put_outcome(Outcome(state="failed"))
            assert not ledger.put_outcome(Outcome(state="cancelled"))
            assert ledger.outcome() == Outcome(state="failed")
        assert list_runs("s3://films/ledger") == sorted([RUN, RUN[::-1]])


def test_a_creation_succeeds_although_the_server_fails_after_it() -> None:
    """What was written is created, even if the server cannot be asked afterwards whether it heeds conditions."""
    with FaultyS3Server("breaks") as server, aws_environment(server.env):
        folder = Folder("s3://films/ledger", RetryPolicy(60))
        assert folder.create("one", b"1")
        assert folder.read("one") == b"1"
        server.mend("ignores")
        # The next creation finds out what the server does.
        assert folder.create("two", b"2")
        assert not folder.create("two", b"another")
        assert folder.read("two") == b"2"


def answers(root: str) -> dict[str, str]:
    """The error line of each operation of a service on a run; empty when it succeeds."""
    ledger = RunLedger(root, RUN)
    tried: dict[str, Callable[[], object]] = {
        "read": ledger.title,
        "list": ledger.committed_segments,
        "runs": lambda: list_runs(root),
        "write": lambda: ledger.put_title(title_of()),
        "create": lambda: ledger.put_plan(plan_of(0)),
        "prune": ledger.prune,
        "claim": lambda: ClaimCheck(root, 0).store_if_large(payload_of(b"frames"), RUN, 0),
    }
    lines = {}
    for name, act in tried.items():
        lines[name] = ""
        try:
            act()
        except OutputError as error:
            lines[name] = str(error)
    return lines


@pytest.mark.parametrize("wrong", ["secret", "key", "both missing"])
def test_wrong_credentials_are_one_clear_line(store: S3Server, root: str, wrong: str) -> None:
    """With wrong credentials each operation has an error that names location and remedy, and no key."""
    require_real_server(store)
    env = dict(store.env)
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    if wrong == "secret":
        env["AWS_SECRET_ACCESS_KEY"] = secret
    elif wrong == "key":
        env |= {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": secret}
    else:
        del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
        env |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
    with aws_environment(env):
        lines = answers(root)
    for line in lines.values():
        assert line.startswith("s3://films/")
        assert "credentials" in line
        assert "\n" not in line
        assert not any(word in line for word in (secret, env.get("AWS_ACCESS_KEY_ID", secret)))


@pytest.mark.usefixtures("store")
def test_a_missing_bucket_is_named() -> None:
    """Every operation in a bucket that does not exist has an error that names it."""
    for line in answers("s3://no-such-bucket/ledger").values():
        assert line.startswith("s3://no-such-bucket/ledger")
        assert "no such bucket" in line


def test_a_location_without_write_permission_is_named(store: S3Server) -> None:
    """A user who may only read can read; each write has an error that names the location."""
    require_real_server(store)
    reader, bucket = store.add_user(f"reader{uuid4().hex[:8]}"), f"read-only-{uuid4().hex[:8]}"
    client = store.client()
    client.create_bucket(Bucket=bucket)
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    allow = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": resources}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Principal": {"AWS": [reader["AWS_ACCESS_KEY_ID"]]}}]}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    client.put_object(Bucket=bucket, Key=f"ledger/{RUN}/plan/end.json", Body=b"{}")
    with aws_environment(reader):
        lines = answers(f"s3://{bucket}/ledger")
    done = {name for name, line in lines.items() if not line}
    assert done == {"read", "list", "runs"}
    for name in lines.keys() - done:
        assert lines[name].startswith(f"s3://{bucket}/ledger/{RUN}")
        assert "the store does not allow it" in lines[name]


def test_an_empty_location_stays_empty(root: str) -> None:
    """Opening, listing and reading an empty location finds nothing and creates nothing."""
    assert list_runs(root) == []
    assert RunLedger(root, RUN).request() is None
    assert Folder(root).list_names("") == []
