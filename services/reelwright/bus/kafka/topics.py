"""Topics on the broker: creates them, changes their configuration, and reports what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType

from reelwright.bus import topics
from reelwright.bus.kafka.client import reduce_kafka_log, translated_errors
from reelwright.bus.kafka.names import BrokerNames
from reelwright.bus.kafka.overrides import open_client
from reelwright.bus.kafka.topic_settings import topic_config
from reelwright.bus.settings import ENVELOPE_BYTES, BusSettings
from reelwright.titles.errors import BrokerError, UnavailableError

_BOOTSTRAP_MS = 5_000
# From a topic's creation until every partition has a leader: a second, or many on a busy broker and disk.
_CREATION_MS = 60_000


@dataclass(frozen=True, slots=True)
class _BrokerTopic:
    """A topic as the broker has it.

    Attributes:
        partitions: number of partitions.
        replicas: fewest replicas that a partition has.
        config: its configuration, under Kafka's own names.
    """

    partitions: int
    replicas: int
    config: dict[str, str]


def apply_topics(settings: BusSettings) -> list[str]:
    """Creates missing topics and sets the configuration of those that differ.

    Partitions are added where there are too few. Keys then move to other partitions, which is harmless: a segment whose
    batches are lost by it is published again. Replicas are not changed; `find_topic_problems` reports them.

    Returns:
        One line for every change.

    Raises:
        UnavailableError: no broker answers.
        BrokerError: the broker refuses the login or a change.
    """
    with open_admin(settings) as admin:
        lines: list[str] = []
        names = _names(settings)
        found = _describe_topics(admin, list(names))
        for name, topic in names.items():
            try:
                lines += _apply_topic(
                    admin, settings, name=name, config=topic_config(settings, topic), found=found.get(name)
                )
            except kafka_errors.AuthorizationError:
                raise
            except kafka_errors.BrokerResponseError as error:
                # The library's text is the whole response; the broker's message is one field in it.
                message = re.search(r"error_message=['\"](.+?)['\"][,)]", str(error))
                what = f"the broker refuses it: {message[1] if message else type(error).__name__}"
                raise BrokerError(what, name, "check REELWRIGHT_BUS_PARTITIONS and _REPLICATION_FACTOR") from None
        admin.wait_for_topics(list(names), timeout_ms=_CREATION_MS)
    return lines


def find_topic_problems(settings: BusSettings) -> list[str]:
    """Compares the broker's topics with what `apply_topics` makes.

    Returns:
        One line for every difference; empty when there is none.

    Raises:
        UnavailableError: no broker answers.
        BrokerError: the broker refuses the login.
    """
    names = _names(settings)
    with open_admin(settings) as admin:
        found = _describe_topics(admin, list(names))
    lines: list[str] = []
    for name in names:
        topic = found.get(name)
        if topic is None:
            lines.append(f"{name}: missing")
            continue
        if topic.partitions < settings.partitions:
            lines.append(f"{name}: {topic.partitions} partitions, fewer than {settings.partitions}")
        if settings.replication_factor > 0 and topic.replicas != settings.replication_factor:
            lines.append(f"{name}: {topic.replicas} replicas, not {settings.replication_factor}")
        changes = _config_changes(topic_config(settings, names[name]), topic)
        lines += [f"{name}: {key}={topic.config.get(key)}, not {value}" for key, value in changes.items()]
    return lines


def require_topics(admin: KafkaAdminClient, settings: BusSettings, names: Sequence[str]) -> None:
    """Checks the topics that a service cannot work without.

    Raises:
        UnavailableError: a topic is missing; it may still be created.
        BrokerError: a topic is too small for the largest message of these settings.
    """
    found = _describe_topics(admin, names)
    if missing := [name for name in names if name not in found]:
        what = f"no topic {', '.join(missing)}"
        raise UnavailableError(what, settings.bootstrap_servers, "run `reelwright topics apply`")
    needed = settings.inline_bytes + ENVELOPE_BYTES
    for name, topic in found.items():
        limit = int(topic.config["max.message.bytes"])
        if limit < needed:
            reason = f"REELWRIGHT_BUS_INLINE_BYTES={settings.inline_bytes} needs {needed}"
            remedy = "run `reelwright topics apply`, or lower REELWRIGHT_BUS_INLINE_BYTES"
            raise BrokerError(f"max.message.bytes is {limit}, and {reason}", name, remedy)


@contextmanager
def open_admin(settings: BusSettings) -> Iterator[KafkaAdminClient]:
    """An admin client for the duration of a `with` block.

    Raises:
        UnavailableError: no broker answers.
        BrokerError: the broker refuses the login.
    """
    reduce_kafka_log()
    with translated_errors(settings):
        admin = open_client(KafkaAdminClient, **settings.client_options(), bootstrap_timeout_ms=_BOOTSTRAP_MS)
        try:
            yield admin
        finally:
            admin.close()


def _describe_topics(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, _BrokerTopic]:
    """The topics of these names that exist."""
    if not names:
        return {}
    described = admin.describe_topics(list(names))
    if any(topic["error_code"] == kafka_errors.TopicAuthorizationFailedError.errno for topic in described):
        raise kafka_errors.TopicAuthorizationFailedError
    existing = [topic for topic in described if not topic["error_code"]]
    if not existing:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic["name"]) for topic in existing]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    return {
        topic["name"]: _BrokerTopic(
            partitions=len(topic["partitions"]),
            replicas=min(len(partition["replica_nodes"]) for partition in topic["partitions"]),
            config={key: entry["value"] for key, entry in configs[topic["name"]].items()},
        )
        for topic in existing
    }


def _names(settings: BusSettings) -> dict[str, str]:
    """The topics of `topics.ALL` by their names on the broker."""
    names = BrokerNames(settings.prefix)
    return {names.topic(topic): topic for topic in topics.ALL}


def _apply_topic(
    admin: KafkaAdminClient, settings: BusSettings, *, name: str, config: dict[str, str], found: _BrokerTopic | None
) -> list[str]:
    if found is None:
        topic = {
            "num_partitions": settings.partitions,
            "replication_factor": settings.replication_factor,
            "configs": config,
        }
        admin.create_topics({name: topic})
        return [f"{name}: made, {settings.partitions} partitions"]
    lines = []
    if found.partitions < settings.partitions:
        admin.create_partitions({name: settings.partitions})
        lines.append(f"{name}: {found.partitions} partitions, now {settings.partitions}")
    if changes := _config_changes(config, found):
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=changes)])
        lines += [f"{name}: {key}={value}, was {found.config.get(key)}" for key, value in changes.items()]
    return lines


def _config_changes(config: dict[str, str], found: _BrokerTopic) -> dict[str, str]:
    """The options that differ; a larger `max.message.bytes` than needed is no difference."""
    changes = {}
    for key, value in config.items():
        current = found.config.get(key)
        is_large_enough = key == "max.message.bytes" and current is not None and int(current) >= int(value)
        if current != value and not is_large_enough:
            changes[key] = value
    return changes
