"""What the index of a ledger guarantees on every store."""

from __future__ import annotations

from reelwright.ledger.records import Outcome, OutcomeState
from reelwright.ledger.run_index import EndedRun, RunIndex
from reelwright.ledger.run_ledger import RunLedger
from reelwright.titles.request import PriorityClass
from tests.contract.ledger import FAILED
from tests.support.ledgers import RUN, request_of


class RunIndexContract:
    """Tests for each kind of store; a subclass provides the fixture `root`."""

    def test_the_index_follows_an_attempt(self, root: str) -> None:
        """An attempt is entered as unfinished, then by its outcome; of a run, the last attempt alone is listed."""
        index, ledger = RunIndex(root), RunLedger(root, RUN)

        def listed(*states: OutcomeState | None, priority: PriorityClass = "bulk") -> list[tuple[int, bool]]:
            return [(entry.attempt, entry.ended) for entry in index.entries(states, [priority])]

        assert not index.is_complete()
        assert listed(None, "failed") == []
        request = request_of(priority_class="bulk")
        index.begin(request)
        assert index.is_complete()
        ledger.put_request(request)
        assert listed(None) == listed(None, "failed") == [(1, False)]
        assert listed(None, priority="express") == listed("failed") == []
        ledger.put_outcome(FAILED)
        assert listed(None) == []
        (entry,) = index.entries(["failed"], ["bulk"])
        assert index.ended(entry) == EndedRun(request=request, outcome=FAILED)
        again = request_of(priority_class="bulk", attempt=2)
        index.begin(again)
        assert listed(None, "failed") == [(2, False)]
        ledger.at(2).put_request(again)
        ledger.at(2).put_outcome(Outcome(state="finished"))
        assert listed(None, "failed") == []
        assert listed("finished") == [(2, True)]
        assert list(index.entries(["finished"], ["bulk"], RUN)) == []
        ledger.at(2).remove()
        assert listed(None, "finished", "failed") == []
