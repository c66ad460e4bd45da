"""The commands in the report: typed into a shell they name the film."""

from __future__ import annotations

import re
import shlex
from html import unescape
from pathlib import Path

import pytest

from reelwright.ledger.delivery import report_location
from reelwright.ledger.manifest_builder import build_manifest
from reelwright.ledger.report.page import write_report
from reelwright.ledger.run_ledger import RunLedger
from tests.support.ledgers import RUN, fidelity_of, film_of, planned, put_run, title_of, video_of


@pytest.mark.parametrize("name", ["film.mp4", "-x.mp4", "it's <i>$HOME` \"f.mp4"])
def test_every_command_names_the_film_as_one_argument(tmp_path: Path, name: str) -> None:
    """A shell reads each printed command as the film's name and its options, and the page says where they work."""
    ledger = RunLedger(str(tmp_path / "ledger"), RUN)
    put_run(ledger, tmp_path, title_of(video=video_of(32, 24)), planned((7, 4)), fidelity=lambda _: fidelity_of())
    film = str(tmp_path / "film.mp4")
    write_report(build_manifest(ledger, film_of(11, name=name)), ledger, film)
    text = Path(report_location(film)).read_text(encoding="utf-8")
    commands = [shlex.split(unescape(code)) for code in re.findall("<code>(reelwright .*?)</code>", text)]
    assert [command[1] for command in commands] == ["redo", "redo", "redo", "verify"]
    for command in commands:
        assert command[2].removeprefix("./") == name
        assert not command[2].startswith("-")
    assert text.count("in the folder of the film") == 2
    assert "copy a film from a store first, with its manifest and this report" in text
