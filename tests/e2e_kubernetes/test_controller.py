"""The controller on a real API server: titles from creation to film, replicas, and kills."""

from __future__ import annotations

from pathlib import Path

from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from tests.support.api_server import Namespace
from tests.support.controller_process import Start, film, run_of
from tests.support.ledgers import title_of
from tests.support.role_processes import until


def test_a_title_from_its_creation_to_its_film(namespace: Namespace, start: Start, ledger: str, tmp_path: Path) -> None:
    """The status follows the ledger to the film, each turn is an Event, and deleting it all keeps the film."""
    start()
    spec = film(tmp_path)
    namespace.create("Restoration", "film", spec)
    until(lambda: namespace.condition("film", "Running") == ("False", "Queued"), "the title is submitted")
    held = RunLedger(ledger, run_of(**spec))
    held.put_title(title_of(spec["source"]))
    until(lambda: namespace.phase("film") == "Running", "the title runs")
    for suffix in ("", ".manifest.json"):
        Path(spec["output"] + suffix).write_text("{}")
    held.put_outcome(Outcome(state="finished", output=spec["output"], frames=120))
    until(lambda: namespace.phase("film") == "Finished", "the title is finished")
    status = namespace.get("film")["status"]
    assert status["frames"] == {"done": 120, "total": 120}
    assert (status["output"], status["progress"]) == (spec["output"], "100%")
    assert status["manifestDigest"].startswith("sha256:")
    until(lambda: namespace.events("film") == ["Submitting", "Queued", "Running", "Finished"], "the Events are there")
    namespace.delete("restorations", "film")
    until(lambda: namespace.find("film") is None, "the resource is gone")
    assert Path(spec["output"]).exists()


def test_suspending_and_deleting_end_the_work(namespace: Namespace, start: Start, ledger: str, tmp_path: Path) -> None:
    """A suspended title is cancelled and goes on as the next attempt; a deleted one is cancelled before it goes."""
    start()
    spec = film(tmp_path)
    namespace.create("Restoration", "film", spec)
    held = RunLedger(ledger, run_of(**spec))
    until(lambda: namespace.condition("film", "Running")[1] == "Queued", "the title is submitted")
    namespace.patch("restorations", "film", {"spec": {"suspend": True}})
    until(lambda: held.outcome() is not None, "the attempt has ended")
    assert namespace.phase("film") == "Suspended"
    namespace.patch("restorations", "film", {"spec": {"suspend": False}})
    until(lambda: held.latest().attempt == 2, "the next attempt is submitted")
    assert held.at(2).outcome() is None
    namespace.delete("restorations", "film")
    until(lambda: namespace.find("film") is None, "the resource is gone")
    ended = held.at(2).outcome()
    assert ended is not None
    assert ended.state == "cancelled"


def test_a_controller_that_is_killed_at_any_step_submits_once(
    namespace: Namespace, start: Start, ledger: str, tmp_path: Path
) -> None:
    """Killed after each of its first calls in turn, the controllers together submit the title as one attempt."""
    spec = film(tmp_path)
    namespace.create("Restoration", "film", spec)
    for _ in range(4):
        # Each goes on where the last one was killed: after its first call.
        assert start("0").wait() == 9
    start()
    until(lambda: namespace.condition("film", "Running")[1] == "Queued", "the title is submitted")
    held = RunLedger(ledger, run_of(**spec)).latest()
    assert (held.attempt, held.outcome()) == (1, None)


def test_another_replica_takes_over_from_a_killed_leader(namespace: Namespace, start: Start, tmp_path: Path) -> None:
    """Of two replicas one acts; when it is killed, the other one serves what is created after that."""
    replicas = [start(), start()]
    until(namespace.lease_holder, "one leads")
    namespace.create("Restoration", "first", film(tmp_path, "first"))
    until(lambda: namespace.condition("first", "Running")[1] == "Queued", "the leader works")
    leader = next(each for each in replicas if namespace.lease_holder().startswith(f"{each.name}_"))
    leader.kill()
    namespace.create("Restoration", "second", film(tmp_path, "second"))
    until(lambda: namespace.condition("second", "Running")[1] == "Queued", "the other one works")
    assert not namespace.lease_holder().startswith(f"{leader.name}_")


def test_a_leader_that_stood_still_goes_on(namespace: Namespace, start: Start, tmp_path: Path) -> None:
    """A frozen leader is replaced; when it goes on and leads again, it serves what was created meanwhile and after."""
    replicas = [start(), start()]
    until(namespace.lease_holder, "one leads")
    frozen = next(each for each in replicas if namespace.lease_holder().startswith(f"{each.name}_"))
    (other,) = (each for each in replicas if each is not frozen)
    frozen.freeze()
    until(lambda: namespace.lease_holder().startswith(f"{other.name}_"), "the other one leads")
    other.kill()
    namespace.create("Restoration", "meanwhile", film(tmp_path, "meanwhile"))
    frozen.thaw()
    namespace.create("Restoration", "after", film(tmp_path, "after"))
    titles = ("meanwhile", "after")
    until(lambda: {namespace.condition(name, "Running")[1] for name in titles} == {"Queued"}, "both are submitted")
