"""What a run's ledger must do on every kind of store.

A test module subclasses `LedgerContract` and supplies the `root` fixture: a location of its own for each test, whose
name needs no luck: spaces, a hash, a percent sign, other scripts.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from reelwright.bus.claim_check import ClaimCheck
from reelwright.ledger.delivery import credentials_location, manifest_location, report_location
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_builder import build_manifest
from reelwright.ledger.manifest_file import read_manifest, write_manifest
from reelwright.ledger.output_claims import check_claim, claim_output
from reelwright.ledger.records import Outcome, PlanEnd
from reelwright.ledger.report.page import write_report
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.runs import list_runs
from reelwright.store.folder import Folder, parent_folder
from reelwright.titles.errors import CorruptPayload, LedgerError, LostSegment, OutputError
from reelwright.wire.frames_pb2 import Payload
from tests.support.ledgers import RUN, film_of, plan_of, planned, put_file, put_run, record_of, request_of, title_of

AWKWARD = "réels & 映画 #1 100%"
FILM = bytes(range(256)) * 40
FAILED = Outcome(state="failed", reason="a.mp4: no such file; check the path", exit_code=2, error="InputError")


def finish(ledger: RunLedger, scratch: Path) -> Manifest:
    """Puts a finished run: segments, film, report and manifest, as the encoder does."""
    put_run(ledger, scratch, title_of(), planned([4, 3]))
    manifest = build_manifest(ledger, film_of(7, size=len(FILM), sha256=hashlib.sha256(FILM).hexdigest()))
    with ledger.film.draft("film.mp4", scratch) as draft:
        draft.write_bytes(FILM)
        film = ledger.film.put(draft, "film.mp4")
    write_report(manifest, ledger, film)
    write_manifest(manifest, film)
    return manifest


def content(location: str) -> bytes | None:
    """The bytes at a location of any store."""
    folder, name = parent_folder(location)
    return folder.read(name)


def payload_of(data: bytes) -> Payload:
    """A payload that holds `data`."""
    return Payload(pix_fmt="gray", codec="raw", inline=data, digest=hashlib.sha256(data).digest())


class LedgerContract:
    def test_documents_come_back_as_written(self, root: str) -> None:
        """Another instance reads every document as it was written."""
        writer, reader = RunLedger(root, RUN), RunLedger(root, RUN)
        writer.put_title(title_of())
        writer.put_plan(plan_of(3))
        writer.put_plan_end(PlanEnd(segments=4, frames=8, truncated_at=17))
        writer.pictures.put_source(3, 0, b"before")
        writer.pictures.put_restored(3, 0, b"after")
        assert reader.title() == title_of()
        assert reader.plan(3) == plan_of(3)
        assert reader.plan_end() == PlanEnd(segments=4, frames=8, truncated_at=17)
        assert (reader.pictures.source(3, 0), reader.pictures.restored(3, 0)) == (b"before", b"after")

    def test_an_empty_ledger_answers_none(self, root: str) -> None:
        """Documents that were never written are None, and nothing is committed."""
        ledger = RunLedger(root, RUN)
        documents = (ledger.title(), ledger.plan(0), ledger.plan_end(), ledger.segment(0))
        previews = (ledger.pictures.source(0, 0), ledger.pictures.restored(0, 0))
        assert all(document is None for document in (*documents, *previews))
        assert ledger.committed_segments() == set()
        assert not ledger.is_committed(0)

    def test_a_segment_is_committed_by_its_record_alone(self, root: str, tmp_path: Path) -> None:
        """A segment is committed when its record is there, not by its file, previews or plan."""
        ledger = RunLedger(root, RUN)
        ledger.put_plan(plan_of(7))
        put_file(ledger, tmp_path, 7, b"film")
        ledger.pictures.put_restored(7, 0, b"jpeg")
        assert ledger.committed_segments() == set()
        ledger.commit_segment(record_of(7))
        assert ledger.committed_segments() == {7}
        assert ledger.is_committed(7)
        assert ledger.segment(7) == record_of(7)

    def test_segment_numbers_may_outgrow_six_digits(self, root: str, tmp_path: Path) -> None:
        """A number of seven digits is listed as itself."""
        ledger = RunLedger(root, RUN)
        put_file(ledger, tmp_path, 1_234_567, b"film")
        ledger.commit_segment(record_of(1_234_567))
        assert ledger.committed_segments() == {1_234_567}

    def test_a_record_without_its_file_is_refused(self, root: str) -> None:
        """A record whose file is missing is an error."""
        with pytest.raises(LedgerError, match="before its file"):
            RunLedger(root, RUN).commit_segment(record_of(0))

    def test_the_committed_file_survives_a_later_different_encoding(self, root: str, tmp_path: Path) -> None:
        """A duplicate with other bytes for the same frames has no effect."""
        ledger = RunLedger(root, RUN)
        put_file(ledger, tmp_path, 0, b"first")
        put_file(ledger, tmp_path, 0, b"second")
        ledger.commit_segment(record_of(0, b"first", seconds=1.0))
        ledger.commit_segment(record_of(0, b"second", seconds=9.0))
        kept = ledger.segment(0)
        assert kept == record_of(0, b"first", seconds=1.0)
        assert ledger.segment_file(kept, tmp_path).read_bytes() == b"first"

    def test_a_late_committer_accepts_the_first_record(self, root: str, tmp_path: Path) -> None:
        """Of two commits with different frames the first one counts, and the second committer learns which."""
        ledger = RunLedger(root, RUN)
        put_file(ledger, tmp_path, 0, b"film")
        assert ledger.commit_segment(record_of(0, digest="aa")) == record_of(0, digest="aa")
        assert ledger.commit_segment(record_of(0, digest="bb")) == record_of(0, digest="aa")
        assert ledger.segment(0) == record_of(0, digest="aa")

    def test_the_age_of_a_mark_is_told_by_the_store(self, root: str) -> None:
        """A mark that was just written, or written again, is young; one that was removed has no age."""
        marks = RunLedger(root, RUN).work_marks
        name = marks.put_mark("assemble")
        marks.refresh(name)
        assert marks.names("assemble") == [name]
        assert (marks.count_dead([name], 60), marks.count_dead([name], -60)) == (0, 1)
        marks.remove(name)
        marks.refresh(name)
        assert (marks.names("assemble"), marks.count_dead([name], -60)) == ([], 0)

    @pytest.mark.parametrize("damage", ["the file is missing", "the file is cut", "the record is cut"])
    def test_a_record_that_does_not_count_is_replaced(self, root: str, tmp_path: Path, damage: str) -> None:
        """A segment whose record cannot be read, or whose file is missing or cut, is committed again."""
        ledger, folder = RunLedger(root, RUN), Folder(f"{root}/{RUN}")
        put_file(ledger, tmp_path, 0, b"film")
        ledger.commit_segment(record_of(0))
        (file,) = (name for name in folder.list_names("segments") if name.endswith(".mkv"))
        if damage == "the file is missing":
            folder.remove(f"segments/{file}")
            assert ledger.committed_segments() == set()
        elif damage == "the file is cut":
            folder.replace(f"segments/{file}", b"fi")
            with pytest.raises(LostSegment):
                ledger.segment_file(record_of(0), tmp_path)
        else:
            folder.replace("segments/000000.json", b"{")
        assert not ledger.is_committed(0)
        put_file(ledger, tmp_path, 0, b"again")
        assert ledger.commit_segment(record_of(0, b"again")) == record_of(0, b"again")
        assert ledger.is_committed(0)
        assert ledger.segment_file(record_of(0, b"again"), tmp_path).read_bytes() == b"again"

    def test_a_title_may_move_but_not_change(self, root: str) -> None:
        """A title may get another source location, but not another engine."""
        ledger = RunLedger(root, RUN)
        ledger.put_title(title_of("a.mp4"))
        ledger.put_title(title_of("b.mp4"))
        assert ledger.title() == title_of("b.mp4")
        with pytest.raises(LedgerError, match=r"request\.engine"):
            ledger.put_title(title_of("b.mp4", engine="other"))

    def test_a_run_keeps_its_first_engine(self, root: str) -> None:
        """Of two engines the first one that is written stays the run's; a run that is removed has none."""
        ledger = RunLedger(root, RUN)
        assert ledger.engine() == ""
        assert ledger.bind_engine("a-1 fp32") == "a-1 fp32"
        assert RunLedger(root, RUN).bind_engine("b-1 fp32") == "a-1 fp32"
        assert ledger.engine() == "a-1 fp32"
        ledger.prune()
        assert ledger.engine() == ""

    def test_a_committed_segment_decides_on_the_engine(self, root: str, tmp_path: Path) -> None:
        """A run with committed segments and no engine of its own gets theirs."""
        ledger = RunLedger(root, RUN)
        put_file(ledger, tmp_path, 3, b"film")
        ledger.commit_segment(record_of(3))
        assert ledger.bind_engine("b-1 fp32") == record_of(3).engine

    def test_leftovers_are_removed(self, root: str, tmp_path: Path) -> None:
        """An encoded file without a record is removed; committed files and documents stay."""
        ledger = RunLedger(root, RUN)
        ledger.put_plan(plan_of(0))
        for content in (b"kept", b"loser"):
            put_file(ledger, tmp_path, 0, content)
        put_file(ledger, tmp_path, 1, b"never committed")
        ledger.commit_segment(record_of(0, b"kept"))
        ledger.remove_leftovers()
        put_names = [ledger.segment_file(record_of(0, b"kept"), tmp_path).read_bytes()]
        assert put_names == [b"kept"]
        with pytest.raises(LostSegment):
            ledger.segment_file(record_of(0, b"loser"), tmp_path)
        with pytest.raises(LedgerError):
            ledger.commit_segment(record_of(1, b"never committed"))
        assert ledger.plan(0) == plan_of(0)

    def test_a_request_is_what_was_submitted_last(self, root: str) -> None:
        """A later request replaces deadline and output."""
        ledger = RunLedger(root, RUN)
        assert ledger.request() is None
        ledger.put_request(request_of())
        ledger.put_request(request_of(output="elsewhere.mp4", deadline=0))
        assert RunLedger(root, RUN).request() == request_of(output="elsewhere.mp4", deadline=0)

    def test_the_first_outcome_stands(self, root: str) -> None:
        """The first outcome of an attempt stands, and later writers learn it."""
        ledger = RunLedger(root, RUN)
        assert ledger.outcome() is None
        assert ledger.put_outcome(FAILED)
        assert not ledger.put_outcome(Outcome(state="finished", output="film.mp4"))
        assert ledger.put_outcome(FAILED), "its answer was lost and it asks again"
        assert ledger.outcome() == FAILED
        assert ledger.at(2).outcome() is None
        assert ledger.at(2).put_outcome(Outcome(state="cancelled"))
        assert ledger.outcome() == FAILED

    def test_the_runs_of_a_root_are_listed(self, root: str) -> None:
        """Only runs are listed, and a missing root has none."""
        assert list_runs(root) == []
        other = RUN[::-1]
        RunLedger(root, other).put_outcome(FAILED)
        RunLedger(root, RUN).put_request(request_of())
        Folder(root).create("notes.txt", b"")
        Folder(root).create("sources/a.mp4", b"")
        assert list_runs(root) == sorted([RUN, other])

    @pytest.mark.parametrize("place", ["the same store", "a local folder", "another store"])
    def test_a_film_is_delivered_and_its_run_pruned(self, root: str, tmp_path: Path, place: str) -> None:
        """The film and the files beside it are delivered to any store; request, title and outcome stay in the run."""
        output = {
            "the same store": f"{root} films/Le réel 1.mp4",
            "a local folder": str(tmp_path / "new folder" / "Le réel 1.mp4"),
            "another store": f"memory://{uuid4().hex}/Le réel 1.mp4",
        }[place]
        ledger = RunLedger(root, RUN)
        ledger.put_request(request_of())
        manifest = finish(ledger, tmp_path)
        ledger.film.put_credentials(b"signed", "film.mp4")
        assert ledger.film.delivered_manifest(output) is None
        assert ledger.film.deliver(output) == manifest
        ledger.put_outcome(Outcome(state="finished", output=output))
        ledger.prune()
        assert content(output) == FILM
        assert content(credentials_location(output)) == b"signed"
        assert read_manifest(output) == manifest
        assert (content(report_location(output)) or b"").startswith(b"<!doctype html>")
        assert ledger.film.delivered_manifest(output) == manifest
        left = Folder(f"{root}/{RUN}")
        assert [name for name in left.list_names("") if left.exists(name)] == [
            "outcome.json",
            "request.json",
            "title.json",
        ]
        assert ledger.film.deliver(output) == manifest, "nothing is left to do"

    @pytest.mark.parametrize("done", [0, 1, 2, 3])
    def test_an_interrupted_delivery_is_completed(
        self, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
    ) -> None:
        """A delivery killed between two files is completed by the next one, and the film does not count before."""
        output, ledger = f"{root} films/a.mp4", RunLedger(root, RUN)
        given: list[tuple[object, ...]] = []
        manifest = finish(ledger, tmp_path)
        ledger.film.put_credentials(b"signed", "film.mp4")
        give = Folder.transfer

        def killed(*files: object) -> bool:
            if len(given) == done:
                raise KeyboardInterrupt
            given.append(files)
            return give(*files)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(Folder, "transfer", killed)
            with pytest.raises(KeyboardInterrupt):
                ledger.film.deliver(output)
        assert ledger.film.delivered_manifest(output) is None
        assert RunLedger(root, RUN).film.deliver(output) == manifest
        assert content(output) == FILM
        assert content(credentials_location(output)) == b"signed"
        assert ledger.film.delivered_manifest(output) == manifest

    def test_another_film_at_the_output_does_not_count(self, root: str, tmp_path: Path) -> None:
        """A film of another run, of another size or without its report does not count."""
        output, ledger = f"{root} films/a.mp4", RunLedger(root, RUN)
        finish(ledger, tmp_path)
        ledger.film.deliver(output)
        assert RunLedger(root, RUN[::-1]).film.delivered_manifest(output) is None
        folder, name = parent_folder(output)
        folder.replace(name, FILM[:-1])
        assert ledger.film.delivered_manifest(output) is None
        folder.replace(name, FILM)
        folder.remove(report_location(name))
        assert ledger.film.delivered_manifest(output) is None

    def test_a_broken_manifest_at_the_output_does_not_count(self, root: str, tmp_path: Path) -> None:
        """A film with an incomplete manifest does not count."""
        output, ledger = f"{root} films/a.mp4", RunLedger(root, RUN)
        finish(ledger, tmp_path)
        ledger.film.deliver(output)
        folder, name = parent_folder(manifest_location(output))
        folder.replace(name, (folder.read(name) or b"")[:100])
        assert ledger.film.delivered_manifest(output) is None

    def test_a_film_that_is_not_finished_leaves_nothing_behind(self, root: str, tmp_path: Path) -> None:
        """A failed assembly removes its draft."""
        ledger = RunLedger(root, RUN)
        ledger.put_request(request_of())

        def assemble() -> None:
            with ledger.film.draft("film.mp4", tmp_path) as draft:
                draft.write_bytes(FILM)
                raise OSError("no more")

        for _ in range(2):
            with pytest.raises(OSError, match="no more"):
                assemble()
        assert Folder(f"{root}/{RUN}").list_names("") == ["request.json"]
        assert not list(tmp_path.rglob("*.mp4"))

    def test_one_run_at_a_time_claims_an_output(self, root: str) -> None:
        """Of several runs one gets an output; when it has ended, one of the others takes it over."""
        output, runs = f"{root} films/a.mp4", [f"{number:020x}" for number in range(6)]

        def claim(run: str) -> str | None:
            ledger = RunLedger(root, run)
            try:
                claim_output(ledger, output)
            except OutputError:
                return None
            ledger.put_request(request_of(run=run, output=output))
            claim_output(ledger, output)
            return run

        # Creating a file in memory is not atomic.
        threads = 1 if root.startswith("memory") else len(runs)
        for _ in range(2):
            with ThreadPoolExecutor(threads) as pool:
                (winner,) = filter(None, pool.map(claim, runs))
            check_claim(RunLedger(root, winner), output)
            runs.remove(winner)
            with pytest.raises(OutputError, match=f"run {winner} has this output now"):
                check_claim(RunLedger(root, runs[0]), output)
            RunLedger(root, winner).put_outcome(FAILED)
        claim_output(RunLedger(root, winner, 2), output)
        with pytest.raises(OutputError, match=f"run {winner} is under way for this output"):
            claim_output(RunLedger(root, runs[0]), output)
        claim_output(RunLedger(root, runs[0]), f"{root} films/b.mp4")

    def test_an_output_that_nobody_claimed_is_free(self, root: str) -> None:
        """Without claims, as in one process, a film may be delivered; once another run has the output, it may not."""
        output, other = f"{root} films/a.mp4", f"{1:020x}"
        check_claim(RunLedger(root, RUN), output)
        RunLedger(root, other).put_request(request_of(run=other, output=output))
        claim_output(RunLedger(root, other), output)
        with pytest.raises(OutputError, match=f"run {other} has this output now"):
            check_claim(RunLedger(root, RUN), output)

    def test_nothing_is_delivered_of_an_unfinished_run(self, root: str) -> None:
        """Delivering a film that was never assembled is an error."""
        with pytest.raises(LedgerError, match="no finished film"):
            RunLedger(root, RUN).film.deliver(f"{root} films/a.mp4")

    def test_a_large_payload_waits_in_the_store(self, root: str) -> None:
        """A large payload is stored below the ledger's root and a small one stays in its message."""
        claims, payload = ClaimCheck(root, 100), payload_of(bytes(101))
        small = payload_of(bytes(100))
        assert claims.store_if_large(small, RUN, 7) == small
        assert claims.store_if_large(small, RUN, 7, beside=1).reference, "the message has no room for both"
        checked = claims.store_if_large(payload, RUN, 7)
        assert checked.reference == f"{RUN}/payloads/000007/{payload.digest.hex()}"
        assert (checked.digest, checked.codec, checked.inline) == (payload.digest, "raw", b"")
        assert ClaimCheck(root, 100).load(checked, RUN, 7) == payload.inline
        assert claims.store_if_large(checked, RUN, 7) == checked

    def test_a_damaged_payload_is_mended_by_checking_it_in_again(self, root: str) -> None:
        """Storing a payload again replaces a damaged one."""
        claims, payload = ClaimCheck(root, 0), payload_of(b"frames")
        checked = claims.store_if_large(payload, RUN, 0)
        Folder(root).replace(checked.reference, b"fram")
        assert claims.load(checked, RUN, 0) == b"fram"
        claims.store_if_large(payload, RUN, 0)
        assert claims.load(checked, RUN, 0) == b"frames"

    def test_deleted_payloads_are_missing(self, root: str) -> None:
        """Payloads of a segment or of a run are removed, and the others stay."""
        claims = ClaimCheck(root, 0)
        checked = [claims.store_if_large(payload_of(bytes([segment])), RUN, segment) for segment in range(3)]
        claims.delete_payloads(RUN, 1)
        claims.delete_payloads(RUN, 1)
        with pytest.raises(CorruptPayload, match="missing"):
            claims.load(checked[1], RUN, 1)
        assert claims.load(checked[2], RUN, 2) == b"\2"
        claims.delete_payloads(RUN)
        with pytest.raises(CorruptPayload, match="missing"):
            claims.load(checked[2], RUN, 2)
