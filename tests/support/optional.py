"""Packages and programs that a developer may not have installed."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest


def optional(name: str) -> ModuleType:
    """Imports a module. Without it the test is skipped, except in CI, where it fails."""
    if os.environ.get("CI") == "true":
        return importlib.import_module(name)
    module: ModuleType = pytest.importorskip(name)
    return module


def optional_program(name: str, *folders: Path, instead: str = "") -> str:
    """Path of a program. Without it the test is skipped, except in CI, where it fails.

    Args:
        name: of the program, looked for in PATH.
        folders: where it may be, too.
        instead: what a person may give in its place.
    """
    places = os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)])
    found = shutil.which(name, path=places)
    if found is None:
        message = f"needs {name}" + (f", or {instead}" if instead else "")
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found
