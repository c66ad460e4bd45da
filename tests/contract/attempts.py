"""What the attempts of a run must do on every kind of store: nothing of one acts on a later one.

A test module subclasses `AttemptContract` and supplies the `root` fixture: a location of its own for each test.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwright.ledger.attempts import place_request
from reelwright.ledger.output_claims import check_claim, claim_output
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.runs import Runs
from reelwright.store.folder import Folder
from reelwright.titles.errors import LedgerError, OutputError
from tests.contract.ledger import FAILED
from tests.support.ledgers import RUN, plan_of, put_file, record_of, request_of, shown_of, title_of


class AttemptContract:
    def test_a_discarded_segment_is_committed_again(self, root: str, tmp_path: Path) -> None:
        """A segment that is found damaged after its commit counts as not committed, also when it was adopted."""
        first = RunLedger(root, RUN)
        put_file(first, tmp_path, 0, b"film")
        first.commit_segment(record_of(0))
        first.put_outcome(FAILED)
        second = first.at(2)
        second.adopt(first)
        assert second.is_committed(0)
        second.discard_segment(0)
        assert not second.is_committed(0)
        assert second.committed_segments() == set()
        put_file(second, tmp_path, 0, b"film")
        second.commit_segment(record_of(0))
        assert second.committed_segments() == {0}
        assert first.committed_segments() == set(), "it stays in the attempt that made it"

    def test_a_later_attempt_adopts_what_is_committed(self, root: str, tmp_path: Path) -> None:
        """An attempt has the segments that were committed when it began, of every attempt before, and no others."""
        first = RunLedger(root, RUN)
        for segment in (0, 1):
            put_file(first, tmp_path, segment, b"film")
            first.commit_segment(record_of(segment))
            first.pictures.put_restored(segment, 0, b"restored")
            first.put_plan(plan_of(segment))
        first.pictures.put_source(0, 0, b"source")
        first.pictures.put_shown(0, 0, shown_of())
        first.put_outcome(FAILED)
        second = first.at(2)
        assert second.committed_segments() == set()
        second.adopt(first)
        put_file(first, tmp_path, 2, b"late")
        first.commit_segment(record_of(2, b"late"))
        second.adopt(first)
        put_file(second, tmp_path, 3, b"film")
        second.commit_segment(record_of(3))
        second.put_outcome(FAILED)
        third = first.at(3)
        third.adopt(second)
        assert second.committed_segments() == third.committed_segments() == {0, 1, 3}
        assert third.adopted() == {0: 1, 1: 1, 3: 2}
        assert not third.is_committed(2)
        for segment in (0, 1, 3):
            assert third.is_committed(segment)
            assert third.segment(segment) == record_of(segment)
            assert third.segment_file(record_of(segment), tmp_path).read_bytes() == b"film"
        assert (third.pictures.source(0, 0), third.pictures.restored(0, 0)) == (b"source", b"restored")
        assert third.pictures.shown(0, 0) == shown_of()
        assert third.agrees_with_adopted(plan_of(0))
        assert not third.agrees_with_adopted(plan_of(0, digest="other"))
        assert third.agrees_with_adopted(plan_of(2, digest="other"))
        assert third.agrees_with_adopted(plan_of(0).model_copy(update={"format": 99})), "written by another version"
        Folder(f"{root}/{RUN}").replace("plan/000000.json", b"")
        assert not third.agrees_with_adopted(plan_of(0)), "the earlier plan cannot be read"

    def test_an_attempts_own_commit_is_not_compared_with_an_earlier_plan(self, root: str, tmp_path: Path) -> None:
        """A segment that an attempt made again of other pictures than the earlier attempt stays committed."""
        first = RunLedger(root, RUN)
        put_file(first, tmp_path, 0, b"film")
        first.commit_segment(record_of(0))
        first.put_plan(plan_of(0))
        first.put_outcome(FAILED)
        second = first.at(2)
        second.adopt(first)
        second.put_plan(plan_of(0, digest="other"))
        assert not second.agrees_with_adopted(plan_of(0, digest="other"))
        second.discard_segment(0)
        assert not second.agrees_with_adopted(plan_of(0, digest="other"))
        put_file(second, tmp_path, 0, b"film")
        second.commit_segment(record_of(0))
        assert second.agrees_with_adopted(plan_of(0, digest="other"))

    def test_nothing_is_adopted_of_a_finished_attempt(self, root: str, tmp_path: Path) -> None:
        """An attempt after a finished one begins empty, and a late prune of the finished one removes nothing of it."""
        first = RunLedger(root, RUN)
        put_file(first, tmp_path, 0, b"film")
        first.commit_segment(record_of(0))
        first.put_outcome(Outcome(state="finished"))
        second = place_request(first, request_of(), request_of(output="other.mp4"))
        assert second is not None
        assert (second.attempt, second.committed_segments()) == (2, set())
        put_file(second, tmp_path, 1, b"film")
        second.commit_segment(record_of(1))
        first.pictures.put_shown(0, 0, shown_of())
        first.prune()
        assert first.committed_segments() == set()
        assert first.pictures.shown(0, 0) is None
        assert second.committed_segments() == {1}
        assert second.segment_file(record_of(1), tmp_path).read_bytes() == b"film"

    def test_an_outcome_without_content_ends_its_attempt(self, root: str, tmp_path: Path) -> None:
        """An attempt whose outcome cannot be read has failed, and the next one adopts its segments."""
        first = RunLedger(root, RUN)
        first.put_request(request_of())
        put_file(first, tmp_path, 0, b"film")
        first.commit_segment(record_of(0))
        Folder(f"{root}/{RUN}").create("outcome.json", b"")
        outcome = first.outcome()
        assert outcome is not None
        assert (outcome.state, outcome.exit_code, outcome.error) == ("failed", 1, "LedgerError")
        assert "outcome.json: not a whole Outcome" in outcome.reason
        assert Runs(root).only_outcome(RUN) == outcome
        second = place_request(first, request_of(), request_of())
        assert second is not None
        assert (second.attempt, second.outcome(), second.committed_segments()) == (2, None, {0})

    def test_an_outcome_without_content_is_replaced(self, root: str) -> None:
        """An outcome that cannot be read gives way to the next one, which stands."""
        first = RunLedger(root, RUN)
        Folder(f"{root}/{RUN}").create("outcome.json", b"")
        assert first.put_outcome(FAILED)
        assert not first.put_outcome(Outcome(state="finished"))
        assert first.outcome() == FAILED

    def test_a_title_without_content_is_replaced(self, root: str) -> None:
        """A title that cannot be read is written again, and one of another request is refused."""
        ledger = RunLedger(root, RUN)
        Folder(f"{root}/{RUN}").create("title.json", b"")
        ledger.put_title(title_of())
        assert ledger.title() == title_of()
        with pytest.raises(LedgerError, match="written before with other content"):
            ledger.put_title(title_of().model_copy(update={"out_width": 2}))

    def test_a_run_whose_request_cannot_be_read_has_its_output(self, root: str) -> None:
        """The output of a run under way is refused to another run, also when the request cannot be read."""
        output, (first, second) = f"{root} films/a.mp4", (RunLedger(root, f"{number:020x}") for number in (1, 2))
        claim_output(first, output)
        Folder(f"{root}/{first.run}").create("request.json", b"")
        with pytest.raises(OutputError, match=f"run {first.run} is under way for this output"):
            claim_output(second, output)
        first.put_outcome(FAILED)
        claim_output(second, output)

    @pytest.mark.parametrize("document", ["adopted.json", "engine.json"])
    def test_an_attempt_whose_documents_cannot_be_read_is_followed_by_another(
        self, root: str, tmp_path: Path, document: str
    ) -> None:
        """After an attempt whose engine or adoption cannot be read the next one begins, without its segments."""
        second = RunLedger(root, RUN).at(2)
        second.put_request(request_of(attempt=2))
        put_file(second, tmp_path, 0, b"film")
        second.commit_segment(record_of(0))
        Folder(f"{root}/{RUN}/attempts/000002").create(document, b"")
        second.put_outcome(FAILED)
        third = place_request(second.at(2), request_of(attempt=2), request_of())
        assert third is not None
        assert (third.attempt, third.engine(), third.committed_segments()) == (3, "", set())

    def test_a_claim_without_content_is_taken_over(self, root: str) -> None:
        """An output whose claim cannot be read is claimed by the next run, and the run that had it is refused."""
        output, (first, second) = f"{root} films/a.mp4", (RunLedger(root, f"{number:020x}") for number in (1, 2))
        claim_output(first, output)
        claims = Folder(f"{root}/output-claims")
        (folder,) = claims.list_names("")
        claims.replace(f"{folder}/000000001.json", b"")
        check_claim(first, output)
        claim_output(second, output)
        check_claim(second, output)
        with pytest.raises(OutputError, match=f"run {second.run} has this output now"):
            check_claim(first, output)

    def test_the_last_attempt_is_found(self, root: str) -> None:
        """The last attempt is the one submitted last, not one whose submission was killed before its request."""
        first = RunLedger(root, RUN)
        assert first.latest().attempt == 1
        first.put_request(request_of())
        first.put_outcome(FAILED)
        first.at(2).adopt(first)
        assert first.latest().attempt == 1
        assert place_request(first, request_of(), request_of()) is not None
        assert first.latest().attempt == 2
        assert first.latest().request() == request_of(attempt=2)
        assert place_request(first, request_of(), request_of()) is None, "another submission has begun it"
