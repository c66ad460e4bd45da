"""Unauthenticated clients on the gRPC port, TLS, mutual TLS with certificates that are replaced, and the token."""

from __future__ import annotations

import asyncio
import itertools
import queue
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client import REGISTRY
from pydantic import ValidationError

from reelwright.bus.local.bus import LocalBus
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.inference.settings import InferenceSettings
from reelwright.titles.errors import UserError
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import Failure, Hello, Receipt, Release, StartRequest, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchStub
from tests.support.certificates import Authority
from tests.support.dispatch_harness import DispatchHarness, RawWorker, batch, until

MakeHarness = Callable[..., DispatchHarness]
TOKEN = "a token of many characters"


def refused(cause: str) -> float:
    """How many messages the dispatchers of this process refused so far."""
    return REGISTRY.get_sample_value("reelwright_messages_refused_total", {"cause": cause}) or 0.0


def test_a_intruder_cannot_end_anothers_leases(make_harness: MakeHarness) -> None:
    """Messages about another worker's lease, and about guessed ones, change nothing and are counted."""
    h = make_harness(max_failures=1)
    worker, intruder = h.connect_raw_worker("worker"), h.connect_raw_worker("intruder")
    worker.send(credits=1)
    h.publish(batch("r", 0, 0))
    lease = worker.receive_lease().lease_id
    foreign, unknown = refused("foreign_lease"), refused("unknown_lease")
    prefix, _, counter = lease.rpartition("-")
    guesses = [f"{prefix}-{number}" for number in range(100)] if counter.isdigit() else ["0" * 32, lease[:-1] + "g"]
    for guess in (*guesses, lease):
        intruder.send(receipt=Receipt(lease=guess))
        intruder.send(failure=Failure(lease=guess, reason="x"))
        intruder.send(failure=Failure(lease=guess, reason="x", payload_unusable=True))
        intruder.send(release=Release(lease=guess))
    until(lambda: refused("foreign_lease") - foreign == 4, "the stolen lease to be refused")
    assert refused("unknown_lease") - unknown == 4 * len(guesses)
    assert h.dispatcher.counts().leases == 1
    assert (h.failed_titles(), h.wanted_segments()) == ([], [])
    worker.send(receipt=Receipt(lease=lease))
    until(lambda: h.held_frame_bytes() == 0, "the owner's receipt")


def test_the_stream_of_a_client_that_does_not_read_ends(make_harness: MakeHarness) -> None:
    """A client that reads nothing of what it asks for loses its stream; others go on."""
    h = make_harness()
    before = refused("unread")
    hello = Hello(worker="silent", protocol=PROTOCOL, session="ab" * 16)
    request = WorkerMessage(start_request=StartRequest(lease="0" * 32))
    # Without probes of the bandwidth the client's window has 64 KiB, and answers wait at the dispatcher soon.
    with grpc.insecure_channel(h.address, options=[("grpc.http2.bdp_probe", 0)]) as channel:
        requests = itertools.chain([WorkerMessage(hello=hello)], itertools.repeat(request))
        call = DispatchStub(channel).Work(requests)  # type: ignore[no-untyped-call]
        until(lambda: "protocol" in dict(call.initial_metadata()), "the client to be accepted")
        until(lambda: h.dispatcher.counts().workers == 0, "the end of the stream")
        worker = h.connect_raw_worker("worker")
        worker.send(credits=1)
        h.publish(batch("r", 0, 0))
        worker.send(receipt=Receipt(lease=worker.receive_lease().lease_id))
        until(lambda: h.held_frame_bytes() == 0, "the receipt of another worker")
        with pytest.raises(grpc.RpcError, match="does not read"):
            list(call)
    assert refused("unread") == before + 1


def test_a_receipt_counts_on_the_next_stream_of_its_session(make_harness: MakeHarness) -> None:
    """A worker whose stream broke may finish its lease on the next one."""
    h = make_harness(prefer_other_seconds=3600)
    first = h.connect_raw_worker("w", session="ab" * 16)
    first.send(credits=1)
    h.publish(batch("r", 0, 0))
    lease = first.receive_lease().lease_id
    first.break_connection()
    second = h.connect_raw_worker("w", session="ab" * 16)
    second.send(receipt=Receipt(lease=lease))
    until(lambda: h.held_frame_bytes() == 0, "the late receipt")


