"""Leader election: one candidate leads, another takes over when the Lease is not renewed or is released."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from reelwright.controller.api import Document, KubernetesApi, ResourceConflict, ResourceNotFound
from reelwright.controller.election import LeaderElection
from reelwright.titles.errors import UnavailableError


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class _Leases:
    """The Lease of an API server.

    Attributes:
        lease: the document; None before it is created.
        down: whether the API server does not answer.
        deleted: whether somebody deletes it after the next reading.
    """

    lease: Document | None = None
    down = deleted = False

    def get(self, _kind: object, name: str) -> Document:
        """The Lease."""
        self._check()
        if self.lease is None:
            raise ResourceNotFound(name)
        found = {**self.lease, "spec": dict(self.lease["spec"]), "metadata": dict(self.lease["metadata"])}
        if self.deleted:
            self.lease, self.deleted = None, False
        return found

    def create(self, _kind: object, document: Document) -> Document:
        """Creates it."""
        self._check()
        if self.lease is not None:
            raise ResourceConflict
        return self._set(document, 1)

    def replace(self, _kind: object, _name: str, document: Document) -> Document:
        """Replaces the version that the document has."""
        self._check()
        if self.lease is None:
            raise ResourceNotFound
        version = self.lease["metadata"]["resourceVersion"]
        if document["metadata"]["resourceVersion"] != version:
            raise ResourceConflict
        return self._set(document, int(version) + 1)

    def _set(self, document: Document, version: int) -> Document:
        self.lease = {**document, "metadata": {**document["metadata"], "resourceVersion": str(version)}}
        return self.lease

    def _check(self) -> None:
        if self.down:
            raise UnavailableError("does not answer", "the Kubernetes API")


@pytest.fixture
def candidates() -> tuple[_Leases, _Clock, LeaderElection, LeaderElection]:
    """Two candidates for a Lease of 15 seconds."""
    leases, clock = _Leases(), _Clock()
    api = cast("KubernetesApi", leases)
    one, two = (LeaderElection(api, name="lease", holder=name, seconds=15.0, clock=clock) for name in ("one", "two"))
    return leases, clock, one, two


def test_one_leads_while_it_renews(candidates: Any) -> None:
    """The first candidate leads; the other one waits, however long, while the Lease is renewed."""
    _, clock, one, two = candidates
    for _ in range(20):
        one.step()
        two.step()
        assert (one.leading, two.leading) == (True, False)
        clock.now += 5


def test_another_takes_over_when_the_lease_is_not_renewed(candidates: Any) -> None:
    """A dead leader is replaced after the duration of the Lease, and stops acting before that."""
    leases, clock, one, two = candidates
    one.step()
    two.step()
    clock.now = 11.0
    assert not one.leading
    two.step()
    assert not two.leading
    clock.now = 16.0
    two.step()
    assert (one.leading, two.leading) == (False, True)
    one.step()
    assert not one.leading
    assert leases.lease["spec"]["leaseTransitions"] == 1


def test_a_leader_survives_a_short_outage(candidates: Any) -> None:
    """An API server that does not answer for less than two thirds of the duration changes nothing."""
    leases, clock, one, _ = candidates
    one.step()
    leases.down = True
    clock.now = 9.0
    one.step()
    assert one.leading
    clock.now = 10.5
    one.step()
    assert not one.leading
    leases.down = False
    one.step()
    assert one.leading


def test_a_released_lease_is_taken_at_once(candidates: Any) -> None:
    """A leader that is asked to stop releases the Lease, so that nobody waits for its end."""
    _, _, one, two = candidates
    one.step()
    stop = threading.Event()
    stop.set()
    one.run(stop)
    two.step()
    assert (one.leading, two.leading) == (False, True)


def test_a_lease_that_is_deleted_while_it_is_renewed_is_created_again(candidates: Any) -> None:
    """Of a Lease that is gone between reading and writing nobody is the holder; the next try creates it."""
    leases, _, one, two = candidates
    one.step()
    leases.deleted = True
    one.step()
    assert not one.leading
    two.step()
    one.step()
    assert (one.leading, two.leading) == (False, True)
