"""Reads the feeds of catalogs: a folder, a list in JSON lines, or Media RSS. What is read is bounded."""

from __future__ import annotations

import fnmatch
import json
import time
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from reelwright.controller.catalog_reconcile import FeedContent, FeedTitle
from reelwright.controller.catalog_resources import CatalogFeed, FolderFeed, TitleProblem
from reelwright.store.folder import Folder, parent_folder
from reelwright.titles.errors import InputError, UserError

_MOST_BYTES = 64 << 20
_MOST_TITLES = 100_000
# What a line of a list may say about a title, apart from name and source.
_FIELDS = frozenset({"output", "recipe", "overrides", "class", "deadline"})
_MEDIA = "{http://search.yahoo.com/mrss/}"


def read_feed(feed: CatalogFeed, settle_seconds: float) -> FeedContent:
    """Reads a feed.

    Args:
        feed: where the titles are.
        settle_seconds: a file of a folder counts when it has not been written for this long.

    Raises:
        UserError: there is no such file, it cannot be read, or is too large.
        UnavailableError: the store does not answer.
    """
    if feed.folder is not None:
        return _read_folder(feed.folder, settle_seconds)
    if feed.json_lines is not None:
        return _read_lines(_content(feed.json_lines.location))
    assert feed.mrss is not None
    return _read_mrss(_content(feed.mrss.location), feed.mrss.location)


def delivered_outputs(outputs: list[str]) -> frozenset[str]:
    """Those of these locations where a whole film is: its manifest is written last. One listing for each folder.

    Raises:
        UserError: a folder cannot be read.
        UnavailableError: the store does not answer.
    """
    names: dict[str, set[str]] = {}
    found = set()
    for output in outputs:
        folder, name = parent_folder(output)
        address = folder.address("")
        if address not in names:
            names[address] = set(folder.list_names(""))
        if f"{name}.manifest.json" in names[address]:
            found.add(output)
    return frozenset(found)


def _read_folder(feed: FolderFeed, settle_seconds: float) -> FeedContent:
    location = feed.location.rstrip("/") if feed.location.strip("/") else feed.location
    folder = Folder(location)
    oldest = time.time() - settle_seconds
    titles = []
    for name, modified in folder.walk(_MOST_TITLES):
        # Films that this product has delivered there are no titles of the feed.
        if fnmatch.fnmatchcase(name, feed.pattern) and modified <= oldest and not _is_hidden(name):
            titles.append(FeedTitle(str(PurePosixPath(name).with_suffix("")), folder.address(name)))
    return FeedContent(titles)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _read_lines(data: bytes) -> FeedContent:
    titles, problems = [], []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            titles.append(_title(_entry(line)))
        except (ValueError, UserError) as error:
            problems.append(TitleProblem(name=f"line {number}", reason=f"line {number} of the feed: {error}"))
    return FeedContent(titles, problems)


def _entry(line: bytes) -> object:
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _title(entry: object) -> FeedTitle:
    if not isinstance(entry, dict) or not isinstance(entry.get("source"), str) or not entry["source"]:
        raise UserError('write an object with a source, such as {"source": "s3://films/a.mov"}')
    fields: dict[str, Any] = {key: value for key, value in entry.items() if key in _FIELDS}
    unknown = entry.keys() - _FIELDS - {"source", "name"}
    if unknown:
        raise UserError(f"unknown field {min(unknown)!r}; known: name, source, {', '.join(sorted(_FIELDS))}")
    return FeedTitle(str(entry.get("name") or _stem(entry["source"])), entry["source"], fields)


def _read_mrss(data: bytes, location: str) -> FeedContent:
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise InputError(f"not valid Media RSS: {error}", location, "correct the file") from None
    titles, problems = [], []
    for number, item in enumerate(root.iter("item"), start=1):
        source = next(_media_urls(item), "")
        if source:
            titles.append(FeedTitle(_stem(source), source))
        else:
            reason = f"item {number} of the feed has no media:content with a url"
            problems.append(TitleProblem(name=f"item {number}", reason=reason))
    return FeedContent(titles, problems)


def _media_urls(item: Element) -> Iterator[str]:
    for content in item.iter(f"{_MEDIA}content"):
        if url := content.get("url"):
            yield str(url)


def _stem(source: str) -> str:
    return PurePosixPath(source).stem or "title"


def _content(location: str) -> bytes:
    folder, name = parent_folder(location)
    data = folder.read(name, _MOST_BYTES + 1)
    if data is None:
        raise InputError("no such file", location, "put the feed there, or correct the location")
    if len(data) > _MOST_BYTES:
        raise InputError(f"the feed is larger than {_MOST_BYTES >> 20} MiB", location, "split it into several catalogs")
    return data
