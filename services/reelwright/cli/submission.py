"""Titles on their way into a cluster: resolved, written to the ledger, published."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from reelwright.bus.messages import publish_message
from reelwright.bus.protocol import Bus, BusFull
from reelwright.bus.topics import TITLES, run_key
from reelwright.cli.job import check_output, title_request
from reelwright.ledger.requests import from_wire
from reelwright.ledger.store import RunLedger
from reelwright.media.fingerprint import source_fingerprint
from reelwright.media.probe import probe
from reelwright.media.profiles import profile_spec
from reelwright.restoration.models import resolve_model
from reelwright.store.places import open_place
from reelwright.titles.errors import InputError, OutputError, UnavailableError, UserError
from reelwright.titles.recipe import Recipe
from reelwright.wire.titles_pb2 import TitleRequest

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
# A broker that takes nothing for so long is one that does not answer.
_PUBLISH_SECONDS = 30.0


def resolve_title(source: str, output: str, recipe: Recipe, engine: str) -> TitleRequest:
    """The request for a title, touching nothing.

    Args:
        source: a path or an s3:// URL.
        output: the same; with the suffix of the recipe's profile.
        recipe: what to do.
        engine: auto, openvino or torch.

    Raises:
        UserError: no such film or model, or an output that cannot be.
    """
    source, place = _address(source, InputError), open_place(output)
    output = place.address(place.path)
    suffix = profile_spec(recipe.profile).suffix
    probe(source)
    fingerprint = source_fingerprint(source)
    if place.local:
        check_output(Path(source), Path(output), suffix, recipe.profile)
    else:
        _check_remote(source, output, suffix, recipe.profile)
    return title_request(source, output, recipe, resolve_model(recipe.model), engine, fingerprint)


def parse_deadline(text: str, now: float | None = None) -> float:
    """Unix seconds of a deadline: ISO 8601, local time where it names no zone, or a duration such as `2h` or `1d12h`.

    Raises:
        UserError: neither, or in the past.
    """
    now = time.time() if now is None else now
    if _DURATION.fullmatch(text):
        return now + sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:
        remedy = "write 2h, 1d12h or 2030-05-01T18:00"
        raise UserError(f"{text!r} is no moment and no duration", "--deadline", remedy) from None
    if moment <= now:
        raise UserError(f"{text} is in the past", "--deadline", "give a moment that is still to come")
    return moment


def submit(request: TitleRequest, ledger: RunLedger, bus: Bus) -> bool:
    """Has a title restored; the same request again is the same run and does no harm.

    Args:
        request: what is asked for; `submitted` is set to now.
        ledger: the run's.
        bus: where it is asked for.

    Returns:
        Whether there was something to do: False when the film is finished and whole at its output.

    Raises:
        OutputError: the run is under way for another output, or the ledger cannot be written.
        UnavailableError: broker or store do not answer.
    """
    outcome, known = ledger.outcome(), ledger.request()
    # Asked of the store in any case: an output that leads nowhere is refused here, not after hours of work.
    film = ledger.whole_at(request.output)
    if film is not None and outcome is not None and outcome.state == "finished":
        return False
    if outcome is None and known is not None and known.output != request.output:
        raise OutputError(f"run {request.run} is under way for {known.output}", request.output, "cancel it first")
    request.submitted = time.time()
    ledger.put_request(from_wire(request))
    if outcome is not None:
        ledger.clear_outcome()
    # The bus itself waits for a broker for ever.
    deadline = threading.Timer(_PUBLISH_SECONDS, bus.close)
    deadline.start()
    try:
        publish_message(bus, TITLES, run_key(request.run), request)
    except BusFull:
        raise UnavailableError("takes no messages", "the broker", "try again when it does") from None
    finally:
        deadline.cancel()
    return True


def _address(location: str, kind: type[UserError]) -> str:
    """An absolute path or a whole URL: a service works in another folder than the person."""
    place = open_place(location, kind)
    return place.address(place.path)


def _check_remote(source: str, output: str, suffix: str, profile: str) -> None:
    name = PurePosixPath(output)
    if name.suffix.lower() != suffix:
        raise OutputError(f"profile {profile} writes {suffix} files", output, f"name it {name.stem}{suffix}")
    if output == source:
        raise OutputError("is the source itself", output, "the original is never touched: give another name")
