"""Failures of the store: temporary and permanent errors differ, work continues in the process, keys stay secret."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from reelwright.bus.claim_check import ClaimCheck
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.runs import list_runs
from reelwright.store.folder import Folder
from reelwright.store.location import open_location, same_object
from reelwright.store.retry import RetryPolicy
from reelwright.store.source import open_ranged
from reelwright.titles.errors import InputError, OutputError, UnavailableError
from scripts.servers.s3 import S3Server
from tests.contract.ledger import payload_of
from tests.support.clips import clip
from tests.support.commands import reelwright
from tests.support.ledgers import RUN, plan_of, put_file, record_of, title_of
from tests.support.stores import FaultyS3Server, aws_environment, require_real_server

SECRETS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a-session-token-of-no-worth")


@pytest.fixture
def store() -> Iterator[S3Server]:
    """A server for one test, which this process uses."""
    with S3Server() as server, aws_environment(server.env):
        yield server


def steps(root: str, scratch: Path) -> dict[str, Callable[[], object]]:
    """The operations of services on a run, by name."""
    ledger, claims = RunLedger(root, RUN), ClaimCheck(root, 0)
    return {
        "read": ledger.title,
        "list": ledger.committed_segments,
        "runs": lambda: list_runs(root),
        "look": lambda: ledger.is_committed(0),
        "write": lambda: ledger.put_title(title_of(str(uuid4()))),
        "create": lambda: ledger.put_plan(plan_of(0)),
        "upload": lambda: put_file(ledger, scratch, 0, b"film"),
        "download": lambda: ledger.segment_file(record_of(0), scratch),
        "claim": lambda: claims.store_if_large(payload_of(b"frames"), RUN, 0),
        "release": lambda: claims.delete_payloads(RUN, 0),
        "prune": ledger.prune,
    }


def test_every_step_outlives_the_server(store: S3Server, tmp_path: Path) -> None:
    """While the server is down each operation raises UnavailableError; once it is back each works, with all objects."""
    require_real_server(store)
    root = f"s3://{store.bucket}/ledger"
    for step in steps(root, tmp_path).values():
        step()
    RunLedger(root, RUN).put_outcome(Outcome(state="cancelled"))
    for _ in range(2):
        store.kill()
        for step in steps(root, tmp_path).values():
            with pytest.raises(UnavailableError, match=r"s3://films/ledger.*the store does not answer"):
                step()
        store.start()
        assert RunLedger(root, RUN).outcome() == Outcome(state="cancelled")
        for step in steps(root, tmp_path).values():
            step()


def test_a_frozen_server_is_detected_and_used_again(store: S3Server) -> None:
    """A server that accepts requests and answers none is detected; when it continues, the same ledger works."""
    ledger = RunLedger(f"s3://{store.bucket}/ledger", RUN)
    ledger.put_plan(plan_of(0))
    store.freeze()
    try:
        with pytest.raises(UnavailableError, match="the store does not answer"):
            ledger.plan(0)
    finally:
        store.thaw()
    assert ledger.plan(0) == plan_of(0)


@pytest.mark.parametrize(
    "answer",
    [
        "503 SlowDown",
        "503 ServiceUnavailable",
        "500 InternalError",
        "502 ",
        "507 InsufficientStorage",
        "429 TooManyRequests",
        "409 ConditionalRequestConflict",
        "403 RequestTimeTooSkewed",
    ],
)
def test_answers_of_a_busy_server_are_temporary(answer: str) -> None:
    """An answer that the store is busy or full raises UnavailableError, for every operation."""
    with FaultyS3Server(answer) as server, aws_environment(server.env):
        ledger = RunLedger("s3://films/ledger", RUN)
        for step in (ledger.title, ledger.committed_segments, lambda: ledger.put_plan(plan_of(0))):
            with pytest.raises(UnavailableError, match="s3://films/ledger"):
                step()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("400 AuthorizationHeaderMalformed", "another region"),
        ("403 ExpiredToken", "does not know the credentials"),
        ("403 AccessDenied", "does not allow it"),
        ("400 NoOneKnowsThis", "the store refuses the request (NoOneKnowsThis)"),
    ],
)
def test_permanent_answers_say_what_to_correct(answer: str, words: str) -> None:
    """A permanent error of the store is raised at once, with what to do."""
    with FaultyS3Server(answer) as server, aws_environment(server.env):
        ledger = RunLedger("s3://films/ledger", RUN)
        for step in (ledger.title, ledger.committed_segments, lambda: ledger.put_plan(plan_of(0))):
            with pytest.raises(OutputError) as caught:
                step()
            assert words in str(caught.value)
            assert str(caught.value).startswith("s3://films/ledger")


@pytest.mark.parametrize("answer", ["400 NoOneKnowsThis", "400 KeyTooLongError", "405 MethodNotSupported"])
def test_a_refusal_of_one_file_is_permanent(answer: str) -> None:
    """Where a policy waits for access without end, what concerns one file still fails at once."""
    retry = RetryPolicy(waits_for_access=True)
    with FaultyS3Server(answer) as server, aws_environment(server.env):
        ledger = RunLedger("s3://films/ledger", RUN, retry=retry)
        for step in (ledger.title, ledger.committed_segments, lambda: ledger.put_plan(plan_of(0))):
            with pytest.raises(OutputError, match="s3://films/ledger"):
                step()
    assert retry.trouble == ""


def test_a_name_that_a_disk_cannot_have_is_permanent(tmp_path: Path) -> None:
    """A file in the place of a run's folder fails at once, also where a policy waits for access."""
    (tmp_path / RUN).write_bytes(b"somebody's")
    with pytest.raises(OutputError, match=RUN):
        RunLedger(str(tmp_path), RUN, retry=RetryPolicy(waits_for_access=True)).put_plan(plan_of(0))


