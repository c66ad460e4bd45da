"""A restoration as the command line knows it: where the film comes from, where it goes, and which run it is."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reelwright.client.request import check_output, title_request
from reelwright.ledger.manifest import read_manifest
from reelwright.ledger.names import manifest_location, report_location
from reelwright.ledger.records import Manifest
from reelwright.media.fingerprint import source_fingerprint
from reelwright.media.profiles import profile_spec
from reelwright.restoration.models import ModelFile, resolve_model
from reelwright.store.location import open_location
from reelwright.titles.errors import InputError, OutputError
from reelwright.titles.recipe import Recipe
from reelwright.titles.request import RunRequest


@dataclass(frozen=True, slots=True)
class RestorationJob:
    """One film to restore here.

    Attributes:
        request: the title as the services know it.
        model: the network's file.
        engine: which engine runs it (auto, openvino, torch).
        threads: CPU threads of the network.
    """

    request: RunRequest
    model: ModelFile
    engine: str
    threads: int

    @property
    def output(self) -> Path:
        """Where the restored film goes."""
        return Path(self.request.output)

    @property
    def ledger(self) -> Path:
        """The folder that holds the run, on the output's file system so that the film moves into place at once."""
        return self.output.parent / ".reelwright"

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return self.ledger / self.request.run

    @property
    def report(self) -> Path:
        """Where the report goes."""
        return Path(report_location(str(self.output)))

    def finished(self) -> Manifest | None:
        """The manifest when this very run's film is already at the output."""
        manifest_path = Path(manifest_location(str(self.output)))
        if not (self.output.is_file() and manifest_path.is_file() and self.report.is_file()):
            return None
        try:
            manifest = read_manifest(str(self.output))
        except InputError:
            return None  # what a broken manifest asks for is this very restoration
        whole = manifest.film_bytes == self.output.stat().st_size
        return manifest if manifest.run == self.request.run and whole else None

    def clear(self) -> None:
        """Removes the run's folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def tidy(self) -> None:
        """Removes the folder of runs when nothing is left in it."""
        with suppress(OSError):
            self.ledger.rmdir()


def make_job(source: str, output: Path | None, recipe: Recipe, engine: str, threads: int | None) -> RestorationJob:
    """Resolves what was asked for, touching nothing.

    Raises:
        UserError: no such source or model, or an output that cannot be written.
    """
    fingerprint = source_fingerprint(source)
    output = output or _default_output(source, profile_spec(recipe.profile).suffix)
    check_output(source, str(output), recipe.profile)
    model = resolve_model(recipe.model)
    threads = threads or os.cpu_count() or 1
    request = title_request(source, str(output), recipe, model, engine, fingerprint)
    return RestorationJob(request, model, engine, threads)


def _default_output(source: str, suffix: str) -> Path:
    if not open_location(source, InputError).local:
        raise OutputError("the output needs a name", source, "give one with -o")
    return Path(source).with_name(f"{Path(source).stem}.restored{suffix}")
