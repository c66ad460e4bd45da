"""Every metric of the pipeline, in one place: prefix `reelwright_`, base units, no label per title.

The panels that show them are in scripts/dashboards/; `make dashboards` writes them into the chart.
Counters and gauges live in prometheus_client's default registry; several services in one process share them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from prometheus_client import Counter, Gauge, disable_created_metrics

# A `_created` series for each counter would double the size of the page for no use.
disable_created_metrics()  # type: ignore[no-untyped-call]

BUILD_INFO = Gauge("reelwright_build_info", "Always 1; the labels are the version and the role.", ["version", "role"])

FRAMES_DECODED = Counter("reelwright_frames_decoded", "Frames read from sources.")
FRAMES_SOUGHT_PAST = Counter(
    "reelwright_frames_sought_past", "Frames of committed segments that a decoder which took over did not read again."
)
FRAMES_RESTORED = Counter("reelwright_frames_restored", "Frames restored and accepted by the bus.")
FRAMES_ENCODED = Counter("reelwright_frames_encoded", "Frames handed to a video encoder.")
FRAMES_LOST = Counter(
    "reelwright_frames_lost", "Frames of sources that were missing in films before their delivery. Must read 0."
)

BATCHES_QUEUED = Gauge("reelwright_batches_queued", "Batches at the dispatcher that wait for a worker.")
BATCHES_UNSERVED = Gauge("reelwright_batches_unserved", "Queued batches whose model or engine no connected worker has.")
BATCHES_LEASED = Gauge("reelwright_batches_leased", "Batches leased to workers.")
WORKERS_CONNECTED = Gauge("reelwright_workers_connected", "Inference workers with an open stream, by pool.", ["pool"])
PODS_WANTED = Gauge("reelwright_pods_wanted", "Pods that a pool should have, and why.", ["pool", "reason"])
POD_FRAMES_PER_SECOND = Gauge(
    "reelwright_pod_frames_per_second", "Frames that a pod of a pool restores in a second while it works.", ["pool"]
)
POD_START_SECONDS = Gauge(
    "reelwright_pod_start_seconds",
    "Seconds from the request for a pod of a pool until it connects, as measured; at first the pool's estimate.",
    ["pool"],
)
POOL_COST_PER_HOUR = Gauge(
    "reelwright_pool_cost_per_hour", "Sum of the prices per hour of the connected workers, by pool.", ["pool"]
)
FRAMES_LEFT = Gauge(
    "reelwright_frames_left",
    "Frames of titles without an outcome that are still to be restored, as decoders report them.",
)
TITLES_OVERDUE = Gauge("reelwright_titles_overdue", "Titles without an outcome whose deadline is over.")
BATCHES_RETRIED = Counter(
    "reelwright_batches_retried", "Batches returned to the queue to be restored again.", ["cause"]
)
BATCHES_REFUSED = Counter(
    "reelwright_batches_refused", "Restored batches of another engine than their run's, to be restored again."
)
WORKERS_QUARANTINED = Counter(
    "reelwright_workers_quarantined", "Workers that the dispatcher sent away because they are broken.", ["cause"]
)
MESSAGES_REFUSED = Counter(
    "reelwright_messages_refused", "Streams, messages and credits that the dispatcher refused.", ["cause"]
)
LEASES_EXPIRED = Counter("reelwright_leases_expired", "Leases that ended because their time was over.")
DEAD_LETTERS = Counter(
    "reelwright_dead_letters", "Records that no service could process, and batches given up after their last failure."
)

SEGMENTS_COMMITTED = Counter("reelwright_segments_committed", "Segments committed to the ledger.")
SEGMENTS_OPEN = Gauge("reelwright_segments_open", "Segments whose codec is open in this encoder.")
SECONDS_SINCE_COMMIT = Gauge(
    "reelwright_seconds_since_commit", "Seconds since this encoder committed a segment, or since it was started."
)
TITLES = Gauge("reelwright_titles", "Titles without an outcome that this decoder has, by state.", ["state"])
OLDEST_TITLE_SECONDS = Gauge(
    "reelwright_oldest_title_seconds", "Seconds since the submission of this decoder's oldest title without an outcome."
)
TITLES_FINISHED = Counter("reelwright_titles_finished", "Titles whose film was assembled.")
FILM_COST = Counter("reelwright_film_cost", "What the restoration of the delivered films has cost.")
FILM_SECONDS = Counter("reelwright_film_seconds", "Duration of the delivered films.")
TITLES_LATE = Counter("reelwright_titles_late", "Titles whose film was delivered after their deadline.")
TITLES_FAILED = Counter("reelwright_titles_failed", "Titles that ended without a film.")
STRAY_TITLES = Counter("reelwright_stray_titles", "Records of titles without a request in the ledger; not restored.")

CONSUMER_LAG = Gauge(
    "reelwright_consumer_lag",
    "Records that a group has not acknowledged yet, in the partitions that this process has.",
    ["group", "topic"],
)
STORE_WAITING = Gauge(
    "reelwright_store_waiting", "Operations that this process repeats until the store accepts them.", ["cause"]
)
BUS_BYTES = Gauge("reelwright_bus_held_bytes", "Bytes a topic of the bus holds.", ["topic"])
STAGE_SECONDS = Counter("reelwright_stage_seconds", "Wall seconds of work, by stage, summed over threads.", ["stage"])
WORKER_BUSY_SECONDS = Counter(
    "reelwright_worker_busy_seconds", "Wall seconds in which restoration threads worked, summed over threads."
)
WORKER_THREADS = Gauge("reelwright_worker_threads", "Restoration threads of this worker; 0 in other roles.")

KUBERNETES_REQUESTS = Counter(
    "reelwright_kubernetes_requests",
    "Requests that this controller has sent to the Kubernetes API.",
    ["verb", "resource"],
)
CONTROLLER_LEADING = Gauge("reelwright_controller_leading", "1 in the replica that holds the Lease, 0 in the others.")
RECONCILES = Counter(
    "reelwright_reconciles", "Times that this controller has worked on a resource.", ["resource", "result"]
)
RESTORATIONS = Gauge("reelwright_restorations", "Restorations that this controller serves, by phase.", ["phase"])
CONTROLLER_QUEUE = Gauge("reelwright_controller_queue", "Resources that wait for this controller's work.")

STORE_CAUSES = ("unavailable", "refused")
STAGES = ("decode", "transport", "restoration", "publish", "encode", "assemble")
TITLE_STATES = ("waiting", "postponed", "decoding", "decoded", "committed")
RETRY_CAUSES = ("failure", "expiry", "disconnect")
QUARANTINE_CAUSES = ("failures", "self_test")
RECONCILE_RESULTS = ("settled", "waiting", "retry", "conflict", "error")
RESTORATION_PHASES = ("Pending", "Running", "Finished", "Failed", "Suspended")
REFUSAL_CAUSES = (
    "credits",
    "foreign_lease",
    "hello",
    "name",
    "quarantine",
    "streams",
    "token",
    "unknown_lease",
    "unread",
)

# A labelled counter exists only once it is used. Alerts and ratios need it to read 0 before.
for _stage in STAGES:
    STAGE_SECONDS.labels(stage=_stage)
for _cause in RETRY_CAUSES:
    BATCHES_RETRIED.labels(cause=_cause)
for _cause in QUARANTINE_CAUSES:
    WORKERS_QUARANTINED.labels(cause=_cause)
for _resource in ("restorations", "catalogs"):
    for _result in RECONCILE_RESULTS:
        RECONCILES.labels(resource=_resource, result=_result)
for _cause in REFUSAL_CAUSES:
    MESSAGES_REFUSED.labels(cause=_cause)


@contextmanager
def timed(stage: str, totals: dict[str, float] | None = None) -> Iterator[None]:
    """Adds the wall seconds of a `with` block to a stage of STAGES, and to `totals[stage]` if there are totals.

    Blocks of one thread must not be nested: their seconds would count twice.
    """
    started = time.perf_counter()
    try:
        yield
    finally:
        elapsed = time.perf_counter() - started
        STAGE_SECONDS.labels(stage=stage).inc(elapsed)
        if totals is not None:
            totals[stage] += elapsed


# Pools come and go with releases; what is more is forgotten once it is empty.
_MAX_POOLS = 100
_pools: set[str] = set()


def set_workers_connected(workers: Mapping[str, int]) -> None:
    """Sets the number of connected workers of each pool; 0 for pools that had workers before.

    Args:
        workers: number of workers by pool.
    """
    for pool in _pools - workers.keys():
        if len(_pools) > _MAX_POOLS:
            _pools.discard(pool)
            WORKERS_CONNECTED.remove(pool)
        else:
            WORKERS_CONNECTED.labels(pool=pool).set(0)
    for pool, count in workers.items():
        _pools.add(pool)
        WORKERS_CONNECTED.labels(pool=pool).set(count)


_wanted_reasons: dict[str, str] = {}


def set_pods_wanted(pool: str, pods: int, reason: str) -> None:
    """Sets the number of pods that a pool should have; the series of the former reason ends.

    Args:
        pool: the pool, or `encoder`.
        pods: how many.
        reason: why.
    """
    former = _wanted_reasons.get(pool, reason)
    if former != reason:
        PODS_WANTED.remove(pool, former)
    _wanted_reasons[pool] = reason
    PODS_WANTED.labels(pool=pool, reason=reason).set(pods)


def remove_scaled_pool(pool: str) -> None:
    """Ends the series of a pool, or of `encoder`, that is not scaled any more."""
    if (reason := _wanted_reasons.pop(pool, None)) is not None:
        PODS_WANTED.remove(pool, reason)
    POD_START_SECONDS.remove(pool)


def remove_pool(pool: str) -> None:
    """Ends every series of a pool that is gone."""
    remove_scaled_pool(pool)
    _pools.discard(pool)
    for gauge in (WORKERS_CONNECTED, POD_FRAMES_PER_SECOND, POOL_COST_PER_HOUR):
        gauge.remove(pool)


def watch_bus(topics: tuple[str, ...], held_bytes: Callable[[str], int]) -> None:
    """Sets the gauge of the bus: it reads the bytes that each topic holds whenever metrics are requested.

    Args:
        topics: the topics to show.
        held_bytes: returns the bytes that a topic holds; called on a thread of the metrics server.
    """
    for topic in topics:
        BUS_BYTES.labels(topic=topic).set_function(partial(held_bytes, topic))


def watch_titles(count: Callable[[str], int], oldest_seconds: Callable[[], float]) -> None:
    """Sets the gauges of a decoder's titles: they are read whenever metrics are requested.

    Args:
        count: returns how many titles have a state of TITLE_STATES; called on a thread of the metrics server.
        oldest_seconds: returns the age of the oldest title; 0 without one. Called likewise.
    """
    for state in TITLE_STATES:
        TITLES.labels(state=state).set_function(partial(count, state))
    OLDEST_TITLE_SECONDS.set_function(oldest_seconds)


def watch_lag(group: str, topic: str, lag: Callable[[], int]) -> None:
    """Sets the lag of a group on a topic: it is read whenever metrics are requested.

    Args:
        group: the consumer group.
        topic: the topic.
        lag: returns the number of records; called on a thread of the metrics server.
    """
    CONSUMER_LAG.labels(group=group, topic=topic).set_function(lag)


def watch_store(waiting: Callable[[str], int]) -> None:
    """Sets the gauge of operations that wait for the store: it is read whenever metrics are requested.

    Args:
        waiting: returns how many wait for a cause of STORE_CAUSES; called on a thread of the metrics server.
    """
    for cause in STORE_CAUSES:
        STORE_WAITING.labels(cause=cause).set_function(partial(waiting, cause))


def note_commit() -> None:
    """Counts a committed segment, and starts the time since the last commit again."""
    SEGMENTS_COMMITTED.inc()
    watch_commits()


def watch_commits() -> None:
    """Starts the time since the last commit."""
    since = time.monotonic()
    SECONDS_SINCE_COMMIT.set_function(lambda: time.monotonic() - since)


def watch_controller(count: Callable[[str], int], waiting: Callable[[], int]) -> None:
    """Sets the gauges of a controller: they are read whenever metrics are requested.

    Args:
        count: returns how many Restorations have a phase of RESTORATION_PHASES; called on a thread of the server.
        waiting: returns how many resources wait. Called likewise.
    """
    for phase in RESTORATION_PHASES:
        RESTORATIONS.labels(phase=phase).set_function(partial(count, phase))
    CONTROLLER_QUEUE.set_function(waiting)
