"""Packages and programs that a developer may not have installed."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import NoReturn

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
        _skip(f"needs {name}" + (f", or {instead}" if instead else ""))
    return found


def own_network(iptables: str) -> list[str]:
    """A command that runs another one in a network of its own. Where it cannot, the test is skipped; in CI it fails.

    Args:
        iptables: the program, which must be able to change that network's packet filter.
    """
    command = [optional_program("unshare"), "--user", "--map-root-user", "--net"]
    trial = [*command, iptables, "-A", "OUTPUT", "-p", "tcp", "--syn", "-j", "REJECT"]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        _skip("needs a user namespace with a network and its packet filter")
    return command


def _skip(message: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
