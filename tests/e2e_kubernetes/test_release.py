"""A release on a real cluster: films come out, and are the same whatever happens to the pods meanwhile."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.e2e_kubernetes.conftest import NEXT_TAG
from tests.e2e_kubernetes.kube import delete_namespace, get, kubectl, make_namespace, wait_for
from tests.e2e_kubernetes.release import FILMS, Release, Title

# A cluster may have to be started, and images to be built.
pytestmark = pytest.mark.timeout(1400)

_NAMESPACE = "reelwright-e2e"
# Long enough that every pod can be killed meanwhile, on a busy machine too.
_FRAMES = (480, 576, 672)
# Of a title that is still being restored when a release has been removed, however long its pods take to end.
_LONG_FRAMES = 2000

Figure = Callable[[str], None]


@pytest.fixture(scope="module")
def release(kubernetes: None, figure: Figure) -> Iterator[Release]:
    """A release whose pods are ready, with a client; the namespace admits restricted pods alone."""
    del kubernetes
    delete_namespace(_NAMESPACE)
    make_namespace(_NAMESPACE)
    made = Release("film", _NAMESPACE)
    figure(f"from helm install to every pod ready, with images present: {made.install():.0f} s (goal: 90)")
    made.start_client()
    yield made
    delete_namespace(_NAMESPACE)


@cache
def undisturbed(release: Release) -> list[str]:
    """SHA-256 of three films that were restored while nothing happened."""
    titles = titles_of(release, "undisturbed")
    release.restore(*titles)
    release.finish(*titles)
    return [release.verified(title) for title in titles]


def titles_of(release: Release, test: str) -> list[Title]:
    """Three titles for a test; their films must be the undisturbed ones."""
    return [release.title(f"{test}-{frames}", frames) for frames in _FRAMES]


def begin(release: Release, test: str) -> list[Title]:
    """Has three titles restored, and returns when a segment is committed and none has ended."""
    undisturbed(release)
    titles = titles_of(release, test)
    release.restore(*titles)
    release.wait_for_work(*titles)
    return titles


def check_same(release: Release, titles: list[Title]) -> None:
    """Waits for the films, and compares them with the undisturbed ones."""
    release.finish(*titles)
    assert [release.verified(title) for title in titles] == undisturbed(release)


def test_three_titles_become_three_verified_films(release: Release) -> None:
    """Three Restorations are applied, and three films come out; kubectl shows them, and each turn is an Event."""
    assert len(set(undisturbed(release))) == len(_FRAMES)
    titles = titles_of(release, "undisturbed")
    head, *lines = kubectl("-n", release.namespace, "get", "restorations").splitlines()
    assert head.split()[:3] == ["NAME", "PHASE", "PROGRESS"]
    assert {line.split()[0]: line.split()[1:3] for line in lines} == {
        title.name: ["Finished", "100%"] for title in titles
    }
    for title in titles:
        turns = release.events(title)
        assert (turns[0], turns[-2:]) == ("Submitting", ["Running", "Finished"])


def test_films_are_the_same_when_every_pod_is_killed(release: Release) -> None:
    """Each pod of a role is killed once during restoration, in random order; the films are bit-identical."""
    titles = begin(release, "killed")
    pods = release.pods()
    random.Random(7).shuffle(pods)
    for pod in pods:
        assert release.unfinished(*titles), "all have ended already"
        release.kill(pod)
    release.wait()
    assert set(pods) & set(release.pods()) <= {f"{release.name}-dispatcher-0"}
    check_same(release, titles)


def test_films_are_the_same_after_an_upgrade(release: Release) -> None:
    """`helm upgrade` to another tag replaces every pod during restoration; the films are bit-identical."""
    titles = begin(release, "upgraded")
    before = release.pods()
    release.apply(f"--set-string=image.tag={NEXT_TAG}")
    release.wait()
    images = {
        container["image"].rpartition(":")[2]
        for pod in get(release.namespace, "pods", "-l", release.selector)
        if pod["metadata"]["name"] in release.pods()
        for container in pod["spec"]["containers"]
    }
    assert images == {NEXT_TAG}
    assert set(before) & set(release.pods()) <= {f"{release.name}-dispatcher-0"}
    check_same(release, titles)


def test_films_are_the_same_after_a_restart_of_the_broker(release: Release) -> None:
    """The broker's pod is killed during restoration; its volume stays, and the films are bit-identical."""
    titles = begin(release, "broker")
    release.kill(f"{release.name}-kafka-0")
    release.wait()
    check_same(release, titles)


