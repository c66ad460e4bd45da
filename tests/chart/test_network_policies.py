"""The chart's network policies: what may reach a pod, and what a pod may reach."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.rendering import GIVEN, find, objects

_LISTS = ("brokerPorts", "storePorts", "collectorPorts", "metricsFrom")
# An empty list of `apiServerPorts` is refused (test_values.py), but helm checks no value that is null.
_EMPTY = [*(f"{name}=[]" for name in _LISTS), *(f"{name}=null" for name in (*_LISTS, "apiServerPorts"))]


def rules(documents: tuple[dict[str, Any], ...]) -> list[tuple[str, dict[str, Any]]]:
    """Every rule of every policy, with the name of its policy."""
    return [
        (document["metadata"]["name"], rule)
        for document in documents
        if document["kind"] == "NetworkPolicy"
        for direction in ("ingress", "egress")
        for rule in document["spec"].get(direction) or ()
    ]


def test_only_workers_keda_and_the_controller_reach_the_dispatcher() -> None:
    """Workers reach the port of leases, KEDA and the controller that of the scaler, and everything else is denied."""
    made = objects(*GIVEN)
    rules = find(made, "NetworkPolicy", "dispatcher")["spec"]["ingress"]
    reached = {rule["ports"][0]["port"]: rule["from"][0] for rule in rules}
    labels = reached["grpc"]["podSelector"]["matchLabels"]
    assert labels["app.kubernetes.io/component"] == "inference"
    assert labels["app.kubernetes.io/instance"] == "film"
    asking = next(rule["from"] for rule in rules if rule["ports"][0]["port"] == "scaler")
    assert asking[1]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "controller"
    assert reached["scaler"]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "keda"}
    everything = find(made, "NetworkPolicy", "all")["spec"]
    assert everything["policyTypes"] == ["Ingress", "Egress"]


def test_ports_of_broker_and_store_are_open() -> None:
    """The ports that pods may reach are those of the broker's and the store's addresses."""
    made = objects(
        "--set=bus.bootstrapServers=a:9093\\,b:9094",
        "--set=store.ledger=s3://films/ledger,store.endpoint=http://minio:9000",
    )
    broker = find(made, "NetworkPolicy", "broker")["spec"]["egress"][0]["ports"]
    store = find(made, "NetworkPolicy", "store")["spec"]["egress"][0]["ports"]
    assert [port["port"] for port in broker] == [9093, 9094]
    assert [port["port"] for port in store] == [9000]


_CLAIM = "--set=store.volume.existingClaim=films"


@pytest.mark.parametrize(
    ("values", "reached"),
    [
        (("--set=store.ledger=s3://films/ledger",), True),
        (("--set=store.ledger=s3://films/ledger", _CLAIM), True),
        (("--set=store.ledger=s3://films/ledger,store.sources={/films/in},store.outputs={/films/out}", _CLAIM), True),
        (("--set=store.ledger=/films/ledger", _CLAIM), False),
        (("--set=store.ledger=/films/ledger,store.sources={/films/in}", _CLAIM), False),
        (("--set=store.ledger=/films/ledger,store.sources={/films/in,s3://scans}", _CLAIM), True),
        (("--set=store.ledger=/films/ledger,store.outputs={s3://films/out}", _CLAIM), True),
    ],
)
def test_s3_is_reached_where_it_is_used(values: tuple[str, ...], reached: bool) -> None:
    """The port of S3 is open when ledger, sources or films are there, whether or not a folder is mounted too."""
    made = objects("--set=bus.bootstrapServers=kafka:9092", *values)
    names = {document["metadata"]["name"] for document in made if document["kind"] == "NetworkPolicy"}
    assert ("film-store" in names) is reached


def test_a_development_release_reaches_no_s3() -> None:
    """With the store of `development`, the port of S3 stays closed, unless sources are allowed there."""
    for values, reached in (((), False), (("--set=store.sources={s3://scans}",), True)):
        made = objects("--set=development.enabled=true", *values)
        names = {document["metadata"]["name"] for document in made if document["kind"] == "NetworkPolicy"}
        assert ("film-store" in names) is reached


@pytest.mark.parametrize("value", _EMPTY)
def test_an_empty_list_opens_nothing(value: str) -> None:
    """No rule is without ports or with an empty list of peers, which Kubernetes reads as all of them."""
    made = objects(*GIVEN, f"--set-json=networkPolicy.{value}")
    assert rules(made)
    for policy, rule in rules(made):
        assert rule["ports"], policy
        assert all(rule[peers] for peers in ("from", "to") if peers in rule), policy


def test_without_sources_of_metrics_nothing_reaches_their_port() -> None:
    """An empty `metricsFrom` leaves no rule for the port of metrics, and incoming connections stay denied."""
    everything = find(objects(*GIVEN, "--set-json=networkPolicy.metricsFrom=[]"), "NetworkPolicy", "all")["spec"]
    assert "ingress" not in everything
    assert everything["policyTypes"] == ["Ingress", "Egress"]
