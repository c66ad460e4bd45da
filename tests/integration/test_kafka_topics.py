"""`reelwright topics` creates the broker's topics and reports problems."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from reelwright.bus import topics
from reelwright.bus.kafka.bus import KafkaBus
from reelwright.cli.main import run
from scripts.servers.kafka import KafkaServer
from tests.support.commands import TIMEOUT_SECONDS, start
from tests.support.role_processes import until


@pytest.fixture
def admin(kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaAdminClient]:
    """An admin client of a broker without topics, to which commands connect too."""
    for name, value in kafka.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("REELWRIGHT_BUS_PARTITIONS", "3")
    with KafkaAdminClient(bootstrap_servers=kafka.bootstrap) as client:
        if there := set(topics.ALL) & set(client.list_topics()):
            client.delete_topics(list(there))
            until(lambda: not there & set(client.list_topics()), "the topics are gone")
        yield client


def test_apply_creates_all_topics(admin: KafkaAdminClient, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` reports each missing topic with exit code 2, `apply` creates them, and then both find nothing to do."""
    assert run(["topics", "check"]) == 2
    assert capsys.readouterr().out.splitlines() == [f"{name}: missing" for name in topics.ALL]
    assert run(["topics", "apply"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(topics.ALL)
    assert set(topics.ALL) <= set(admin.list_topics())
    assert run(["topics", "check"]) == 0
    capsys.readouterr()
    assert run(["topics", "apply"]) == 0
    assert capsys.readouterr().out == "nothing to do\n"
    KafkaBus.connect().close()


def test_apply_corrects_what_check_reports(
    admin: KafkaAdminClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small limit, a short retention and too few partitions are one line each, and `apply` corrects them."""
    assert run(["topics", "apply"]) == 0
    changed = {"max.message.bytes": "1000", "retention.ms": "60000"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topics.TITLES, configs=changed)])
    monkeypatch.setenv("REELWRIGHT_BUS_PARTITIONS", "5")
    capsys.readouterr()
    assert run(["topics", "check"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert f"{topics.TITLES}: max.message.bytes=1000, not 1048588" in lines
    assert f"{topics.TITLES}: retention.ms=60000, not -1" in lines
    assert f"{topics.EVENTS}: 3 partitions, fewer than 5" in lines
    assert len(lines) == 2 + len(topics.ALL)
    assert run(["topics", "apply"]) == 0
    assert run(["topics", "check"]) == 0


def test_apply_waits_for_a_broker(admin: KafkaAdminClient, kafka: KafkaServer) -> None:
    """With `--wait`, `apply` tries again until the broker answers, and then creates the topics."""
    kafka.freeze()
    try:
        process = start("topics", "apply", "--wait", TIMEOUT_SECONDS)
        assert process.stderr is not None
        assert "unavailable, retrying" in process.stderr.readline()
    finally:
        kafka.thaw()
    process.communicate()
    assert process.returncode == 0
    assert set(topics.ALL) <= set(admin.list_topics())


def test_an_unreachable_broker_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2 and one line that names the address and the setting."""
    monkeypatch.setenv("REELWRIGHT_BUS_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert run(["topics", "check"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "127.0.0.1:1" in line
    assert "REELWRIGHT_BUS_BOOTSTRAP_SERVERS" in line
