"""Networks in a cluster's store, each named by the SHA-256 of its file: `ROOT/models/HASH.safetensors`.

The name of such a network, in a recipe as for a worker, is `sha256:HASH`. So a name never means another network, and a
file that was damaged or replaced is found out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from reelwright.restoration.models import ModelFile, resolve_model
from reelwright.store.folder import Folder
from reelwright.store.retry import NO_RETRY, RetryPolicy
from reelwright.store.scratch import scratch_folder
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import ModelError

log = get_logger(__name__)

PREFIX = "sha256:"
"""What the name of a network in the store begins with."""

_FOLDER = "models"
_HASH = re.compile(r"[0-9a-f]{64}")


def is_stored(name: str) -> bool:
    """Whether a model's name is that of a network in the store."""
    return name.startswith(PREFIX)


def add_model(path: Path, root: str) -> str:
    """Puts a network into the store.

    Args:
        path: its safetensors file.
        root: root of the ledger.

    Returns:
        The name by which recipes and workers find it.

    Raises:
        ModelError: the file is missing, or no network.
        OutputError: the store refuses it.
        UnavailableError: the store does not answer or is full.
    """
    model = resolve_model(str(path))
    Folder(root).upload(_file(model.sha256), model.path)
    return f"{PREFIX}{model.sha256}"


@contextmanager
def fetched_model(name: str, root: str, retry: RetryPolicy = NO_RETRY) -> Iterator[ModelFile]:
    """A network as a file on this machine, for the duration of a `with` block.

    Args:
        name: of a network in the store; or as for `resolve_model`.
        root: root of the ledger.
        retry: how long to retry while the store is unavailable.

    Raises:
        ModelError: there is no such network, it is damaged, or it is no network.
        UnavailableError: the store does not answer, or the disk is full.
    """
    if not is_stored(name):
        yield resolve_model(name)
        return
    sha256 = name.removeprefix(PREFIX)
    if _HASH.fullmatch(sha256) is None:
        raise ModelError("not the SHA-256 of a file", name, f"write {PREFIX} and 64 hex digits in lower case")
    folder, file = Folder(root, retry), _file(sha256)
    address = folder.address(file)
    if not folder.exists(file):
        raise ModelError("no such model", address, "put it into the store: reelwright models add FILE")
    with scratch_folder("model", None) as scratch:
        yield _checked(folder.download(file, scratch), sha256, address)


@lru_cache(maxsize=64)
def described_model(name: str, root: str) -> ModelFile:
    """What is known of a network; of one in the store `path` is not there any more. A process asks the store once.

    Raises:
        ModelError: see `fetched_model`.
        UnavailableError: likewise.
    """
    with fetched_model(name, root) as model:
        return model


def _file(sha256: str) -> str:
    return f"{_FOLDER}/{sha256}.safetensors"


def _checked(path: Path, sha256: str, address: str) -> ModelFile:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise ModelError(f"its SHA-256 is {found}", address, "it is damaged; reelwright models add FILE replaces it")
    try:
        model = resolve_model(str(path))
    except ModelError as error:
        raise ModelError(error.what, address, error.remedy) from None
    log.info("model fetched", address=address)
    return model
