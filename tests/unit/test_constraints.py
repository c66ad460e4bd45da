"""The pinned versions: what CI and images install satisfies what the package asks for."""

from __future__ import annotations

import platform
import re
import tomllib
from collections import defaultdict
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.image_requirements import EXTRAS, FOLDER

ROOT = Path(__file__).resolve().parents[2]
_CONSTRAINTS = (ROOT / "constraints.txt").read_text()
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_EXTRAS = _PROJECT["optional-dependencies"]
_ASKED = [
    requirement
    for requirement in map(
        Requirement, [*_PROJECT["dependencies"], *(line for lines in _EXTRAS.values() for line in lines)]
    )
    if requirement.name != _PROJECT["name"]
]
_PYTHONS = ("3.11", "3.12", "3.13")


def pins(python: str) -> dict[str, list[Requirement]]:
    """The pinned requirements that apply to a Python version on Linux, by canonical name."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    found: dict[str, list[Requirement]] = defaultdict(list)
    for line in re.sub(r"\\\n", "", _CONSTRAINTS).splitlines():
        requirement = Requirement(line.partition(" --hash")[0])
        if requirement.marker is None or requirement.marker.evaluate(environment):
            found[canonicalize_name(requirement.name)].append(requirement)
    return found


@pytest.mark.parametrize("python", _PYTHONS)
def test_pins_satisfy_the_ranges_of_the_package(python: str) -> None:
    """Each requirement of the package and of its extras is pinned once for each Python, to a version in its range."""
    pinned = pins(python)
    for asked in _ASKED:
        (pin,) = pinned[canonicalize_name(asked.name)]
        (version,) = pin.specifier
        assert version.operator == "=="
        assert asked.specifier.contains(version.version, prereleases=True), f"{pin} is not {asked}"


def test_every_python_has_the_same_toolchain() -> None:
    """PyAV, OpenCV and NumPy have one version on every Python, so a film does not depend on it."""
    for name in ("av", "opencv-python-headless", "numpy"):
        assert len({str(pins(python)[name][0].specifier) for python in _PYTHONS}) == 1


def test_every_pin_has_hashes_and_no_address() -> None:
    """A package is taken for what it contains, from whichever index the machine uses."""
    assert "://" not in _CONSTRAINTS
    assert "--index-url" not in _CONSTRAINTS
    for line in re.sub(r"\\\n", "", _CONSTRAINTS).splitlines():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line


def test_pins_name_the_extras_that_libraries_ask_each_other_for() -> None:
    """A library that another one asks for with extras is pinned with them, or pip would take another version of it."""
    pinned = pins(".".join(platform.python_version_tuple()[:2]))
    asked = [
        requirement
        for name in pinned
        for requirement in map(Requirement, _asks_for(name))
        if requirement.extras and (requirement.marker is None or requirement.marker.evaluate({"extra": ""}))
    ]
    assert asked
    for requirement in asked:
        (pin,) = pinned[canonicalize_name(requirement.name)]
        assert requirement.extras <= pin.extras, f"{pin} without {requirement.extras}"


def _asks_for(name: str) -> list[str]:
    """The requirements of a library that is installed; none of one that is not, as on another system."""
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


@pytest.mark.parametrize("image", EXTRAS)
def test_an_image_installs_the_pinned_versions(image: str) -> None:
    """What an image installs is what constraints.txt pins, and has everything that its extras ask for."""
    lines = re.sub(r"\\\n", "", (FOLDER / f"{image}.txt").read_text()).splitlines()
    assert set(lines) <= set(re.sub(r"\\\n", "", _CONSTRAINTS).splitlines())
    installed = {canonicalize_name(Requirement(line.partition(" --hash")[0]).name) for line in lines}
    asked = map(Requirement, [*_PROJECT["dependencies"], *(line for extra in EXTRAS[image] for line in _EXTRAS[extra])])
    assert {canonicalize_name(requirement.name) for requirement in asked} <= installed
