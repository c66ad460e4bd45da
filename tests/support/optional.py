"""Runtimes that a developer may leave out and CI may not."""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import Any

import pytest


def optional(name: str) -> ModuleType:
    """The module, or the test skipped where it is not installed; in CI its absence is a failure."""
    if os.environ.get("CI") == "true":
        return importlib.import_module(name)
    found: Any = pytest.importorskip(name)
    return found
