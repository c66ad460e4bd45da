"""The custom resource `Catalog`, as typed documents; see `resources`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from reelwright.controller.resources import ApiDocument, ResourceMetadata, StatusCondition
from reelwright.titles.request import PriorityClass


class FolderFeed(ApiDocument):
    """A folder or prefix: each file in it, and in the folders below, is a title.

    Attributes:
        location: the folder: an absolute path, or s3://BUCKET/PREFIX.
        pattern: which files are titles, by their name below the folder: *.mov or 1950s/*.mkv. A * matches / too.
    """

    location: str = Field(min_length=1, max_length=1024)
    pattern: str = Field(default="*", min_length=1, max_length=256)


class ListFeed(ApiDocument):
    """A file that lists titles.

    Attributes:
        location: the file: an absolute path, or s3://BUCKET/NAME.
    """

    location: str = Field(min_length=1, max_length=1024)


class CatalogFeed(ApiDocument):
    """Where titles are found. Exactly one of the fields.

    Attributes:
        folder: a folder or prefix in which each file is a title.
        json_lines: a file with one JSON object on each line: source, and if wanted name, output, recipe, overrides,
            class, deadline.
        mrss: a Media RSS file: each item's media:content is a title.
    """

    folder: FolderFeed | None = None
    json_lines: ListFeed | None = None
    mrss: ListFeed | None = None


class TitleTemplate(ApiDocument):
    """What each title of a catalog becomes; the fields are those of a Restoration.

    Attributes:
        output: where each film goes, with {name} for the title's name: that of its file without its suffix, with the
            folders that it is in below the feed's folder.
        recipe: name of a recipe that ships; `reelwright recipes` lists them.
        overrides: keys that replace those of the recipe.
        priority_class: share of the workers when titles compete.
        deadline_seconds: seconds from the making of a Restoration to its deadline; no deadline unless given.
    """

    output: str = Field(min_length=1, max_length=1024)
    recipe: str = Field(default="faithful", min_length=1, max_length=63)
    overrides: dict[str, Any] = Field(default_factory=dict)
    priority_class: PriorityClass = Field(default="bulk", alias="class")
    deadline_seconds: int | None = Field(default=None, ge=1)


class CatalogSpec(ApiDocument):
    """A feed, and what becomes of its titles.

    Attributes:
        feed: where titles are found.
        template: what each title becomes.
        max_running: titles that are under way at the same time.
        poll_seconds: time between two looks at the feed.
        keep_finished_seconds: how long the Restoration of a finished title is kept; for ever unless given. Films are
            never deleted.
        suspend: no more titles are begun; those under way go on.
    """

    feed: CatalogFeed
    template: TitleTemplate
    max_running: int = Field(default=10, ge=1, le=1000)
    poll_seconds: int = Field(default=60, ge=5, le=86400)
    keep_finished_seconds: int | None = Field(default=None, ge=0)
    suspend: bool = False


class CatalogTitles(ApiDocument):
    """The titles of a catalog by their state.

    Attributes:
        found: titles in the feed.
        waiting: not begun yet.
        running: under way.
        finished: their film is at its output.
        failed: ended without a film, or cannot begin; each one's Restoration says why.
    """

    found: int = 0
    waiting: int = 0
    running: int = 0
    finished: int = 0
    failed: int = 0


class TitleProblem(ApiDocument):
    """A title that needs a person.

    Attributes:
        name: of its Restoration, or of the line of the feed.
        reason: one line: what, where, and what to do.
    """

    name: str
    reason: str


class CatalogStatus(ApiDocument):
    """What was found and done. Written by the controller.

    Attributes:
        observed_generation: generation of the resource that this status describes.
        conditions: Ready says whether the feed can be read.
        message: what is the matter, in one line; absent when nothing is.
        titles: the titles by their state.
        problems: the first titles that need a person.
    """

    observed_generation: int = 0
    conditions: tuple[StatusCondition, ...] = ()
    message: str | None = None
    titles: CatalogTitles | None = None
    problems: tuple[TitleProblem, ...] = ()

    @property
    def condition_reason(self) -> str:
        """Reason of the condition Ready; empty before it is set."""
        return next((condition.reason for condition in self.conditions if condition.type == "Ready"), "")


class Catalog(ApiDocument):
    """A feed of titles.

    Attributes:
        metadata: name, generation and so on.
        spec: what is asked for.
        status: what was found and done.
    """

    metadata: ResourceMetadata
    spec: CatalogSpec
    status: CatalogStatus = CatalogStatus()
