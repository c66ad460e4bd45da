"""Certificates that sign films, and what c2pa reads of a signed one."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

from reelwright.ledger.delivery import credentials_location
from tests.support import clips
from tests.support.certificates import Authority
from tests.support.optional import optional

_MIME_TYPES = {".mp4": "video/mp4", ".mov": "video/quicktime", ".mkv": "video/x-matroska"}


@cache
def authority() -> Authority:
    """The authority of these tests."""
    folder = clips.clip_folder() / "signers"
    folder.mkdir()
    return Authority(folder, "root")


@cache
def signer(name: str = "archive", usage: str = "emailProtection", *newkey: str) -> tuple[Path, Path]:
    """A chain of certificates and a key."""
    return authority().issue_signer(name, usage, *newkey)


def read(film: Path, data: bytes | None = None, trusted: Path | None = None) -> Any:
    """What c2pa reads of a film, or of other bytes in its place, and its credentials."""
    c2pa = optional("c2pa")
    anchors = {"trust": {"user_anchors": trusted.read_text()}} if trusted else {}
    credentials = Path(credentials_location(str(film))).read_bytes()
    stream = io.BytesIO(film.read_bytes() if data is None else data)
    return c2pa.Reader(_MIME_TYPES[film.suffix], stream, credentials, c2pa.Context(c2pa.Settings.from_dict(anchors)))


def failures(reader: Any) -> set[str]:
    """The codes of what is wrong."""
    return {each["code"] for each in reader.get_validation_results()["activeManifest"]["failure"]}


def assertion(reader: Any, label: str) -> dict[str, Any]:
    """The data of an assertion."""
    found: dict[str, Any] = next(
        each["data"] for each in reader.get_active_manifest()["assertions"] if each["label"] == label
    )
    return found
