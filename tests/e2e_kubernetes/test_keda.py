"""KEDA scales the workers by the dispatcher's answer: from no pod to the work, and back to none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.e2e_kubernetes.kube import delete_namespace, get, kubectl, make_namespace, wait_for
from tests.e2e_kubernetes.release import Release, Title

# A cluster may have to be started, and images to be built.
pytestmark = pytest.mark.timeout(1400)

_NAMESPACE = "reelwright-keda"
_SHORT_FRAMES = 120
_LONG_TITLES = 4
# What one pod would take for the long titles. The dispatcher plans late work for a minute, and a first pod has worked
# for a part of a minute when the autoscaler looks again. So another pod is wanted, however fast the machine is.
_LONG_SECONDS = 120
_SCALING = (
    "--set=autoscaling.type=keda,autoscaling.pollingInterval=2,autoscaling.cooldownPeriod=5",
    "--set=autoscaling.scaleDownSeconds=0,pools[0].name=cpu,pools[0].minReplicas=0,pools[0].maxReplicas=3",
    # Pods start in seconds here. Titles without a deadline are late after ten seconds.
    "--set=pools[0].startSeconds=5,dispatcher.settings.REELWRIGHT_DISPATCHER_SCALER_TARGET_SECONDS=10",
)


@pytest.fixture(scope="module")
def scaled(kubernetes: None) -> Iterator[Release]:
    """A release whose workers are scaled by KEDA."""
    del kubernetes
    if testbed := os.environ.get("TESTBED"):
        subprocess.run([f"{testbed}/keda", "up"], check=True)
    if "scaledobjects.keda.sh" not in kubectl("get", "customresourcedefinitions", "-o", "name"):
        pytest.skip("the cluster has no KEDA")
    delete_namespace(_NAMESPACE)
    make_namespace(_NAMESPACE)
    release = Release("film", _NAMESPACE, *_SCALING)
    release.install()
    release.start_client()
    yield release
    delete_namespace(_NAMESPACE)


def workers(release: Release) -> int:
    """Worker pods that there are, in any state."""
    selector = f"{release.selector},app.kubernetes.io/component=inference"
    return len(get(release.namespace, "pods", "-l", selector))


def restore_until_no_worker_is_left(release: Release, *titles: Title) -> int:
    """Restores titles from no worker to none; the most workers that there were at a time."""
    wait_for(lambda: workers(release) == 0, "no worker is left")
    release.restore(*titles)
    most = 0

    def finished() -> bool:
        nonlocal most
        most = max(most, workers(release))
        return not release.unfinished(*titles)

    wait_for(finished, "the titles end")
    release.finish(*titles)
    for title in titles:
        release.verified(title)
    wait_for(lambda: workers(release) == 0, "the workers go")
    return most


def test_as_many_workers_come_as_the_work_needs(scaled: Release, figure: Callable[[str], None]) -> None:
    """A short title brings one worker, two minutes of work several; then all go, and no batch is restored twice."""
    short = scaled.title("keda-short", _SHORT_FRAMES)
    assert restore_until_no_worker_is_left(scaled, short) == 1
    speed = scaled.metric("dispatcher", "reelwright_pod_frames_per_second", pool="cpu")
    frames = int(speed * _LONG_SECONDS / _LONG_TITLES)
    titles = [scaled.title(f"keda-long-{number}", frames) for number in range(_LONG_TITLES)]
    most = restore_until_no_worker_is_left(scaled, *titles)
    assert 1 < most <= 3
    decoded, restored = scaled.records("frames.v1.standard"), scaled.records("restored.v1")
    start = scaled.metric("dispatcher", "reelwright_pod_start_seconds", pool="cpu")
    figure(
        f"KEDA: a pod starts in {start:.0f} s and restores {speed:.1f} frames a second; {_SHORT_FRAMES} frames bring 1 "
        f"worker, {_LONG_TITLES} x {frames} bring {most}; {decoded} batches decoded and {restored} restored"
    )
    assert restored == decoded
    assert scaled.metric("dispatcher", "reelwright_batches_retried_total") == 0
    assert scaled.metric("encoder", "reelwright_frames_lost_total") == 0
