"""The ledger's documents and files: whole or absent, first writer wins, on local and object stores alike."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.ledger.locks import run_lock
from reelwright.ledger.records import PlanEnd
from reelwright.ledger.store import RunLedger
from reelwright.titles.errors import LedgerError, OutputError, UnavailableError, UserError
from tests.ledgers import RUN, plan_of, put_file, record_of, title_of


@pytest.fixture(params=["local", "object store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place whose name needs no luck: spaces, a hash, a percent sign, other scripts."""
    if request.param == "local":
        return str(tmp_path / "réels & 映画 #1 100%")
    return f"memory://{uuid4().hex}/ledger"


def test_documents_come_back_as_written(root: str) -> None:
    """Whatever is put in the ledger is read back equal, by another instance."""
    writer, reader = RunLedger(root, RUN), RunLedger(root, RUN)
    writer.put_title(title_of())
    writer.put_plan(plan_of(3))
    writer.put_plan_end(PlanEnd(segments=4, frames=8, truncated_at=17))
    writer.put_plan_sample(3, 0, b"before")
    writer.put_segment_sample(3, 0, b"after")
    assert reader.title() == title_of()
    assert reader.plan(3) == plan_of(3)
    assert reader.plan_end() == PlanEnd(segments=4, frames=8, truncated_at=17)
    assert (reader.plan_sample(3, 0), reader.segment_sample(3, 0)) == (b"before", b"after")


def test_an_empty_ledger_answers_none(root: str) -> None:
    """Everything that was never written reads as None, and nothing is committed."""
    ledger = RunLedger(root, RUN)
    assert ledger.title() is ledger.plan(0) is ledger.plan_end() is ledger.segment(0) is None
    assert ledger.plan_sample(0, 0) is ledger.segment_sample(0, 0) is None
    assert ledger.committed() == set()
    assert not ledger.is_committed(0)


def test_a_segment_is_committed_by_its_record_alone(root: str, tmp_path: Path) -> None:
    """An encoded file, samples and plans do not count; the record does."""
    ledger = RunLedger(root, RUN)
    ledger.put_plan(plan_of(7))
    put_file(ledger, tmp_path, 7, b"film")
    ledger.put_segment_sample(7, 0, b"jpeg")
    assert ledger.committed() == set()
    ledger.commit(record_of(7))
    assert ledger.committed() == {7}
    assert ledger.is_committed(7)
    assert ledger.segment(7) == record_of(7)


def test_segment_numbers_may_outgrow_six_digits(root: str, tmp_path: Path) -> None:
    """A number of seven digits is listed as itself."""
    ledger = RunLedger(root, RUN)
    put_file(ledger, tmp_path, 1_234_567, b"film")
    ledger.commit(record_of(1_234_567))
    assert ledger.committed() == {1_234_567}


def test_a_record_without_its_file_is_refused(root: str) -> None:
    """The order is file, then record; the other way round is our own bug and says so."""
    with pytest.raises(LedgerError, match="before its file"):
        RunLedger(root, RUN).commit(record_of(0))


def test_the_committed_file_survives_a_later_different_encoding(root: str, tmp_path: Path) -> None:
    """A duplicate that encodes the same frames into other bytes neither fails nor displaces the first."""
    ledger = RunLedger(root, RUN)
    put_file(ledger, tmp_path, 0, b"first")
    put_file(ledger, tmp_path, 0, b"second")
    ledger.commit(record_of(0, b"first", seconds=1.0))
    ledger.commit(record_of(0, b"second", seconds=9.0))
    kept = ledger.segment(0)
    assert kept == record_of(0, b"first", seconds=1.0)
    assert ledger.segment_file(kept, tmp_path).read_bytes() == b"first"