@pytest.mark.parametrize(
    "answer",
    [
        *("400 ExpiredToken", "400 InvalidToken", "400 AuthorizationHeaderMalformed", "403 ExpiredToken"),
        *("403 AccessDenied", "403 InvalidAccessKeyId", "404 NoSuchBucket"),
    ],
)
def test_a_refusal_at_a_place_of_the_services_is_temporary(answer: str) -> None:
    """Where a policy waits for access, a store that refuses its caller counts as unavailable, for every operation."""
    retry = RetryPolicy(0, waits_for_access=True)
    with FaultyS3Server(answer) as server, aws_environment(server.env):
        ledger, claims = RunLedger("s3://films/ledger", RUN, retry=retry), ClaimCheck("s3://films/ledger", 0, retry)
        for step in (
            ledger.title,
            ledger.committed_segments,
            lambda: ledger.put_plan(plan_of(0)),
            lambda: claims.store_if_large(payload_of(b"frames"), RUN, 0),
        ):
            with pytest.raises(UnavailableError, match="s3://films/ledger"):
                step()


HEADS: dict[str, Callable[[Folder], object]] = {
    "size": lambda folder: folder.size("film"),
    "exists": lambda folder: folder.exists("film"),
    "modified": lambda folder: folder.modified("film"),
    "transfer": lambda folder: folder.transfer("film", folder, "copy"),
}


@pytest.mark.parametrize("name", HEADS)
def test_an_expired_token_is_known_by_an_answer_without_a_body(name: str) -> None:
    """A request whose error has no body is refused for the token, as one whose error names it."""
    with FaultyS3Server("400 ExpiredToken") as server, aws_environment(server.env):
        with pytest.raises(UnavailableError, match="does not know the credentials") as caught:
            HEADS[name](Folder("s3://films/ledger", RetryPolicy(0, waits_for_access=True)))
        assert caught.value.refused
        with pytest.raises(OutputError, match="does not know the credentials"):
            HEADS[name](Folder("s3://films/ledger"))