def test_another_controller_goes_on_when_the_leader_is_killed(release: Release) -> None:
    """The leading one of two controllers is killed while titles are submitted; each has one attempt."""
    undisturbed(release)
    titles = titles_of(release, "leader")
    release.apply("--set=controller.replicas=2")
    try:
        release.wait()
        # A leader that was replaced has given the lease back.
        wait_for(lambda: leading_controller(release), "a controller leads")
        leader = leading_controller(release)
        release.restore(*titles)
        release.kill(leader)
        check_same(release, titles)
        assert [status["attempt"] for status in release.statuses(*titles)] == [1, 1, 1]
    finally:
        release.apply()
        release.wait()


def leading_controller(release: Release) -> str:
    """The running pod that holds the controllers' lease; empty when there is none."""
    lease = f"{release.name}-controller"
    (held,) = [each for each in get(release.namespace, "leases") if each["metadata"]["name"] == lease]
    pod = str(held["spec"].get("holderIdentity") or "").rpartition("_")[0]
    return pod if pod in release.pods("controller") else ""


def test_a_drained_node_gives_its_pods_back(release: Release) -> None:
    """`kubectl drain` evicts every pod within their budgets; after it the films are finished, and bit-identical."""
    titles = begin(release, "drained")
    nodes = {
        pod["spec"]["nodeName"]
        for pod in get(release.namespace, "pods", "-l", release.selector)
        if pod["metadata"]["name"] in release.pods()
    }
    for node in nodes:
        words = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
        try:
            kubectl("drain", node, *words, f"--pod-selector={release.selector},role!=client")
        finally:
            kubectl("uncordon", node)
    release.wait()
    check_same(release, titles)


def test_a_broker_that_is_away_is_told_and_waited_for(release: Release) -> None:
    """Without the broker the condition says so; when it is back, the title is restored without a hand on it."""
    undisturbed(release)
    title = release.title("away", _FRAMES[0])
    kafka = f"statefulset/{release.name}-kafka"
    kubectl("-n", release.namespace, "scale", kafka, "--replicas=0")
    kubectl("-n", release.namespace, "wait", "--for=delete", f"pod/{release.name}-kafka-0", "--timeout=120s")
    release.restore(title)
    wait_for(lambda: release.condition(title, "Running")[1] == "BrokerUnreachable", "the condition tells the broker")
    assert "broker" in release.condition(title, "Running")[2]
    kubectl("-n", release.namespace, "scale", kafka, "--replicas=1")
    release.finish(title)
    assert release.verified(title) == undisturbed(release)[0]


def test_a_source_that_is_missing_is_told(release: Release) -> None:
    """A Restoration of a missing source says what is missing, and is restored once the source is there."""
    undisturbed(release)
    title = Title("missing", _FRAMES[0], f"{FILMS}/sources/missing.mp4", f"{FILMS}/restored/missing.mp4")
    release.restore(title)
    wait_for(lambda: release.condition(title, "Accepted")[1] == "SourceMissing", "the condition tells the source")
    assert release.condition(title, "Accepted")[0] == "False"
    release.title(title.name, title.frames)
    release.finish(title)
    assert release.verified(title) == undisturbed(release)[0]


def test_the_clip_of_helm_test_is_restored(release: Release) -> None:
    """`helm test` has a test, which restores and verifies its clip and leaves no file."""
    told = release.helm("test", release.name, "--timeout", "5m")
    assert f"{release.name}-test" in told
    assert "helm-test" not in release.command("ls", FILMS)


def test_a_pod_that_is_not_restricted_is_refused(release: Release) -> None:
    """The namespace enforces the restricted standard, so the pods of the release have passed it."""
    words = ["run", "root", "--image=busybox", "--restart=Never", "--dry-run=server"]
    done = subprocess.run(["kubectl", "-n", release.namespace, *words], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert 'violates PodSecurity "restricted' in done.stderr
    assert release.pods()


def test_two_releases_do_not_see_each_other(release: Release) -> None:
    """A second release restores its own titles; it is removed during work, and goes on when it is installed again."""
    namespace = "reelwright-two"
    delete_namespace(namespace)
    make_namespace(namespace)
    second = Release("film", namespace)
    try:
        second.install()
        second.start_client()
        first, long = second.title("first", _FRAMES[0]), second.title("long", _LONG_FRAMES)
        second.restore(first)
        second.finish(first)
        assert second.verified(first) == undisturbed(release)[0]
        (status,) = second.statuses(first)
        assert status["run"] in second.command("reelwright", "status", "--json")
        assert status["run"] not in release.command("reelwright", "status", "--json")
        second.restore(long)
        second.wait_for_work(long)
        second.helm("uninstall", "film", "--wait")
        assert not second.pods()
        assert second.verified(first) == undisturbed(release)[0]
        assert second.statuses(long)[0]["phase"] == "Running"
        second.install()
        second.finish(long)
        assert second.verified(long)
    finally:
        delete_namespace(namespace)
