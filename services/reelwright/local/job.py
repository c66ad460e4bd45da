"""A restoration in this process: its request, model, engine and folders."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reelwright.client.request import check_output, title_request
from reelwright.ledger.delivery import report_location
from reelwright.media.fingerprint import source_fingerprint
from reelwright.media.profiles import profile_spec
from reelwright.restoration.engine_factory import engine_identity
from reelwright.restoration.models import ModelFile, resolve_model
from reelwright.store.location import absolute_location, local_path, open_location
from reelwright.titles.errors import InputError, OutputError
from reelwright.titles.recipe import Recipe
from reelwright.titles.request import RunRequest

_TO_A_STORE = "`reelwright restore` writes to a disk of this machine; use `reelwright submit` for a store"


@dataclass(frozen=True, slots=True)
class RestorationJob:
    """One film to restore here.

    Attributes:
        request: the title, as the services get it.
        model: file of the network.
        engine: runs the network: auto, openvino or torch.
        threads: CPU threads of the network.
    """

    request: RunRequest
    model: ModelFile
    engine: str
    threads: int

    @property
    def output(self) -> Path:
        """The path of the restored film."""
        return Path(self.request.output)

    @property
    def ledger(self) -> Path:
        """The folder of the ledger: beside the output, so that the film is moved there by a rename."""
        return self.output.parent / ".reelwright"

    @property
    def folder(self) -> Path:
        """The folder of the run in the ledger."""
        return self.ledger / self.request.run

    @property
    def report(self) -> Path:
        """The path of the report."""
        return Path(report_location(str(self.output)))

    def remove_run(self) -> None:
        """Removes the run's folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_ledger_if_empty(self) -> None:
        """Removes the folder of the ledger when it is empty."""
        with suppress(OSError):
            self.ledger.rmdir()


def make_job(source: str, output: str | None, *, recipe: Recipe, engine: str, threads: int | None) -> RestorationJob:
    """Resolves what a person asks for into a job. Writes nothing.

    Raises:
        InputError: no such source.
        ModelError: no such model, or the engine cannot run it.
        OutputError: the output is not on a disk of this machine; or see `client.request.check_output`.
    """
    # The manifest keeps it: `redo` may be called from another folder.
    named, source = source, absolute_location(source, InputError)
    fingerprint = source_fingerprint(source)
    suffix = profile_spec(recipe.profile).suffix
    path = _default_output(named, suffix) if output is None else local_path(output, _TO_A_STORE)
    check_output(source, str(path), recipe.profile)
    model = resolve_model(recipe.model)
    threads = threads or os.cpu_count() or 1
    request = title_request(
        source, str(path), recipe=recipe, model=model, engine=engine_identity(engine, model), fingerprint=fingerprint
    )
    return RestorationJob(request, model, engine, threads)


def _default_output(source: str, suffix: str) -> Path:
    if not open_location(source, InputError).local:
        raise OutputError("the output needs a name", source, "give one with -o")
    path = local_path(source, "")
    return path.with_name(f"{path.stem}.restored{suffix}")