def test_other_frames_for_a_committed_segment_are_refused(root: str, tmp_path: Path) -> None:
    """Restored frames that differ from the committed ones are an error that names the record."""
    ledger = RunLedger(root, RUN)
    put_file(ledger, tmp_path, 0, b"film")
    ledger.commit(record_of(0, digest="aa"))
    with pytest.raises(LedgerError, match=r"000000\.json.*frame_digests"):
        ledger.commit(record_of(0, digest="bb"))


def test_a_changed_segment_file_is_noticed(tmp_path: Path) -> None:
    """A committed file that is not what was committed is never assembled."""
    ledger = RunLedger(str(tmp_path), RUN)
    put_file(ledger, tmp_path, 0, b"film")
    ledger.commit(record_of(0))
    path = ledger.segment_file(record_of(0), tmp_path)
    path.write_bytes(b"fiIm")
    with pytest.raises(LedgerError, match="not the file that was committed"):
        ledger.segment_file(record_of(0), tmp_path)


def test_a_title_may_move_but_not_change(root: str) -> None:
    """A request for the same run from another path is accepted; another engine under its name is not."""
    ledger = RunLedger(root, RUN)
    ledger.put_title(title_of("a.mp4"))
    ledger.put_title(title_of("b.mp4"))
    assert ledger.title() == title_of("b.mp4")
    with pytest.raises(LedgerError, match="engine"):
        ledger.put_title(title_of("b.mp4", engine="other"))


