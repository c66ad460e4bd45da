"""The errors of the package: one tree, and whether a retry can succeed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import reelwright
from reelwright.bus.protocol import BusClosed, BusFull
from reelwright.controller.api import ApiRefusal, ResourceConflict, ResourceNotFound, WatchExpired
from reelwright.encoder.engine_binding import ForeignEngine
from reelwright.inference.restored_publisher import BatchAbandoned
from reelwright.titles import errors
from reelwright.titles.errors import ReelwrightError, is_temporary


def test_the_tree_names_every_public_error() -> None:
    """Every public error class of the package derives from the tree and is named where the tree is drawn."""
    bases = {}
    for path in Path(reelwright.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {base.id for base in node.bases if isinstance(base, ast.Name)}
    found = {"Exception"}
    while more := {name for name, parents in bases.items() if parents & found} - found:
        found |= more
    public = {name for name in found - {"Exception"} if not name.startswith("_")}
    assert "BatchAbandoned" in public
    assert [name for name in sorted(public) if name not in str(errors.__doc__)] == []
    assert [name for name in sorted(public) if "Exception" in bases[name]] == ["ReelwrightError"]


@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (ResourceConflict("changed"), True),
        (WatchExpired("410"), True),
        (ResourceNotFound("gone"), False),
        (ApiRefusal("forbidden"), False),
        (BatchAbandoned(), True),
        (ForeignEngine("a", "b"), True),
        (BusFull("frames", 1.0), True),
        (BusClosed(), False),
    ],
)
def test_errors_that_are_retried_are_temporary(error: ReelwrightError, temporary: bool) -> None:
    """An error after which the same action is tried again says that it is temporary; no other does."""
    assert is_temporary(error) is temporary
