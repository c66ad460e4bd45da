"""Removes what an attempt worked with, by the names that this program gives to its files."""

from __future__ import annotations

import re

from reelwright.bus.claim_check import remove_payloads
from reelwright.ledger.delivery import MANIFEST_SUFFIX, REPORT_SUFFIX
from reelwright.ledger.report_pictures import PREVIEW_NAME, SHOWN_NAME
from reelwright.ledger.segments import FILE_NAME, RECORD_NAME
from reelwright.store.folder import Folder
from reelwright.store.local import TEMPORARY_NAME

_FILM_NAME = re.compile(r"film\.[0-9a-z]+" + f"({re.escape(MANIFEST_SUFFIX)}|{re.escape(REPORT_SUFFIX)})?")
_PRUNED = {
    "plan": (RECORD_NAME, re.compile(r"end\.json"), PREVIEW_NAME, TEMPORARY_NAME),
    "segments": (RECORD_NAME, FILE_NAME, PREVIEW_NAME, SHOWN_NAME, TEMPORARY_NAME),
    "marks": (re.compile(r"[0-9a-z-]+-[0-9a-f]{12}"), TEMPORARY_NAME),
    "": (_FILM_NAME, re.compile(r"(adopted|engine)\.json"), TEMPORARY_NAME),
}


def remove_work(attempt: Folder) -> None:
    """Removes plan, segments, payloads, marks and film of an attempt.

    Everything else stays: request, probe, title, outcome, and any file that this program did not write.

    Args:
        attempt: the attempt's folder.

    Raises:
        OutputError: a file cannot be removed.
        UnavailableError: the store does not answer.
    """
    remove_payloads(attempt)
    for folder, patterns in _PRUNED.items():
        attempt.remove_matching(folder, patterns)


def remove_attempt(attempt: Folder) -> None:
    """Removes an attempt: as `remove_work`, and then its documents, the request last."""
    remove_work(attempt)
    for name in ("title.json", "probe.json", "outcome.json", "request.json"):
        attempt.remove(name)
    for folder in ("attempts", ""):
        attempt.remove_if_empty(folder)


def remove_temporary(attempt: Folder) -> None:
    """Removes part-written files of an attempt. No process may be writing."""
    for folder in ("", "plan", "segments"):
        attempt.remove_matching(folder, (TEMPORARY_NAME,))
