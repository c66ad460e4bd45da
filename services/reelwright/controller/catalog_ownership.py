"""Which Catalog has made a Restoration: its owner, or the label of one that a deleted Catalog has left behind."""

from __future__ import annotations

import hashlib

from reelwright.controller.api import Document
from reelwright.controller.resources import CATALOG_LABEL

# The API server's limit of a label's value; a name may have 253 characters.
_MOST_LABEL = 63


def catalog_label(name: str) -> str:
    """The value of `CATALOG_LABEL` for a Catalog: its name, or the beginning of one that is too long, with a digest."""
    if len(name) <= _MOST_LABEL:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{name[: _MOST_LABEL - 11].rstrip('-.')}-{digest}"


def catalog_of(restoration: Document) -> str:
    """The name of the Catalog that made a Restoration, its label when that Catalog is gone; empty for none."""
    metadata = restoration["metadata"]
    owners = (each["name"] for each in metadata.get("ownerReferences", []) if each["kind"] == "Catalog")
    return str(next(owners, metadata.get("labels", {}).get(CATALOG_LABEL, "")))


def is_made_by(restoration: Document, catalog: str) -> bool:
    """Whether the Catalog of that name, or a deleted one of the same name, made a Restoration."""
    return catalog_of(restoration) in {catalog, catalog_label(catalog)}
