"""The images without a build: the Dockerfile passes a linter, and what each image installs is enough for its roles."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reelwright import __version__
from scripts.image_requirements import FOLDER, ROOT

# Finds no module of a library that an image does not install, as if it were not there.
_FINDER = """
import sys
from importlib.machinery import PathFinder
class Installed(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent} else super().find_spec(name, path, target)
sys.meta_path = [Installed if finder is PathFinder else finder for finder in sys.meta_path]
"""
_ENGINE = """
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.self_test import check_engine
import reelwright.inference.entry, reelwright.process.service
model = resolve_model("reel-s")
check_engine(create_engine({engine!r}, model), model)
"""
_ROLES = "import " + ", ".join(
    f"reelwright.{role}.entry" for role in ("decoder", "dispatcher", "encoder", "controller")
)
_PROGRAMS = {
    "media": f"{_ROLES}, reelwright.process.service",
    "inference-cpu": _ENGINE.format(engine="openvino"),
    "inference-cuda": _ENGINE.format(engine="torch"),
}
_COMMON = "import reelwright.cli.main, reelwright.bus.kafka.bus, s3fs, opentelemetry.sdk.trace\n"


def test_the_dockerfile_passes_a_linter() -> None:
    """Hadolint, with the shell checks in it, finds nothing."""
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, ROOT / "docker" / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def run_in(image: str, program: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of Python with the libraries of an image and no others, without a GPU."""
    lines = re.sub(r"\\\n", "", (FOLDER / f"{image}.txt").read_text()).splitlines()
    installed = {canonicalize_name(Requirement(line.partition(" --hash")[0]).name) for line in lines}
    absent = [
        module
        for module, owners in packages_distributions().items()
        if module != "reelwright" and installed.isdisjoint(map(canonicalize_name, owners))
    ]
    command = [sys.executable, "-c", _FINDER.format(absent=absent) + program]
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.mark.parametrize("image", _PROGRAMS)
def test_an_image_has_what_its_roles_import(image: str) -> None:
    """With the libraries of an image and no others, its roles load, and its engine passes the self-test."""
    done = run_in(image, _COMMON + _PROGRAMS[image])
    assert done.returncode == 0, done.stderr


def test_the_image_for_gpus_says_that_there_is_no_gpu() -> None:
    """Where a worker of that image finds no GPU, the error says so."""
    done = run_in("inference-cuda", _ENGINE.format(engine="auto"))
    assert done.returncode != 0
    assert "no usable GPU" in done.stderr.splitlines()[-1]


def test_images_are_pushed_to_a_registry(tmp_path: Path) -> None:
    """With PUSH an image gets the name that the chart asks for with that registry, and is pushed."""
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    docker.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PUSH": "registry.example.com/films/"}
    env.pop("IMAGES_BUILD", None)
    done = subprocess.run(
        [sys.executable, "-m", "scripts.images", "media"], env=env, cwd=ROOT, capture_output=True, text=True, check=True
    )
    name = f"registry.example.com/films/reelwright/media:{__version__}"
    assert done.stdout.split() == [name]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[-2:] == [f"tag reelwright/media:{__version__} {name}", f"push {name}"]
