"""The protocol between worker and dispatcher: connecting, refusals, health, leases, and errors at the start."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from prometheus_client import REGISTRY

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import publish_message
from reelwright.bus.topics import FRAMES, segment_key
from reelwright.dispatcher import worker_streams
from reelwright.dispatcher.connected_worker import ConnectedWorker
from reelwright.dispatcher.entry import create as create_dispatcher
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.scheduler import Scheduler
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.inference import worker
from reelwright.inference.entry import create as create_worker
from reelwright.inference.held_lease import HeldLease
from reelwright.inference.lease_pool import LeasePool
from reelwright.restoration.stored_models import fetched_model
from reelwright.titles.errors import ModelError, UnavailableError
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import Failure, Receipt, Release, Stalled, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchStub
from tests.support.dispatch_harness import MODEL, TIMEOUT_SECONDS, DispatchHarness, RawWorker, batch, until

MakeHarness = Callable[..., DispatchHarness]


def test_a_batch_of_another_model_is_not_leased(make_harness: MakeHarness) -> None:
    """A worker gets no batch of a model that it does not serve; the batch waits for another worker."""
    h = make_harness()
    wrong = h.connect_raw_worker("wrong", models=("cd" * 32,))
    wrong.send(credits=5)
    h.publish(batch("r", 0, 0), batch("r2", 0, 0, model="cd" * 32))
    assert wrong.receive_lease().batch.run == "r2"
    h.start_worker("right")
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")
    assert wrong.inbox_empty


def test_a_model_that_no_worker_serves_is_logged(make_harness: MakeHarness, caplog: pytest.LogCaptureFixture) -> None:
    """Batches of a model that no worker serves are counted, and the model is logged once."""
    h = make_harness(unserved_seconds=0)
    h.connect_raw_worker("wrong", models=("cd" * 32,))
    h.publish(batch("r", 0, 0), batch("r", 0, 1))
    until(lambda: REGISTRY.get_sample_value("reelwright_batches_unserved") == 2, "the count")
    h.start_worker("right")
    until(lambda: len(h.restored()) == 2, "both batches")
    until(lambda: REGISTRY.get_sample_value("reelwright_batches_unserved") == 0, "the count to fall")
    (logged,) = [record for record in caplog.records if record.message == "no worker serves model"]
    assert vars(logged)["model_sha256"] == MODEL


def test_a_stream_without_hello_is_refused(make_harness: MakeHarness) -> None:
    """A stream that does not begin with a named Hello ends with INVALID_ARGUMENT."""
    h = make_harness()
    with grpc.insecure_channel(h.address) as channel:
        call = DispatchStub(channel).Work(iter([WorkerMessage(credits=1)]))  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(("protocol", "older"), [(PROTOCOL - 1, "worker"), (PROTOCOL + 2, "dispatcher")])
def test_a_distant_protocol_is_refused(make_harness: MakeHarness, protocol: int, older: str) -> None:
    """A worker whose protocol is more than one version away is refused, and the reason says which side to upgrade."""
    h = make_harness()
    h.publish(batch("r", 0, 0))
    raw = h.connect_raw_worker("strange", protocol=protocol)
    code, details = raw.refusal()
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert f"protocol {protocol}" in details
    assert details.endswith(f"upgrade the {older}")
    assert raw.inbox_empty


def test_a_refused_worker_logs_it_once_and_retries(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused worker logs the reason once, retries, and connects when the dispatcher accepts it."""
    monkeypatch.setattr(worker, "PROTOCOL", PROTOCOL + 2)
    h = make_harness()
    early = h.start_worker("early", retry_seconds=0.02)
    until(lambda: [record.message for record in caplog.records].count("worker refused") >= 3, "refusals")
    assert early.unready == "it reaches no dispatcher"
    monkeypatch.setattr(worker_streams, "PROTOCOL", PROTOCOL + 1)  # reads the one after it, too
    until(lambda: not early.unready, "the worker to connect")
    (logged,) = [record for record in caplog.records if record.message == "refused by dispatcher"]
    assert "upgrade the dispatcher" in vars(logged)["reason"]


