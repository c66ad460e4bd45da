"""The ledger's documents and files are complete or absent, and the first writer wins, on every kind of store."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.ledger.run_ledger import RunLedger
from reelwright.titles.errors import LedgerError, LostSegment, OneLineError, OutputError, UnavailableError
from tests.contract.ledger import AWKWARD, LedgerContract
from tests.contract.run_index import RunIndexContract
from tests.support.ledgers import RUN, plan_of, put_file, record_of, title_of


class TestLocalLedger(LedgerContract, RunIndexContract):
    @pytest.fixture
    def root(self, tmp_path: Path) -> str:
        return str(tmp_path / AWKWARD)


class TestLedgerInMemory(LedgerContract, RunIndexContract):
    """As on an object store: no folders, no links."""

    @pytest.fixture
    def root(self) -> str:
        return f"memory://{uuid4().hex}/{AWKWARD}"


def test_a_changed_segment_file_is_noticed(tmp_path: Path) -> None:
    """A committed file of the same size that was changed is found lost."""
    ledger = RunLedger(str(tmp_path), RUN)
    put_file(ledger, tmp_path, 0, b"film")
    ledger.commit_segment(record_of(0))
    path = ledger.segment_file(record_of(0), tmp_path)
    path.write_bytes(b"fiIm")
    with pytest.raises(LostSegment, match="segment 0 is missing or damaged"):
        ledger.segment_file(record_of(0), tmp_path)


def test_documents_of_development_versions_are_read(tmp_path: Path) -> None:
    """A title that repeats its request's fields and a plan whose previews are called samples are read as meant."""
    ledger, title, plan = RunLedger(str(tmp_path), RUN), title_of(), plan_of()
    request = title.request.model_dump(include={"run", "recipe", "output", "fingerprint", "engine", "model_sha256"})
    flat = title.model_dump(exclude={"request"}) | request | {"recipe": title.request.recipe.model_dump()}
    former = plan.model_dump_json().replace('"preview"', '"sample"')
    ledger.put_title(title)
    ledger.put_plan(plan)
    (tmp_path / RUN / "title.json").write_text(json.dumps(flat))
    (tmp_path / RUN / "plan" / "000000.json").write_text(former)
    assert '"sample"' in former
    assert ledger.plan(0) == plan
    ledger.put_title(title)
    assert ledger.title() == title


@given(cut=st.integers(min_value=0))
@settings(max_examples=40, deadline=None)
def test_a_cut_document_is_named(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """A document cut at any byte is an error that names it."""
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
    """Each plan is the first writer's, and only contradicting writes are errors."""
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[OneLineError], words: str
) -> None:
    """A full and a read-only disk give one line with the location, and no file is left behind."""

    def refuse(_handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OneLineError) as caught:
        RunLedger(str(tmp_path), RUN).put_plan(plan_of(1))
    assert type(caught.value) is kind
    line = str(caught.value)
    assert words in line
    assert str(tmp_path / RUN / "plan" / "000001.json") in line
    assert "\n" not in line
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_in_place_of_the_folder_is_one_clear_line(tmp_path: Path) -> None:
    """A ledger below a plain file is one line that names the file."""
    (tmp_path / "film").write_bytes(b"")
    with pytest.raises(OutputError, match="a file has the name of a folder that is needed"):
        RunLedger(str(tmp_path / "film"), RUN).put_plan(plan_of(0))


def test_a_disk_without_hard_links_still_keeps_the_first_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without hard links documents are written and contradictions are errors as well."""

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
from tests.support.ledgers import RUN, plan_of, put_file, record_of, title_of
from pathlib import Path
from reelwright.ledger.run_ledger import RunLedger
root, scratch = sys.argv[1], Path(sys.argv[2])
ledger = RunLedger(root, RUN)
for segment in range(100_000):
    ledger.put_plan(plan_of(segment))
    put_file(ledger, scratch, segment, b"x" * 300_000 + str(segment).encode())
    ledger.commit_segment(record_of(segment, b"x" * 300_000 + str(segment).encode()))
    print(segment, flush=True)
"""


def test_a_killed_writer_leaves_whole_documents(tmp_path: Path) -> None:
    """After a SIGKILL committed segments are complete, and leftovers can be removed."""
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
    committed = ledger.committed_segments()
    assert len(committed) >= 9
    ledger.remove_leftovers()
    for segment in committed:
        done = ledger.segment(segment)
        assert done is not None
        assert ledger.plan(segment) == plan_of(segment)
        assert ledger.segment_file(done, tmp_path).stat().st_size == done.file_bytes
    names = {path.name for path in (root / RUN / "segments").iterdir()}
    assert len(names) == 2 * len(committed)


HOLDER = """
import sys
from pathlib import Path
from reelwright.store.locks import run_lock
with run_lock(Path(sys.argv[1]), lambda: print("waiting", flush=True)):
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_second_run_waits_and_is_told_so_once(tmp_path: Path) -> None:
    """A second process reports once that it waits, and gets the lock when the first is killed."""
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
    """A process that waits takes the new file after the holder has removed its own, and a third then waits for it."""
    path = tmp_path / "run.lock"
    first = _holder(path)
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    second = _holder(path)
    assert second.stdout is not None
    assert second.stdout.readline() == "waiting\n"
    path.unlink()
    first.kill()
    first.communicate()
    assert second.stdout.readline() == "held\n"
    third = _holder(path)
    assert third.stdout is not None
    assert third.stdout.readline() == "waiting\n"
    second.communicate("")
    assert third.communicate("")[0] == "held\n"
