"""The conversation between worker and dispatcher: who is let in, who is told what, who looks after whom."""

from __future__ import annotations

import threading
from collections.abc import Callable

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import publish_message
from reelwright.bus.topics import FRAMES, segment_key
from reelwright.dispatcher import grpc_server as service
from reelwright.dispatcher.entry import create as create_dispatcher
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.inference import dispatcher_client as link
from reelwright.inference import worker
from reelwright.inference.entry import create as create_worker
from reelwright.telemetry import metrics
from reelwright.titles.errors import ModelError, UnavailableError
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import Failure, HandBack, Hello, Receipt, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchStub
from tests.support.dispatch_harness import MODEL, PATIENCE, DispatchHarness, RawWorker, batch, until

MakeHouse = Callable[..., DispatchHarness]


def test_another_model_is_never_leased(house: MakeHouse) -> None:
    """A worker gets no batch of a model it does not serve; the batch waits for one that does."""
    h = house()
    wrong = h.raw("wrong", models=("cd" * 32,))
    wrong.say(credits=5)
    h.publish(batch("r", 0, 0), batch("r2", 0, 0, model="cd" * 32))
    assert wrong.lease().batch.run == "r2"
    h.worker("right")
    until(lambda: h.restored() == {("r", 0, 0): 1}, "the batch")
    assert wrong.silent


def test_a_model_that_nobody_serves_is_told(house: MakeHouse, caplog: pytest.LogCaptureFixture) -> None:
    """Batches that wait for a model no worker serves are counted, and their model named once, until one does."""
    h = house(unserved_seconds=0)
    h.raw("wrong", models=("cd" * 32,))
    h.publish(batch("r", 0, 0), batch("r", 0, 1))
    until(lambda: metrics.BATCHES_UNSERVED.collect()[0].samples[0].value == 2, "the count")
    h.worker("right")
    until(lambda: len(h.restored()) == 2, "both batches")
    until(lambda: metrics.BATCHES_UNSERVED.collect()[0].samples[0].value == 0, "the count to fall")
    (told,) = [record for record in caplog.records if "no worker serves" in record.message]
    assert vars(told)["model_sha256"] == MODEL


def test_a_stream_without_hello_is_refused(house: MakeHouse) -> None:
    """A stream that does not begin with a named Hello ends with INVALID_ARGUMENT."""
    h = house()
    with grpc.insecure_channel(h.address) as channel:
        call = DispatchStub(channel).Work(iter([WorkerMessage(credits=1)]))
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(("protocol", "older"), [(PROTOCOL - 1, "worker"), (PROTOCOL + 1, "dispatcher")])
def test_another_protocol_is_refused(house: MakeHouse, protocol: int, older: str) -> None:
    """A worker of another protocol is refused with a sentence that says who must be upgraded, and gets no batch."""
    h = house()
    h.publish(batch("r", 0, 0))
    raw = h.raw("strange", protocol=protocol)
    code, details = raw.refusal()
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert f"protocol {protocol}" in details
    assert details.endswith(f"upgrade the {older}")
    assert raw.silent


