"""Dashboards and alerts on a real Prometheus that scrapes role processes while titles are late and fail."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from kafka import KafkaProducer

from reelwright.bus.topics import FRAMES
from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.support.cluster import Cluster
from tests.support.films import small_film
from tests.support.keda import Keda
from tests.support.prometheus import NAMESPACE, Prometheus
from tests.support.promql import alerts, dashboard_queries, selectors, with_variables
from tests.support.role_processes import Process, free_port, until

# The run comes before the first test, on a busy machine for minutes.
pytestmark = pytest.mark.timeout(900)

# Wide enough for a machine on which the run takes minutes.
_WINDOW = "10m"
_QUERIES = [
    (panel, with_variables(target["expr"], namespace=NAMESPACE, window=_WINDOW))
    for panel, target in dashboard_queries()
]


_FIRING = {"ReelwrightTitlesLateSlow", "ReelwrightDeadLetters"}


@dataclass(frozen=True, slots=True)
class Run:
    """What happened to a cluster under the eyes of Prometheus.

    Attributes:
        prometheus: the server.
        idle: Unix seconds at which nothing had happened yet and no worker was known, as with pools at 0 pods.
        end: Unix seconds at which everything had happened.
        firing: names of the alerts that fired by then.
    """

    prometheus: Prometheus
    idle: float
    end: float
    firing: set[str]


@pytest.fixture(scope="module")
def run(kafka: KafkaServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A worker dies, a film is late, a title fails, and a record is no batch."""
    folder = tmp_path_factory.mktemp("monitoring")
    settings = {
        "REELWRIGHT_DISPATCHER_SCALER_ADDRESS": f"127.0.0.1:{free_port()}",
        "REELWRIGHT_DISPATCHER_SCALER_SETTLE_SECONDS": "0",
        "REELWRIGHT_DECODER_TITLES": "1",
        "REELWRIGHT_INFERENCE_PRICE_PER_HOUR": "2",
    }
    with Cluster(kafka, s3, folder, settings) as cluster:
        others = [cluster.start(role) for role in ("dispatcher", "encoder")]
        worker = cluster.start("inference")
        for process in (*others, worker):
            until(lambda process=process: process.ready, f"{process.name} is ready")  # type: ignore[misc]
        with Prometheus(folder, others) as prometheus:
            idle = time.time()
            prometheus.scrape([*others, worker])
            _submit(cluster)
            prometheus.wait_for_scrapes()
            # It takes batches and finishes none: a fast one would be done before it is killed.
            worker.freeze()
            # Started after the submissions: a busy machine could end the first title before the second one comes.
            prometheus.scrape([*others, worker, cluster.start("decoder")])
            _disturb(cluster, prometheus, worker)
            until(lambda: _counted(prometheus) == (1, 1, 1), "Prometheus has seen the end of the titles")
            # Rules are evaluated a moment after the samples came.
            until(lambda: _firing(prometheus) >= _FIRING, "the alerts fire")
            yield Run(prometheus, idle, time.time(), _firing(prometheus))


def _submit(cluster: Cluster) -> None:
    """A title that will be late, and one whose source is another file before it is decoded."""
    cluster.submit(cluster.upload(small_film(96)), cluster.film("late.mp4"), "--deadline", "1s")
    cluster.submit(cluster.upload(small_film(40), "changes.mp4"), cluster.film("failed.mp4"))
    cluster.upload(small_film(41), "changes.mp4")


def _disturb(cluster: Cluster, prometheus: Prometheus, worker: Process) -> None:
    """Kills the worker with its batches, sends a record that is no batch, and starts the worker again."""
    (dispatcher,) = [process for process in cluster.processes if process.role == "dispatcher"]
    until(lambda: dispatcher.metric("reelwright_batches_leased"), "the worker has batches")
    worker.kill()
    until(lambda: dispatcher.metric("reelwright_batches_retried_total"), "its batches are returned")
    producer = KafkaProducer(bootstrap_servers=cluster.kafka.bootstrap)
    producer.send(FRAMES["standard"], b"\xff not a batch", b"key").get(60)
    producer.close()
    for metadata in ({"pool": "default"}, {"role": "encoder"}):
        with Keda(cluster.env["REELWRIGHT_DISPATCHER_SCALER_ADDRESS"], **metadata) as keda:
            assert keda.pods() >= 1
    # What happens before the first scrape is no growth of a counter.
    prometheus.wait_for_scrapes()
    cluster.restart(worker)


def _counted(prometheus: Prometheus) -> tuple[float, ...]:
    """Titles that were late, titles that failed, and dead letters, as Prometheus knows them."""
    names = ("titles_late", "titles_failed", "dead_letters")
    return tuple(sum(value for _, value in prometheus.query(f"reelwright_{name}_total")) for name in names)


def _firing(prometheus: Prometheus) -> set[str]:
    return {rule["name"] for rule in prometheus.rules() if rule["state"] == "firing"}


@pytest.mark.parametrize(
    ("panel", "expression"), _QUERIES, ids=[f"{panel} {n}" for n, (panel, _) in enumerate(_QUERIES)]
)
def test_a_query_has_data(run: Run, panel: str, expression: str) -> None:
    """Each query of each panel is understood and answered with numbers, which an idle cluster may lack."""
    found = run.prometheus.query(expression, run.end)
    assert found, panel
    assert all(math.isfinite(value) for _, value in found), (panel, found)
    idle = run.prometheus.query(expression, run.idle)
    assert all(math.isfinite(value) for _, value in idle), (panel, idle)


def test_panels_show_what_happened(run: Run) -> None:
    """The numbers of the panels are those of the run."""
    shown = {panel: run.prometheus.query(expression, run.end) for panel, expression in _QUERIES}
    values = {panel: found[0][1] for panel, found in shown.items() if len(found) == 1}
    for panel in ("Late", "Failed", "Finished"):
        assert round(values[f"titles: {panel}"]) == 1
    # Of two titles that ended one was late, and one failed.
    assert values["titles: On time"] == pytest.approx(0)
    assert values["titles: Cost"] > 0
    assert values["reliability: Frames lost"] == 0
    assert round(values["reliability: Dead letters"]) == 1
    assert values["reliability: Recovered batches"] >= 1
    assert values["fleet: Workers"] == 1
    assert values["fleet: Cost per hour"] == 2
    ((limit, _),) = shown["pipeline: Limiting stage"]
    assert limit["stage"] in {"decode", "restoration", "encode"}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_is_evaluated(run: Run, alert: dict[str, str]) -> None:
    """Prometheus evaluates each alert without an error, and has each series that it asks for."""
    (rule,) = [rule for rule in run.prometheus.rules() if rule["name"] == alert["alert"]]
    assert (rule["health"], rule.get("lastError", "")) == ("ok", "")
    for selector in selectors(alert["expr"]):
        assert run.prometheus.query(selector, run.end), selector


def test_the_alerts_of_what_happened_fire(run: Run) -> None:
    """A late film and a dead letter fire their alerts, and no other alert fires."""
    assert run.firing == _FIRING
