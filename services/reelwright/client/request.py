"""Checks and resolves what a person asks for into a request. Writes nothing."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime
from typing import NamedTuple

import reelwright
from reelwright.client.connection import find_model
from reelwright.ledger.delivery import MANIFEST_SUFFIX, REPORT_SUFFIX, check_suffix, credentials_location
from reelwright.ledger.records import SourceProbe
from reelwright.media.fingerprint import source_fingerprint
from reelwright.media.held_files import held
from reelwright.media.probe import probe
from reelwright.media.toolchain import toolchain_identity
from reelwright.restoration.models import ModelFile
from reelwright.store.location import absolute_location
from reelwright.store.output_guard import guard_output, refuse_source
from reelwright.titles.errors import InputError, UserError
from reelwright.titles.identity import run_id
from reelwright.titles.recipe import Recipe
from reelwright.titles.request import RunRequest

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


class ResolvedTitle(NamedTuple):
    """What a person asks for, checked.

    Attributes:
        request: the request, with class, deadline and the rest at their defaults.
        probe: what the source holds.
    """

    request: RunRequest
    probe: SourceProbe


def resolve_title(source: str, output: str, recipe: Recipe, engine: str) -> ResolvedTitle:
    """Resolves a title into a request: checks source, model and output. Writes nothing.

    Args:
        source: a path or an s3:// URL.
        output: a path or an s3:// URL with the suffix of the recipe's profile.
        recipe: what to do.
        engine: words of the engine's identity that the run needs; empty when the cluster chooses.

    Raises:
        InputError: the source is missing, no film, or has changed meanwhile.
        ModelError: no such model.
        OutputError: see `check_output`.
        UnavailableError: the store of the source or of the model does not answer.
    """
    source, output = absolute_location(source, InputError), absolute_location(output)
    fingerprint = source_fingerprint(source)
    with held(source, fingerprint):
        found = probe(source)
    check_output(source, output, recipe.profile)
    request = title_request(
        source, output, recipe=recipe, model=find_model(recipe.model), engine=engine, fingerprint=fingerprint
    )
    # How much work the title is must be known before a decoder opens the source.
    video = found.video
    request = request.model_copy(
        update={
            "frames_estimate": max(0, recipe.excerpt.frames(video.frames_estimate)),
            "frame_pixels": video.width * video.height,
        }
    )
    return ResolvedTitle(
        request, SourceProbe(source=found, version=reelwright.__version__, toolchain=request.toolchain)
    )


def parse_deadline(text: str, now: float | None = None) -> float:
    """Reads a deadline: an ISO 8601 time, local if it has no zone, or a duration from now such as `2h` or `1d12h`.

    Args:
        text: what the person wrote.
        now: Unix seconds of the present; the clock's if None.

    Returns:
        Unix seconds.

    Raises:
        UserError: the text is neither, or the time is in the past.
    """
    now = time.time() if now is None else now
    if _DURATION.fullmatch(text):
        return now + sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:
        remedy = "write 2h, 1d12h or 2030-05-01T18:00"
        raise UserError(f"{text!r} is neither a time nor a duration", "--deadline", remedy) from None
    if moment <= now:
        raise UserError(f"{text} is in the past", "--deadline", "give a time in the future")
    return moment


def title_request(
    source: str, output: str, *, recipe: Recipe, model: ModelFile, engine: str, fingerprint: str
) -> RunRequest:
    """Builds the request of a title. The same source, recipe, model, engine and toolchain give the same run.

    Args:
        source: location of the source.
        output: location of the film.
        recipe: what to do.
        model: the recipe's network.
        engine: words of the engine's identity that the run needs; empty when the cluster chooses.
        fingerprint: of the source.
    """
    toolchain = toolchain_identity(recipe.profile)
    return RunRequest(
        run=run_id(fingerprint, recipe, model_sha256=model.sha256, toolchain=toolchain, engine=engine),
        source=source,
        output=output,
        recipe=recipe,
        fingerprint=fingerprint,
        priority_class="standard",
        engine=engine,
        model_sha256=model.sha256,
        toolchain=toolchain,
        halo_frames=model.halo_frames_of(recipe),
    )


def check_output(source: str, output: str, profile: str) -> None:
    """Refuses, before any work, a location where the film cannot go. Writes nothing.

    Args:
        source: location of the source.
        output: location of the film.
        profile: the recipe's profile, which decides on the suffix.

    Raises:
        OutputError: see `store.output_guard.guard_output`; or the suffix is not that of the profile.
    """
    if not os.path.isdir(output):  # noqa: PTH112 - unlike Path.is_dir, it accepts names that are too long
        check_suffix(output, profile)
    guard_output(source, output, (MANIFEST_SUFFIX, REPORT_SUFFIX))
    refuse_source(source, credentials_location(output))
