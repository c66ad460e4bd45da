"""The documentation names only code, settings, metrics and pages that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase
from pydantic_settings import BaseSettings

from reelwright.bus.settings import BusSettings
from reelwright.controller.run_client import BrokerUnreachable, trouble_of
from reelwright.controller.settings import ControllerSettings
from reelwright.decoder.settings import DecoderSettings
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.encoder.settings import EncoderSettings
from reelwright.inference.settings import InferenceSettings
from reelwright.store.settings import StoreSettings
from reelwright.telemetry import metrics
from reelwright.titles.errors import (
    BrokerError,
    InputError,
    InternalError,
    ModelError,
    OutputError,
    RecipeError,
    ReelwrightError,
    UnavailableError,
    UserError,
)

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "services" / "reelwright"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
# `folder/module.py`, `folder/module.Name` or `folder/module.Name.member`, relative to the package.
_REFERENCE = re.compile(r"`([a-z_]+(?:/[a-z_]+)+)\.([A-Za-z_]+(?:\.[a-z_]+)?)`")
_SETTING = re.compile(r"\bREELWRIGHT_(BUS|STORE|DECODER|DISPATCHER|INFERENCE|ENCODER|CONTROLLER)_([A-Z_]+[A-Z])\b")
# The log messages after the words "log line" or "log lines".
_LOG_LINES = re.compile(r"\blog lines? (`[^`]+`(?:(?:, | or | and )`[^`]+`)*)")
_SETTINGS: dict[str, type[BaseSettings]] = {
    "BUS": BusSettings,
    "STORE": StoreSettings,
    "DECODER": DecoderSettings,
    "DISPATCHER": DispatcherSettings,
    "INFERENCE": InferenceSettings,
    "ENCODER": EncoderSettings,
    "CONTROLLER": ControllerSettings,
}


@cache
def defined_names(module: Path) -> set[str]:
    """Names that a module defines at its top level, and `Class.member` for members of its classes."""
    names: set[str] = set()
    for node in ast.parse(module.read_text()).body:
        names |= _names(node)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{member}" for child in node.body for member in _names(child)}
    return names


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_that_a_page_names_exists(page: Path) -> None:
    """Each module that a page names exists, and defines the class, function or member that the page names."""
    for path, name in _REFERENCE.findall(page.read_text()):
        if name == "py":
            assert (PACKAGE / f"{path}.py").is_file() or (ROOT / f"{path}.py").is_file(), f"{path}.py"
        # Other paths are those of a run's files, such as plan/end.json.
        elif (PACKAGE / path).parent.is_dir():
            assert name in defined_names(PACKAGE / f"{path}.py"), f"{path}.{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_a_page_names_exist(page: Path) -> None:
    """Each environment variable of a service that a page names is a setting of that service."""
    for service, name in _SETTING.findall(page.read_text()):
        assert name.lower() in _SETTINGS[service].model_fields, f"REELWRIGHT_{service}_{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_metrics_that_a_page_names_exist(page: Path) -> None:
    """Each metric that a page names is a metric of the services; counters end with `_total`."""
    known = set()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            known |= {f"{family.name}{'_total' * (family.type == 'counter')}" for family in metric.describe()}
    named = set(re.findall(r"`(?:rate\()?(reelwright_[a-z_]+)", page.read_text()))
    assert named <= known, sorted(named - known)


def test_log_lines_that_operators_look_for_exist() -> None:
    """Each log message that the page on operations names is written by the services."""
    code = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    lines = _LOG_LINES.findall((ROOT / "docs" / "operations.md").read_text())
    messages = {message for line in lines for message in re.findall(r"`([^`]+)`", line)}
    assert messages
    assert {message for message in messages if f'"{message}"' not in code} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Each relative link leads to a file, and its fragment to a heading of that file."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, fragment = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            assert fragment in {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in headings}, target


@pytest.mark.parametrize(
    "error",
    [
        InputError("no such file"),
        InternalError("contradiction"),
        *(
            kind("what")
            for kind in (
                BrokerError,
                BrokerUnreachable,
                InputError,
                ModelError,
                OutputError,
                RecipeError,
                UnavailableError,
                UserError,
            )
        ),
    ],
    ids=lambda error: f"{type(error).__name__}: {error}",
)
def test_every_reason_of_a_restoration_is_in_its_page(error: ReelwrightError) -> None:
    """What a condition gives as the reason of an error has a row in the table of reasons."""
    page = (ROOT / "docs" / "kubernetes" / "restorations.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert any(f"`{trouble_of(error).reason}`" in row for row in rows)