def test_a_name_cannot_be_taken(make_harness: MakeHarness) -> None:
    """A stream with the name of a connected worker and another session is refused, and the worker keeps its lease."""
    h = make_harness()
    worker = h.connect_raw_worker("w")
    worker.send(credits=1)
    h.publish(batch("r", 0, 0))
    lease = worker.receive_lease().lease_id
    assert h.connect_raw_worker("w").refusal()[0] == grpc.StatusCode.ALREADY_EXISTS
    worker.send(receipt=Receipt(lease=lease))
    until(lambda: h.held_frame_bytes() == 0, "the owner's receipt")


def test_a_large_message_ends_its_stream(make_harness: MakeHarness) -> None:
    """A message above the limit is not received; other workers go on."""
    h = make_harness(max_request_bytes=8 << 10)
    large = h.connect_raw_worker("large")
    large.send(failure=Failure(lease="x", reason="y" * (9 << 10)))
    assert large.refusal()[0] == grpc.StatusCode.RESOURCE_EXHAUSTED
    h.publish(batch("r", 0, 0))
    h.start_worker("sound")
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")


def test_a_thousand_streams(make_harness: MakeHarness) -> None:
    """Of a thousand streams from one address only the permitted number is served, and a place becomes free again."""
    h = make_harness(max_streams_per_peer=20, hello_seconds=60)
    h.start_worker("before")
    until(lambda: h.dispatcher.counts().workers == 1, "the worker")

    async def flood() -> None:
        channels = [
            grpc.aio.insecure_channel(h.address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(125)
        ]
        stubs = [DispatchStub(channel) for channel in channels]  # type: ignore[no-untyped-call]
        calls = [stub.Work() for stub in stubs for _ in range(8)]
        while sum(call.done() for call in calls) < 1000 - 19:
            await asyncio.sleep(0.02)
        assert {await call.code() for call in calls if call.done()} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        h.publish(batch("r", 0, 0))
        until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")
        for channel in channels:
            await channel.close()

    asyncio.run(flood())
    h.start_worker("after", retry_seconds=0.05)
    until(lambda: h.dispatcher.counts().workers == 2, "a free place")


def test_a_silent_stream_is_closed(make_harness: MakeHarness) -> None:
    """A stream that does not name its worker in time is closed."""
    h = make_harness(hello_seconds=0.1)
    with grpc.insecure_channel(h.address) as channel:
        silence: queue.SimpleQueue[WorkerMessage | None] = queue.SimpleQueue()
        call = DispatchStub(channel).Work(iter(silence.get, None))  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        silence.put(None)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_token_is_needed(make_harness: MakeHarness, caplog: pytest.LogCaptureFixture) -> None:
    """Only workers that know the token are served; health checks need none."""
    h = make_harness(token=TOKEN)
    before = refused("token")
    for token in (None, TOKEN[:-1], TOKEN + "x", ""):
        assert RawWorker(h.address, "intruder", token=token).refusal()[0] == grpc.StatusCode.UNAUTHENTICATED
    assert refused("token") == before + 4
    with grpc.insecure_channel(h.address) as channel:
        assert HealthStub(channel).Check(HealthCheckRequest()).status == HealthCheckResponse.SERVING
    h.start_worker("wrong", token=TOKEN + "x", retry_seconds=0.02)
    until(lambda: "refused by dispatcher" in [record.message for record in caplog.records], "the refusal")
    h.publish(batch("r", 0, 0))
    h.start_worker("right", token=TOKEN)
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")
    assert TOKEN not in caplog.text


def test_mutual_tls(make_harness: MakeHarness, tmp_path: Path) -> None:
    """Only workers with a certificate of the right authority are served, over a connection that is encrypted."""
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    h = make_harness(**server_files(ours, "dispatcher"))
    h.publish(batch("r", 0, 0))
    h.start_worker("plain", retry_seconds=0.02)
    h.start_worker("nameless", tls_ca=ours.certificate, retry_seconds=0.02)
    strange = worker_files(other, "strange") | {"tls_ca": ours.certificate}
    h.start_worker("strange", retry_seconds=0.02, **strange)
    assert RawWorker(h.address, "raw").refusal()[0] == grpc.StatusCode.UNAVAILABLE
    assert h.dispatcher.counts().workers == 0
    h.start_worker("right", **worker_files(ours, "right"))
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")
    assert h.dispatcher.counts().workers == 1


def test_a_worker_refuses_a_strange_dispatcher(make_harness: MakeHarness, tmp_path: Path) -> None:
    """A worker connects to no dispatcher whose certificate another authority signed."""
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    h = make_harness(**server_files(other, "dispatcher"))
    files = worker_files(other, "w")
    deceived = h.start_worker("w", retry_seconds=0.02, **files | {"tls_ca": ours.certificate})
    h.start_worker("right", **files)
    until(lambda: h.dispatcher.counts().workers == 1, "the other worker")
    assert not deceived.connected


def test_certificates_are_replaced(make_harness: MakeHarness, tmp_path: Path) -> None:
    """New certificate files count from the next connection on, at both ends; broken files do not."""
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    files = server_files(old, "dispatcher")
    h = make_harness(**files)
    late = worker_files(old, "late")
    h.start_worker("early", **worker_files(old, "early"))
    until(lambda: h.dispatcher.counts().workers == 1, "the first worker")
    whole = files["tls_certificate"].read_bytes()
    files["tls_certificate"].write_bytes(whole[:100])
    h.start_worker("second", **worker_files(old, "second"))
    until(lambda: h.dispatcher.counts().workers == 2, "a worker while a file is half written")
    for name, path in server_files(new, "dispatcher").items():
        shutil.copy(path, files[name])
    h.start_worker("late", retry_seconds=0.02, **late)
    h.start_worker("new", **worker_files(new, "new"))
    until(lambda: h.dispatcher.counts().workers == 3, "a worker with a new certificate")
    for name, path in worker_files(new, "late").items():
        shutil.copy(path, late[name])
    until(lambda: h.dispatcher.counts().workers == 4, "the worker whose certificate was replaced")
    h.publish(batch("r", 0, 0))
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")


@pytest.mark.parametrize("protected", [True, False])
def test_an_open_port_is_logged(make_harness: MakeHarness, caplog: pytest.LogCaptureFixture, protected: bool) -> None:
    """A dispatcher that serves everyone who reaches its port says so once."""
    make_harness(**({"token": TOKEN} if protected else {}))
    logged = [record.message for record in caplog.records].count("gRPC port open to everyone")
    assert logged == (0 if protected else 1)


def test_a_unix_socket_is_not_open_to_everyone(make_harness: MakeHarness, caplog: pytest.LogCaptureFixture) -> None:
    """The permissions of its folder protect a Unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        make_harness(f"unix:{folder}/d").close()
    assert "gRPC port open to everyone" not in [record.message for record in caplog.records]


@pytest.mark.parametrize(
    "wrong", [{"token": "short"}, {"tls_certificate": "c.pem"}, {"tls_key": "k.pem"}, {"tls_client_ca": "c.pem"}]
)
def test_half_of_the_settings_is_an_error(wrong: dict[str, str]) -> None:
    """A short token, and a certificate without its key, are refused when the settings are read."""
    with pytest.raises(ValidationError):
        DispatcherSettings(**wrong)  # type: ignore[arg-type]
    if "tls_client_ca" not in wrong:
        with pytest.raises(ValidationError):
            InferenceSettings(**wrong)  # type: ignore[arg-type]


def test_unusable_certificates_are_a_one_line_error(tmp_path: Path) -> None:
    """A dispatcher whose key does not belong to its certificate does not start, and names the files."""
    authority = Authority(tmp_path, "a")
    certificate, _ = authority.issue("one")
    _, key = authority.issue("two")
    settings = DispatcherSettings(tls_certificate=certificate, tls_key=key)
    with pytest.raises(UserError, match=certificate.name):
        DispatcherService(LocalBus(), settings).start()


def server_files(authority: Authority, name: str) -> dict[str, Any]:
    """A dispatcher's settings for mutual TLS."""
    certificate, key = authority.issue(name)
    return {"tls_certificate": certificate, "tls_key": key, "tls_client_ca": copy_of(authority.certificate, name)}


def worker_files(authority: Authority, name: str) -> dict[str, Any]:
    """A worker's settings for mutual TLS."""
    certificate, key = authority.issue(name)
    return {"tls_certificate": certificate, "tls_key": key, "tls_ca": copy_of(authority.certificate, name)}


def copy_of(path: Path, name: str) -> Path:
    """A copy, which a test may overwrite."""
    return Path(shutil.copy(path, path.with_name(f"{name}-of-{path.name}")))
