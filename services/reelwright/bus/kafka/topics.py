"""The topics at the broker: what they should be like, making them, and saying what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType

from reelwright.bus import topics
from reelwright.bus.kafka.client import in_our_words, open_client, quieten
from reelwright.bus.settings import ENVELOPE_BYTES, BusSettings
from reelwright.titles.errors import BrokerError, UnavailableError

_PATIENCE_MS = 5_000
# From a topic's making until every partition has its leader: a second, or many where broker and disk are busy.
_MADE_MS = 60_000


@dataclass(frozen=True, slots=True)
class _Found:
    """A topic as the broker has it."""

    partitions: int
    replicas: int
    options: dict[str, str]


@contextmanager
def administration(settings: BusSettings) -> Iterator[KafkaAdminClient]:
    """An admin client for the length of a `with` block.

    Raises:
        UnavailableError: no broker answers.
        BrokerError: it refuses the login, or what is asked of it.
    """
    quieten()
    with in_our_words(settings):
        admin = open_client(KafkaAdminClient, **settings.client_options(), bootstrap_timeout_ms=_PATIENCE_MS)
        try:
            yield admin
        finally:
            admin.close()


def apply(settings: BusSettings) -> list[str]:
    """Makes the topics that are missing and sets the configuration of those that differ.

    Partitions are added where there are too few, which moves keys: harmless, since what a segment lost in between is
    sent again. Replicas stay as they are, and `problems` tells.

    Returns:
        A line for every change.

    Raises:
        UnavailableError: no broker answers.
        BrokerError: it refuses the login or a change.
    """
    with administration(settings) as admin:
        lines: list[str] = []
        found = _find(admin, topics.ALL)
        for name in topics.ALL:
            try:
                lines += _mend(admin, settings, name, found.get(name))
            except kafka_errors.AuthorizationError:
                raise
            except kafka_errors.BrokerResponseError as error:
                # The broker's own words are within the answer that the library shows as a whole.
                words = re.search(r"error_message=['\"](.+?)['\"][,)]", str(error))
                what = f"the broker refuses it: {words[1] if words else type(error).__name__}"
                raise BrokerError(what, name, "check REELWRIGHT_BUS_PARTITIONS and _REPLICATION_FACTOR") from None
        admin.wait_for_topics(list(topics.ALL), timeout_ms=_MADE_MS)
    return lines


def problems(settings: BusSettings) -> list[str]:
    """What is wrong with the topics, a line each; empty when all is as `apply` makes it.

    Raises:
        UnavailableError: no broker answers.
        BrokerError: it refuses the login.
    """
    with administration(settings) as admin:
        found = _find(admin, topics.ALL)
    lines: list[str] = []
    for name in topics.ALL:
        lines += _differences(settings, name, found.get(name))
    return lines


def require(admin: KafkaAdminClient, settings: BusSettings, needs: Sequence[str]) -> None:
    """Checks what a service cannot work without.

    Raises:
        UnavailableError: a topic is missing; somebody may yet make it.
        BrokerError: a topic takes less than the largest message of these settings.
    """
    found = _find(admin, needs)
    if missing := [name for name in needs if name not in found]:
        raise UnavailableError(
            f"no topic {', '.join(missing)}", settings.bootstrap_servers, "run `reelwright topics apply`"
        )
    wanted = settings.inline_bytes + ENVELOPE_BYTES
    for name, topic in found.items():
        limit = int(topic.options["max.message.bytes"])
        if limit < wanted:
            what = (
                f"max.message.bytes is {limit}, and REELWRIGHT_BUS_INLINE_BYTES={settings.inline_bytes} needs {wanted}"
            )
            raise BrokerError(what, name, "run `reelwright topics apply`, or lower REELWRIGHT_BUS_INLINE_BYTES")


def _find(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, _Found]:
    if not names:
        return {}
    told = admin.describe_topics(list(names))
    if any(topic["error_code"] == kafka_errors.TopicAuthorizationFailedError.errno for topic in told):
        raise kafka_errors.TopicAuthorizationFailedError
    there = [topic for topic in told if not topic["error_code"]]
    if not there:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic["name"]) for topic in there]
    options = admin.describe_configs(resources, config_filter="all")["topic"]
    return {
        topic["name"]: _Found(
            partitions=len(topic["partitions"]),
            replicas=min(len(partition["replica_nodes"]) for partition in topic["partitions"]),
            options={key: entry["value"] for key, entry in options[topic["name"]].items()},
        )
        for topic in there
    }


def _mend(admin: KafkaAdminClient, settings: BusSettings, name: str, found: _Found | None) -> list[str]:
    wanted = settings.topic_options(_kind(name))
    if found is None:
        new = {
            "num_partitions": settings.partitions,
            "replication_factor": settings.replication_factor,
            "configs": wanted,
        }
        admin.create_topics({name: new})
        return [f"{name}: made, {settings.partitions} partitions"]
    lines = []
    if found.partitions < settings.partitions:
        admin.create_partitions({name: settings.partitions})
        lines.append(f"{name}: {found.partitions} partitions, now {settings.partitions}")
    changed = {key: value for key, value in wanted.items() if not _fits(key, found.options.get(key), value)}
    if changed:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=changed)])
        lines += [f"{name}: {key}={value}, was {found.options.get(key)}" for key, value in changed.items()]
    return lines


def _differences(settings: BusSettings, name: str, found: _Found | None) -> list[str]:
    if found is None:
        return [f"{name}: missing"]
    lines = []
    if found.partitions < settings.partitions:
        lines.append(f"{name}: {found.partitions} partitions, fewer than {settings.partitions}")
    if settings.replication_factor > 0 and found.replicas != settings.replication_factor:
        lines.append(f"{name}: {found.replicas} replicas, not {settings.replication_factor}")
    for key, value in settings.topic_options(_kind(name)).items():
        if not _fits(key, found.options.get(key), value):
            lines.append(f"{name}: {key}={found.options.get(key)}, not {value}")
    return lines


def _fits(key: str, found: str | None, wanted: str) -> bool:
    if key == "max.message.bytes" and found is not None:
        return int(found) >= int(wanted)
    return found == wanted


def _kind(name: str) -> Literal["titles", "stream", "events", "deadletter"]:
    if name == topics.TITLES:
        return "titles"
    if name == topics.EVENTS:
        return "events"
    return "deadletter" if name == topics.DEAD_LETTER else "stream"