def test_a_message_that_is_too_large_is_no_refusal(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker whose stream ends because a batch is larger than it accepts is not refused, and connects again."""
    caplog.set_level("INFO")
    # As a dispatcher of an earlier version, to which workers do not tell what they accept.
    monkeypatch.setattr(ConnectedWorker, "accepts", lambda _worker, _size: True)
    h = make_harness()
    small = h.start_worker("small", max_message_bytes=1 << 20, retry_seconds=0.02)
    until(lambda: h.dispatcher.counts().workers == 1, "the worker")
    h.publish(batch("r", 0, 0, size=1024))
    ends = {"refused by dispatcher", "dispatcher disconnected"}
    until(lambda: [record for record in caplog.records if record.message in ends], "the end of its stream")
    first = next(record for record in caplog.records if record.message in ends)
    assert (first.message, "RESOURCE_EXHAUSTED" in vars(first)["reason"]) == ("dispatcher disconnected", True)
    h.start_worker("large")
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")
    until(lambda: small.connected, "the worker again")


def test_health_reports_the_drain(make_harness: MakeHarness) -> None:
    """GRPC health reports SERVING for the server and the service, and NOT_SERVING while the dispatcher drains."""
    h = make_harness()
    raw = h.connect_raw_worker("w")
    raw.send(credits=1)
    h.publish(batch("r", 0, 0))
    lease = raw.receive_lease()
    with grpc.insecure_channel(h.address) as channel:
        stub = HealthStub(channel)

        def states() -> set[int]:
            names = ("", "reelwright.v1.Dispatch")
            return {stub.Check(HealthCheckRequest(service=name)).status for name in names}

        assert states() == {HealthCheckResponse.SERVING}
        closer = threading.Thread(target=lambda: h.dispatcher.close(drain_seconds=TIMEOUT_SECONDS))
        closer.start()
        until(lambda: states() == {HealthCheckResponse.NOT_SERVING}, "NOT_SERVING")
    assert h.dispatcher.unready
    raw.send(receipt=Receipt(lease=lease.lease_id))
    closer.join(TIMEOUT_SECONDS)


def test_reflection_lists_the_service(make_harness: MakeHarness) -> None:
    """Reflection lists the dispatcher's service, for tools such as grpcurl."""
    h = make_harness()
    with grpc.insecure_channel(h.address) as channel:
        listed = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    assert {"reelwright.v1.Dispatch", "grpc.health.v1.Health"} <= listed


def test_a_second_stream_of_a_worker_replaces_the_first(make_harness: MakeHarness) -> None:
    """When a worker reconnects before its old stream is known to be dead, the old leases are returned at once."""
    h = make_harness(prefer_other_seconds=3600)
    old = h.connect_raw_worker("same", session="ab" * 16)
    old.send(credits=1)
    h.publish(batch("r", 0, 0))
    first = old.receive_lease()
    new = h.connect_raw_worker("same", session="ab" * 16)
    new.send(credits=1)
    again = new.receive_lease()
    assert (again.batch, again.lease_id != first.lease_id) == (first.batch, True)
    new.send(receipt=Receipt(lease=again.lease_id))
    until(lambda: h.held_frame_bytes() == 0, "the batch to be acknowledged")


def test_a_message_that_cannot_be_handled_ends_only_its_stream(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When handling a message raises, it is logged, the stream ends, and its batches go to other workers."""

    def fail(*_: object) -> None:
        raise ValueError("broken handler")

    h = make_harness()
    raw = h.connect_raw_worker("w")
    raw.send(credits=1)
    h.publish(batch("r", 0, 0))
    raw.receive_lease()
    monkeypatch.setattr(Scheduler, "mark_stalled", fail)
    raw.send(stalled=Stalled())
    h.start_worker("other")
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")
    (logged,) = [record for record in caplog.records if record.message == "worker message failed"]
    assert logged.exc_info is not None


def test_a_worker_whose_handler_fails_connects_again(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When a worker's handling of a message raises, it is logged, and the worker opens a new stream and goes on."""
    add_lease, calls = LeasePool.add_lease, itertools.count()

    def fail_once(*arguments: Any) -> HeldLease | None:
        if next(calls) == 0:
            raise ValueError("broken handler")
        return add_lease(*arguments)

    monkeypatch.setattr(LeasePool, "add_lease", fail_once)
    h = make_harness(prefer_other_seconds=3600)
    h.start_worker("w", retry_seconds=0.05)
    h.publish(batch("r", 0, 0))
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch on the second stream")
    (logged,) = [record for record in caplog.records if record.message == "dispatcher message failed"]
    assert logged.exc_info is not None


def test_a_receipt_without_a_lease_ends_a_stall(make_harness: MakeHarness) -> None:
    """A worker whose restored batch of another dispatcher is on the bus is stalled no longer."""
    h = make_harness()
    raw = h.connect_raw_worker("w")
    raw.send(stalled=Stalled())
    until(lambda: h.dispatcher.counts().stalled_workers == 1, "the stall")
    raw.send(receipt=Receipt())
    until(lambda: h.dispatcher.counts().stalled_workers == 0, "the end of the stall")


def test_messages_about_unknown_leases_are_ignored(make_harness: MakeHarness) -> None:
    """Receipts, failures and releases of leases that do not exist change nothing."""
    h = make_harness(max_failures=1)
    raw = h.connect_raw_worker("w")
    raw.send(receipt=Receipt(lease="unknown"))
    raw.send(failure=Failure(lease="unknown", reason="x"))
    raw.send(release=Release(lease="unknown"))
    raw.send(credits=1)
    h.publish(batch("r", 0, 0))
    assert raw.receive_lease().batch.run == "r"
    assert h.failed_titles() == []


def test_an_address_in_use_is_a_one_line_error(make_harness: MakeHarness) -> None:
    """A dispatcher that cannot listen raises an UnavailableError."""
    h = make_harness()
    second = DispatcherService(h.bus, DispatcherSettings(address=h.address))
    with pytest.raises(UnavailableError, match="cannot listen"):
        second.start()


def test_a_dispatcher_process_serves_until_it_is_stopped(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dispatcher created from the environment serves on the address it names until it is stopped."""
    socket = tmp_path_factory.mktemp("s") / "d"
    monkeypatch.setenv("REELWRIGHT_DISPATCHER_ADDRESS", f"unix:{socket}")
    bus, stop = LocalBus(), threading.Event()
    dispatcher = create_dispatcher(bus)
    assert dispatcher.unready == "it takes no workers yet"
    serving = threading.Thread(target=dispatcher.run, args=(stop,))
    serving.start()
    message = batch("r", 0, 0)
    publish_message(bus, FRAMES["standard"], segment_key("r", 0), message)
    until(lambda: not dispatcher.unready, "the dispatcher to be ready")
    raw = RawWorker(f"unix:{socket}", "w")
    raw.send(credits=1)
    lease = raw.receive_lease()
    assert lease.batch == message
    raw.send(receipt=Receipt(lease=lease.lease_id))
    until(lambda: bus.held_bytes(FRAMES["standard"]) == 0, "the batch to be acknowledged")
    raw.disconnect()
    stop.set()
    serving.join(TIMEOUT_SECONDS)
    assert not serving.is_alive()
    assert dispatcher.unready == "it takes no workers yet"


def test_a_worker_without_its_model_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose model does not exist ends with a ModelError before it asks for work."""
    monkeypatch.setenv("REELWRIGHT_INFERENCE_MODEL", "no-such-model")
    with pytest.raises(ModelError, match="no-such-model"):
        create_worker(LocalBus(), ClaimCheck(None, 1 << 30), partial(fetched_model, root="memory://ledger"))
