"""A release on a real cluster: films come out, and are the same whatever happens to the pods meanwhile."""

from __future__ import annotations

import random
import subprocess
import time
from functools import cache

import pytest

from tests.e2e_kubernetes.conftest import NEXT_TAG
from tests.e2e_kubernetes.kube import delete_namespace, get, kubectl, make_namespace
from tests.e2e_kubernetes.release import Release
from tests.support.films import small_film
from tests.support.role_processes import until

_FRAMES = (96, 120, 144)


@cache
def undisturbed(release: Release) -> dict[str, str]:
    """SHA-256 of three films, by their location, that were restored while nothing happened."""
    outputs = outputs_of(release)
    release.finish(*submit_all(release))
    digests = {output: release.verified(output) for output in outputs}
    release.forget(*outputs)
    return digests


def outputs_of(release: Release) -> list[str]:
    """Where the films go."""
    return [f"/films/restored/{release.name}-{frames}.mp4" for frames in _FRAMES]


def submit_all(release: Release) -> list[str]:
    """Submits the three titles; their runs."""
    release.command("mkdir", "-p", "/films/restored")
    sources = [release.upload(small_film(frames)) for frames in _FRAMES]
    return [release.submit(*locations) for locations in zip(sources, outputs_of(release), strict=True)]


def check_same(release: Release, runs: list[str]) -> None:
    """Waits for the films, and compares them with the undisturbed ones."""
    release.finish(*runs)
    outputs = outputs_of(release)
    assert {output: release.verified(output) for output in outputs} == undisturbed(release)
    release.forget(*outputs)


@pytest.mark.usefixtures("kubernetes")
def test_every_pod_becomes_ready_after_installation() -> None:
    """Every pod becomes ready by itself after `helm install`; the seconds are printed (goal: 90, with images there)."""
    delete_namespace("reelwright-start")
    make_namespace("reelwright-start")
    release = Release("start", "reelwright-start", "--set=controller.enabled=false")
    began = time.monotonic()
    release.apply()
    release.wait()
    seconds = time.monotonic() - began
    print(f"ready after {seconds:.1f} s")
    delete_namespace("reelwright-start")


def test_three_titles_become_three_verified_films(release: Release) -> None:
    """Three titles are submitted, and three films come out that `verify` accepts."""
    assert len(set(undisturbed(release).values())) == len(_FRAMES)


def test_films_are_the_same_when_every_pod_is_deleted(release: Release) -> None:
    """Each pod is deleted once during restoration, in random order; the films are bit-identical."""
    undisturbed(release)
    runs = submit_all(release)
    release.wait_for_work(runs[0])
    pods = release.pods()
    random.Random(7).shuffle(pods)
    for pod in pods:
        kubectl("-n", release.namespace, "delete", "pod", pod, "--grace-period=0", "--force")
    release.wait()
    assert not set(pods) & set(release.pods()) - {f"{release.name}-dispatcher-0"}
    check_same(release, runs)


def test_films_are_the_same_after_an_upgrade(release: Release) -> None:
    """`helm upgrade` to another tag replaces every pod during restoration; the films are bit-identical."""
    undisturbed(release)
    runs = submit_all(release)
    release.wait_for_work(runs[0])
    release.apply(f"--set-string=image.tag={NEXT_TAG}")
    release.wait()
    images = {
        container["image"]
        for pod in get(release.namespace, "pods", "-l", release.selector)
        if pod["metadata"]["name"] in release.pods()
        for container in pod["spec"]["containers"]
    }
    assert {image.rpartition(":")[2] for image in images} == {NEXT_TAG}
    check_same(release, runs)


def test_a_drained_node_gives_its_pods_back(release: Release) -> None:
    """`kubectl drain` evicts every pod within their budgets; after it the films are finished, and bit-identical."""
    undisturbed(release)
    runs = submit_all(release)
    release.wait_for_work(runs[0])
    nodes = {
        pod["spec"]["nodeName"]
        for pod in get(release.namespace, "pods", "-l", release.selector)
        if pod["metadata"]["name"] in release.pods()
    }
    for node in nodes:
        words = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
        kubectl("drain", node, *words, f"--pod-selector={release.selector},role!=client")
        kubectl("uncordon", node)
    release.wait()
    check_same(release, runs)


def test_the_clip_of_helm_test_is_restored(release: Release) -> None:
    """`helm test` restores and verifies its clip, and leaves no file."""
    release.helm("test", release.name, "--timeout", "5m")
    assert "helm-test" not in release.command("ls", "/films")


def test_a_pod_that_is_not_restricted_is_refused(release: Release) -> None:
    """The namespace enforces the restricted standard, so the pods of the release have passed it."""
    words = ["run", "root", "--image=busybox", "--restart=Never", "--dry-run=server"]
    done = subprocess.run(["kubectl", "-n", release.namespace, *words], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert 'violates PodSecurity "restricted' in done.stderr
    assert release.pods()


def test_two_releases_do_not_see_each_other(release: Release) -> None:
    """A second release in another namespace restores its own title, and uninstalling it keeps its film."""
    make_namespace("reelwright-two")
    second = Release("film", "reelwright-two", "--set=controller.enabled=false")
    try:
        second.apply()
        second.wait()
        second.start_client()
        second.command("mkdir", "-p", "/films/restored")
        run = second.submit(second.upload(small_film(48)), "/films/restored/second.mp4")
        second.finish(run)
        film = second.verified("/films/restored/second.mp4")
        assert run not in release.command("reelwright", "status", "--json")
        second.helm("uninstall", "film", "--wait")
        until(lambda: not second.pods(), "the pods are gone")
        claims = [claim["metadata"]["name"] for claim in get("reelwright-two", "persistentvolumeclaims")]
        assert "film-films" in claims
        assert film
    finally:
        delete_namespace("reelwright-two")