@given(cut=st.integers(min_value=0))
@settings(max_examples=40, deadline=None)
def test_a_cut_document_is_named(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """A document cut at any byte is an error that names it, never half a plan."""
    folder = tmp_path_factory.mktemp("cut")
    ledger = RunLedger(str(folder), RUN)
    ledger.put_plan(plan_of(5))
    path = folder / RUN / "plan" / "000005.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: cut % len(whole)])
    with pytest.raises(LedgerError, match=r"000005\.json.*SegmentPlan"):
        ledger.plan(5)


@given(writes=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["d0", "d1"])), max_size=12), local=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_first_writer_wins(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, str]], local: bool
) -> None:
    """After any order of writes each plan is the first one's, and just the contradicting writes were refused."""
    root = str(tmp_path_factory.mktemp("race")) if local else f"memory://{uuid4().hex}"
    first: dict[int, str] = {}
    for segment, digest in writes:
        ledger = RunLedger(root, RUN)
        if first.setdefault(segment, digest) == digest:
            ledger.put_plan(plan_of(segment, digest))
        else:
            with pytest.raises(LedgerError, match="source_digest"):
                ledger.put_plan(plan_of(segment, digest))
    for segment, digest in first.items():
        assert RunLedger(root, RUN).plan(segment) == plan_of(segment, digest)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, UnavailableError, "no space left"),
        (errno.EDQUOT, UnavailableError, "the disk quota is used up"),
        (errno.ESTALE, UnavailableError, "does not answer"),
        (errno.EACCES, OutputError, "not writable"),
        (errno.EROFS, OutputError, "the file system is read-only"),
    ],
)
def test_a_place_that_takes_nothing_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[UserError], words: str
) -> None:
    """A full disk may pass and a read-only one does not; either says where and leaves no file behind."""

    def refuse(_handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(UserError) as caught:
        RunLedger(str(tmp_path), RUN).put_plan(plan_of(1))
    assert type(caught.value) is kind
    line = str(caught.value)
    assert words in line
    assert str(tmp_path / RUN / "plan" / "000001.json") in line
    assert "\n" not in line
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_in_place_of_the_folder_is_one_clear_line(tmp_path: Path) -> None:
    """Asking for a ledger below a plain file says that a file stands there."""
    (tmp_path / "film").write_bytes(b"")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        RunLedger(str(tmp_path / "film"), RUN).put_plan(plan_of(0))


def test_a_disk_without_hard_links_still_keeps_the_first_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On exFAT and the like, where link(2) is refused, documents are written and contradictions noticed."""

    def refuse(_target: Path, _source: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    ledger = RunLedger(str(tmp_path), RUN)
    ledger.put_plan(plan_of(0))
    ledger.put_plan(plan_of(0))
    with pytest.raises(LedgerError):
        ledger.put_plan(plan_of(0, "other"))
    assert sorted(path.name for path in (tmp_path / RUN / "plan").iterdir()) == ["000000.json"]


WRITER = """
import sys
from tests.ledgers import RUN, plan_of, put_file, record_of
from pathlib import Path
from reelwright.ledger.store import RunLedger
root, scratch = sys.argv[1], Path(sys.argv[2])
ledger = RunLedger(root, RUN)
for segment in range(100_000):
    ledger.put_plan(plan_of(segment))
    put_file(ledger, scratch, segment, b"x" * 300_000 + str(segment).encode())
    ledger.commit(record_of(segment, b"x" * 300_000 + str(segment).encode()))
    print(segment, flush=True)
"""


def test_a_killed_writer_leaves_whole_documents(tmp_path: Path) -> None:
    """Whatever a SIGKILL interrupts: committed segments are whole, and `sweep` removes the rest."""
    root = tmp_path / "ledger"
    for kill_after in (1, 4, 9):
        (tmp_path / "scratch").mkdir(exist_ok=True)
        command = [sys.executable, "-c", WRITER, str(root), str(tmp_path / "scratch")]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(kill_after):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    ledger = RunLedger(str(root), RUN)
    committed = ledger.committed()
    assert len(committed) >= 9
    ledger.sweep()
    for segment in committed:
        done = ledger.segment(segment)
        assert done is not None
        assert ledger.plan(segment) == plan_of(segment)
        assert ledger.segment_file(done, tmp_path).stat().st_size == done.file_bytes
    names = {path.name for path in (root / RUN / "segments").iterdir()}
    assert len(names) == 2 * len(committed)


def test_sweep_removes_what_no_record_names(root: str, tmp_path: Path) -> None:
    """An encoded file without a record goes; the committed one and every document stay."""
    ledger = RunLedger(root, RUN)
    ledger.put_plan(plan_of(0))
    for content in (b"kept", b"loser"):
        put_file(ledger, tmp_path, 0, content)
    put_file(ledger, tmp_path, 1, b"never committed")
    ledger.commit(record_of(0, b"kept"))
    ledger.sweep()
    put_names = [ledger.segment_file(record_of(0, b"kept"), tmp_path).read_bytes()]
    assert put_names == [b"kept"]
    with pytest.raises(LedgerError):
        ledger.segment_file(record_of(0, b"loser"), tmp_path)
    with pytest.raises(LedgerError):
        ledger.commit(record_of(1, b"never committed"))
    assert ledger.plan(0) == plan_of(0)


HOLDER = """
import sys
from pathlib import Path
from reelwright.ledger.locks import run_lock
with run_lock(Path(sys.argv[1]), lambda: print("waiting", flush=True)):
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_second_run_waits_and_is_told_so_once(tmp_path: Path) -> None:
    """While one process holds the lock another waits, hears about it once, and gets it when the first is killed."""
    path = tmp_path / "new folder" / "run.lock"
    first = _holder(path)
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    second = _holder(path)
    assert second.stdout is not None
    assert second.stdout.readline() == "waiting\n"
    first.kill()
    first.communicate()
    out, _ = second.communicate("")
    assert out == "held\n"


def test_the_lock_follows_its_path(tmp_path: Path) -> None:
    """A holder that removes the lock file with its folder does not let two others in at once."""
    path = tmp_path / "run.lock"
    first = _holder(path)
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    second = _holder(path)
    assert second.stdout is not None
    assert second.stdout.readline() == "waiting\n"
    path.unlink()
    with run_lock(path):
        first.kill()
        first.communicate()
        third = _holder(path)
        assert third.stdout is not None
        assert third.stdout.readline() == "waiting\n"
        third.kill()
        third.communicate()
    assert second.communicate("")[0] == "held\n"
