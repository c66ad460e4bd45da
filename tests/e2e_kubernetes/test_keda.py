"""KEDA scales the workers by the dispatcher's answer: from no pod to the work, and back to none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e_kubernetes.kube import delete_namespace, get, kubectl, make_namespace
from tests.e2e_kubernetes.release import Release
from tests.support.films import small_film
from tests.support.role_processes import until

_NAMESPACE = "reelwright-keda"
_SECONDS = 300.0
_SCALING = (
    "--set=controller.enabled=false,autoscaling.type=keda,autoscaling.pollingInterval=2,autoscaling.cooldownPeriod=5",
    "--set=autoscaling.scaleDownSeconds=0,pools[0].name=cpu,pools[0].minReplicas=0,pools[0].maxReplicas=3",
)


@pytest.fixture(scope="module")
def scaled(request: pytest.FixtureRequest) -> Iterator[Release]:
    """A release whose workers are scaled by KEDA."""
    request.getfixturevalue("kubernetes")
    if "scaledobjects.keda.sh" not in kubectl("get", "customresourcedefinitions", "-o", "name"):
        pytest.skip("the cluster has no KEDA")
    delete_namespace(_NAMESPACE)
    make_namespace(_NAMESPACE)
    release = Release("film", _NAMESPACE, *_SCALING)
    release.apply()
    release.wait()
    release.start_client()
    yield release
    delete_namespace(_NAMESPACE)


def workers(release: Release) -> int:
    """Worker pods that there are, in any state."""
    selector = f"{release.selector},app.kubernetes.io/component=inference"
    return len(get(release.namespace, "pods", "-l", selector))


def test_workers_come_for_the_work_and_go_after_it(scaled: Release) -> None:
    """Without work there is no worker; titles bring some, become films, and then no worker is left."""
    until(lambda: workers(scaled) == 0, "no worker is left", _SECONDS)
    scaled.command("mkdir", "-p", "/films/restored")
    frames = (96, 144)
    runs = [scaled.submit(scaled.upload(small_film(count)), f"/films/restored/keda-{count}.mp4") for count in frames]
    until(lambda: workers(scaled) > 0, "a worker comes", _SECONDS)
    scaled.finish(*runs)
    assert all(scaled.verified(f"/films/restored/keda-{count}.mp4") for count in frames)
    until(lambda: workers(scaled) == 0, "the workers go", _SECONDS)
