"""KEDA scales the workers by the dispatcher's answer: from no pod to the work, and back to none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.e2e_kubernetes.kube import delete_namespace, get, kubectl, make_namespace, wait_for
from tests.e2e_kubernetes.release import Release

# A cluster may have to be started, and images to be built.
pytestmark = pytest.mark.timeout(1400)

_NAMESPACE = "reelwright-keda"
_FRAMES = (240, 288, 336, 384)
_SCALING = (
    "--set=autoscaling.type=keda,autoscaling.pollingInterval=2,autoscaling.cooldownPeriod=5",
    "--set=autoscaling.scaleDownSeconds=0,pools[0].name=cpu,pools[0].minReplicas=0,pools[0].maxReplicas=3",
    # Pods start in seconds here. Titles without a deadline are wanted at once, so that one pod is not enough.
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


def test_workers_come_for_the_work_and_go_after_it(scaled: Release, figure: Callable[[str], None]) -> None:
    """Without work there is no worker; titles bring several, become films, and no batch is restored twice."""
    wait_for(lambda: workers(scaled) == 0, "no worker is left")
    titles = [scaled.title(f"keda-{count}", count) for count in _FRAMES]
    scaled.restore(*titles)
    wait_for(lambda: workers(scaled) > 1, "more than one worker comes")
    scaled.finish(*titles)
    for title in titles:
        scaled.verified(title)
    wait_for(lambda: workers(scaled) == 0, "the workers go")
    decoded, restored = scaled.records("frames.v1.standard"), scaled.records("restored.v1")
    figure(f"KEDA: 0 to several workers to 0, {decoded} batches decoded and {restored} restored")
    assert restored == decoded
    assert scaled.metric("dispatcher", "reelwright_batches_retried_total") == 0
    assert scaled.metric("encoder", "reelwright_frames_lost_total") == 0