def test_a_refused_worker_says_so_once_and_tries_on(
    house: MakeHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused worker logs the dispatcher's sentence once, however often it asks, and is let in when it may be."""
    refused: list[str] = []
    sentence = service._mismatch

    def noted(hello: Hello) -> str:
        refused.append(hello.worker)
        return sentence(hello)

    monkeypatch.setattr(service, "_mismatch", noted)
    for module in (link, worker):
        monkeypatch.setattr(module, "PROTOCOL", PROTOCOL + 1)
    h = house()
    early = h.worker("early", retry_seconds=0.02)
    until(lambda: len(refused) >= 3, "it to be refused")
    assert not early.ready
    monkeypatch.setattr(service, "PROTOCOL", PROTOCOL + 1)
    until(lambda: early.ready, "it to be let in")
    (told,) = [record for record in caplog.records if "refused" in record.message]
    assert "upgrade the dispatcher" in vars(told)["reason"]


def test_health_says_whether_workers_are_taken(house: MakeHouse) -> None:
    """GRPC health answers SERVING for the server and the service, and NOT_SERVING while the dispatcher drains."""
    h = house()
    raw = h.raw("w")
    raw.say(credits=1)
    h.publish(batch("r", 0, 0))
    lease = raw.lease()
    with grpc.insecure_channel(h.address) as channel:
        stub = HealthStub(channel)

        def states() -> set[int]:
            names = ("", "reelwright.v1.Dispatch")
            return {stub.Check(HealthCheckRequest(service=name)).status for name in names}

        assert states() == {HealthCheckResponse.SERVING}
        closer = threading.Thread(target=lambda: h.dispatcher.close(drain_seconds=PATIENCE))
        closer.start()
        until(lambda: states() == {HealthCheckResponse.NOT_SERVING}, "the drain to be told")
    assert not h.dispatcher.ready
    raw.say(receipt=Receipt(lease=lease.lease))
    closer.join(PATIENCE)


def test_the_service_can_be_looked_up(house: MakeHouse) -> None:
    """Reflection lists the dispatcher's service, for grpcurl and the like."""
    h = house()
    with grpc.insecure_channel(h.address) as channel:
        listed = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    assert {"reelwright.v1.Dispatch", "grpc.health.v1.Health"} <= listed


def test_a_second_stream_of_a_worker_replaces_the_first(house: MakeHouse) -> None:
    """When a worker connects again before its old stream was noticed dead, the old one's leases go back at once."""
    h = house(prefer_other_seconds=3600)
    old = h.raw("same")
    old.say(credits=1)
    h.publish(batch("r", 0, 0))
    first = old.lease()
    new = h.raw("same")
    new.say(credits=1)
    again = new.lease()
    assert (again.batch, again.lease != first.lease) == (first.batch, True)
    new.say(receipt=Receipt(lease=again.lease))
    until(lambda: h.frames_held() == 0, "the batch to be done")


def test_words_about_unknown_leases_are_ignored(house: MakeHouse) -> None:
    """Receipts, failures and hand-backs of leases that never were change nothing."""
    h = house(attempts=1)
    raw = h.raw("w")
    raw.say(receipt=Receipt(lease="nonsense"))
    raw.say(failure=Failure(lease="nonsense", reason="x"))
    raw.say(hand_back=HandBack(lease="nonsense"))
    raw.say(credits=1)
    h.publish(batch("r", 0, 0))
    assert raw.lease().batch.run == "r"
    assert h.failed() == []


def test_an_address_in_use_is_the_users_to_mend(house: MakeHouse) -> None:
    """A dispatcher that cannot listen says so in one line."""
    h = house()
    second = DispatcherService(h.bus, DispatcherSettings(address=h.address))
    with pytest.raises(UnavailableError, match="cannot listen"):
        second.start()


def test_a_dispatcher_by_itself_serves_until_told(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process of its own a dispatcher serves on its environment's address until it is told to stop."""
    socket = tmp_path_factory.mktemp("s") / "d"
    monkeypatch.setenv("REELWRIGHT_DISPATCHER_ADDRESS", f"unix:{socket}")
    bus, stop = LocalBus(), threading.Event()
    dispatcher = create_dispatcher(bus)
    assert not dispatcher.ready
    serving = threading.Thread(target=dispatcher.run, args=(stop,))
    serving.start()
    message = batch("r", 0, 0)
    publish_message(bus, FRAMES["standard"], segment_key("r", 0), message)
    until(lambda: dispatcher.ready, "the dispatcher to be ready")
    raw = RawWorker(f"unix:{socket}", "w")
    raw.say(credits=1)
    lease = raw.lease()
    assert lease.batch == message
    raw.say(receipt=Receipt(lease=lease.lease))
    until(lambda: bus.held_bytes(FRAMES["standard"]) == 0, "the batch to be done")
    raw.hang_up()
    stop.set()
    serving.join(PATIENCE)
    assert not serving.is_alive()
    assert not dispatcher.ready


def test_a_worker_without_its_model_is_the_users_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose model does not exist ends with a ModelError before it asks for work."""
    monkeypatch.setenv("REELWRIGHT_INFERENCE_MODEL", "no-such-model")
    with pytest.raises(ModelError, match="no-such-model"):
        create_worker(LocalBus(), ClaimCheck(None, 1 << 30))