def test_a_source_with_an_expired_token_is_refused() -> None:
    """Opening a source, and comparing it with the output, say that the token was refused."""
    with FaultyS3Server("400 ExpiredToken") as server, aws_environment(server.env):
        with pytest.raises(InputError, match="does not know the credentials") as caught:
            open_ranged(open_location("s3://films/one.mp4"))
        assert caught.value.refused
        with pytest.raises(OutputError, match="does not know the credentials"):
            same_object("s3://films/one.mp4", "s3://films/One.mp4")


@pytest.mark.parametrize("data", [None, b"", b"film"])
def test_a_refusal_that_another_request_does_not_confirm_is_temporary(data: bytes | None) -> None:
    """A store that refuses a request and answers another one about the same file counts as unavailable."""
    with FaultyS3Server("heads") as server, aws_environment(server.env):
        folder = Folder("s3://films/ledger")
        if data is not None:
            folder.replace("film", data)
        with pytest.raises(UnavailableError, match="s3://films/ledger/film"):
            folder.size("film")


def test_an_incomplete_response_is_temporary() -> None:
    """A response that ends in the middle raises UnavailableError, and never returns part of an object."""
    with FaultyS3Server("cuts") as server, aws_environment(server.env):
        folder = Folder("s3://films/ledger")
        folder.replace("document", b"x" * 100_000)
        with pytest.raises(UnavailableError, match="s3://films/ledger/document"):
            folder.read("document")


def test_keys_stay_secret(
    store: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """No message, log line of any level or object in the store contains a key, an access key id or a token."""
    caplog.set_level(logging.DEBUG, logger="reelwright")
    mine = (store.access_key, store.secret_key)
    root, said = f"s3://{store.bucket}/ledger", []
    for step in steps(root, tmp_path).values():
        step()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    wrong = {**store.env, **dict(zip(names, SECRETS, strict=True))}
    for env in (wrong, {**store.env, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}):
        with aws_environment(env):
            for step in steps(root, tmp_path).values():
                try:
                    step()
                except (OutputError, UnavailableError) as error:
                    said.append(f"{error} {error!r}")
    assert said
    client = store.client()
    keys = [found["Key"] for found in client.list_objects_v2(Bucket=store.bucket)["Contents"]]
    said += [key + str(client.get_object(Bucket=store.bucket, Key=key)["Body"].read()) for key in keys]
    captured = capfd.readouterr()
    text = "\n".join([*said, caplog.text, captured.out, captured.err])
    assert not [secret for secret in (*SECRETS, *mine) if secret in text]


@pytest.mark.parametrize("wrong", ["key", "endpoint", "bucket"])
def test_a_command_reports_a_store_error_in_one_line(store: S3Server, wrong: str) -> None:
    """Exit code 2 and one line that names the address and no key, for a store that refuses or does not answer."""
    require_real_server(store)
    store.client().put_object(Bucket=store.bucket, Key="film.mp4", Body=clip("short").read_bytes())
    change = {
        "key": {"AWS_SECRET_ACCESS_KEY": SECRETS[1]},
        "endpoint": {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        "bucket": {},
    }[wrong]
    location = "s3://no-such-bucket/film.mp4" if wrong == "bucket" else f"s3://{store.bucket}/film.mp4"
    done = reelwright("probe", location, env={**os.environ, **store.env, **change})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"reelwright: {location}: ")
    assert done.stderr.count("\n") == 1
    assert not [secret for secret in (*SECRETS, store.access_key, store.secret_key) if secret in done.stderr]


def test_a_name_blocked_by_an_interrupted_write_is_written(store: S3Server) -> None:
    """A name that the server refuses, because it was killed while it created the object, is written nevertheless."""
    require_real_server(store)
    folder = Folder(f"s3://{store.bucket}/ledger")
    assert folder.create("plan.json", b"lost")
    (store.folder / "objects" / store.bucket / "ledger" / "plan.json").unlink()
    assert folder.read("plan.json") is None
    assert folder.create("plan.json", b"whole")
    assert folder.read("plan.json") == b"whole"
    assert not folder.create("plan.json", b"another")
