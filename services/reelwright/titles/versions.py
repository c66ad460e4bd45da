"""Versions of formats: what may change in one step, so that the roles of a cluster can be upgraded in any order.

Messages, documents and the worker protocol each carry the number of their format. A version reads its own format, the
one before and the one after it. So a format n + 1 may add fields, kinds and values that a reader of n can ignore; what
cannot be ignored is read one version before it is written, or belongs into the recipe, whose unknown keys are refused.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator

from reelwright.titles.errors import UnavailableError

DOCUMENT_FORMAT = 1
"""Format of the ledger's documents. Those of version 0.1 carry no number."""


def is_readable(found: int, own: int) -> bool:
    """Whether a reader of the format `own` understands what was written in the format `found`; the first is 1."""
    return found >= 1 and abs(found - own) <= 1


class VersionedDocument(BaseModel):
    """A document of the ledger. What a later version added to it is ignored.

    Attributes:
        format: number of its format.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    # The first field, so that a document from too late a version is refused before any of its other fields.
    format: int = DOCUMENT_FORMAT

    @field_validator("format")
    @classmethod
    def _refuse_distant_format(cls, found: int) -> int:
        if not is_readable(found, DOCUMENT_FORMAT):
            # Temporary: the title waits for a process that reads it.
            what = f"a {cls.__name__} of format {found}, and this version reads up to {DOCUMENT_FORMAT + 1}"
            raise UnavailableError(what, "the ledger", "upgrade this process")
        return found
