"""A cluster that restores a few titles for some minutes, while its workers are scaled, killed and scraped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka import KafkaProducer

from reelwright.bus.topics import FRAMES
from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server
from tests.dashboards.pictures import RecordedRun
from tests.support.cluster import Cluster
from tests.support.films import small_film
from tests.support.keda import Keda
from tests.support.prometheus import Prometheus
from tests.support.role_processes import Process, free_port, until

_SCRAPE_SECONDS = 2
_WINDOW = "20s"
# The pools: price of a pod for an hour, and most pods. The second one helps when the first one holds no deadline.
_POOLS = {"spot": (0.2, 2), "cpu": (0.5, 2)}
# KEDA's polling interval.
_POLL_SECONDS = 5.0
# When each title is submitted, in seconds: number of frames, class, and deadline.
_TITLES: tuple[tuple[float, int, str, str], ...] = (
    (5, 144, "standard", "10m"),
    (5, 120, "bulk", "1h"),
    (20, 96, "express", "1m"),
    (40, 168, "standard", "2m"),
    (60, 72, "standard", "1s"),
    (80, 192, "bulk", "1h"),
    (100, 108, "express", "1m"),
)
_KILL_SECONDS = (35.0, 95.0)
_JUNK_SECONDS = 70.0
_LEAST_SECONDS = 150.0
_SLEEP_SECONDS = 0.5


class _Fleet:
    """The workers of the pools: as many processes as the dispatcher wants pods.

    Args:
        cluster: starts them.
        scaler: address of the dispatcher's scaler.
    """

    def __init__(self, cluster: Cluster, scaler: str) -> None:
        self._cluster = cluster
        self._workers: dict[str, list[Process]] = {pool: [] for pool in _POOLS}
        self._pools = {
            pool: Keda(scaler, pool=pool, pricePerHour=str(price), maxPods=str(most), startSeconds="10")
            for pool, (price, most) in _POOLS.items()
        }
        self._encoders = Keda(scaler, role="encoder")

    @property
    def workers(self) -> list[Process]:
        """Those that run."""
        return [worker for workers in self._workers.values() for worker in workers if worker.code is None]

    def scale(self) -> bool:
        """Starts and stops workers; whether their set has changed."""
        before = [worker.name for worker in self.workers]
        self._encoders.pods()
        for pool, keda in self._pools.items():
            self._workers[pool] = [worker for worker in self._workers[pool] if worker.code is None]
            wanted = int(keda.pods())
            while len(self._workers[pool]) < wanted:
                price = str(_POOLS[pool][0])
                env = {"REELWRIGHT_INFERENCE_POOL": pool, "REELWRIGHT_INFERENCE_PRICE_PER_HOUR": price}
                self._workers[pool].append(self._cluster.start("inference", **env))
            for worker in self._workers[pool][wanted:]:
                worker.terminate()
        return before != [worker.name for worker in self.workers]

    def close(self) -> None:
        """Ends the connections."""
        for keda in (*self._pools.values(), self._encoders):
            keda.channel.close()


@contextmanager
def recorded_run(folder: Path) -> Iterator[RecordedRun]:
    """A run of some minutes, with its data in Prometheus.

    Args:
        folder: for logs and data.
    """
    scaler = f"127.0.0.1:{free_port()}"
    settings = {
        "REELWRIGHT_DISPATCHER_SCALER_ADDRESS": scaler,
        "REELWRIGHT_DISPATCHER_SCALER_SETTLE_SECONDS": "0",
    }
    with KafkaServer() as kafka, S3Server() as s3, Cluster(kafka, s3, folder, settings) as cluster:
        roles = [cluster.start(role) for role in ("decoder", "dispatcher", "encoder")]
        for process in roles:
            until(lambda process=process: process.ready, f"{process.name} is ready")  # type: ignore[misc]
        fleet = _Fleet(cluster, scaler)
        with Prometheus(folder, roles, _SCRAPE_SECONDS) as prometheus:
            begin = time.time()
            _restore(cluster, fleet, prometheus, roles)
            yield RecordedRun(prometheus, begin, time.time(), _WINDOW)
        fleet.close()


def _restore(cluster: Cluster, fleet: _Fleet, prometheus: Prometheus, roles: list[Process]) -> None:
    """Submits the titles in time, and lets two workers die and a record come that is no batch."""
    decoder, began, polled = roles[0], time.monotonic(), 0.0
    titles, kills, junk = list(_TITLES), list(_KILL_SECONDS), [_JUNK_SECONDS]
    while titles or decoder.metric("reelwright_titles") or time.monotonic() - began < _LEAST_SECONDS:
        now = time.monotonic() - began
        if titles and titles[0][0] <= now:
            _, frames, name, deadline = titles.pop(0)
            source = cluster.upload(small_film(frames))
            cluster.submit(source, cluster.film(f"{frames}.mp4"), "--class", name, "--deadline", deadline)
        if kills and kills[0] <= now and fleet.workers:
            kills.pop(0)
            fleet.workers[0].kill()
        if junk and junk[0] <= now:
            junk.pop()
            producer = KafkaProducer(bootstrap_servers=cluster.kafka.bootstrap)
            producer.send(FRAMES["standard"], b"\xff not a batch", b"key").get(60)
            producer.close()
        if now - polled >= _POLL_SECONDS:
            polled = now
            if fleet.scale():
                prometheus.scrape([*roles, *fleet.workers])
        time.sleep(_SLEEP_SECONDS)
