"""The identity of a run: all that makes films bit-identical (source, recipe, model, engine, toolchain) is one run."""

from __future__ import annotations

import hashlib
import io
import re
from functools import lru_cache
from typing import IO, Self

from reelwright.titles.recipe import Recipe

PLAN_RULES = 7
"""Version of the rules by which shots, segments, batches and corrections follow from a source, and segments and film
from restored frames. Incremented when a change of the code gives any source another plan or any film other bytes, so
that no run has parts that were made by different rules."""

# These ranges distinguish any two films in practice, and are few enough to read from an object store.
_EDGE = 4 << 20
_SAMPLE = 256 << 10
_SAMPLES = 64
FIRST_ATTEMPT = 1
"""Number of a run's first attempt; also what a message or document without a number means."""

DEFAULT_POOL = "default"
"""The pool of workers that name none."""

POOL_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
"""What a worker pool may be called: as a label of Kubernetes, because a Deployment is named after it."""

_RUN_NAME = re.compile(r"[0-9A-Za-z]{1,64}")
_MADE_NAME = re.compile(r"[0-9a-f]{20}")
# A film of a thousand hours has a few million segments.
_MAX_SEGMENT = 999_999_999


class RunId(str):
    """The name of a run, which is also the name of its folder in the ledger: 1 to 64 ASCII letters and digits.

    Ledger and claim check make paths of this type alone, and making it is the check. So no text from a message, a key
    or a command line can lead to another folder.

    Raises:
        ValueError: the text has another character, is empty or too long.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Checks the text."""
        if _RUN_NAME.fullmatch(text) is None:
            raise ValueError(f"{text!r} is not the name of a run")
        return super().__new__(cls, text)


class SegmentNumber(int):
    """The number of a segment in its title: 0 to 999,999,999.

    Raises:
        ValueError: the number is outside that range.
    """

    __slots__ = ()

    def __new__(cls, number: int) -> Self:
        """Checks the number."""
        if not 0 <= number <= _MAX_SEGMENT:
            raise ValueError(f"{number} is not the number of a segment")
        return super().__new__(cls, number)


def content_fingerprint(stream: IO[bytes]) -> str:
    """SHA-256 over a seekable stream's size, its first and last 4 MiB and 64 even samples of 256 KiB, as hex.

    Files up to 24 MiB are read completely. Differences between the samples of a larger file are found later: each
    segment's plan has the digest of the decoded pictures.
    """
    size = stream.seek(0, io.SEEK_END)
    sha = hashlib.sha256(size.to_bytes(8, "big"))
    for start, length in _ranges(size):
        stream.seek(start)
        sha.update(stream.read(length))
    return sha.hexdigest()


def _ranges(size: int) -> list[tuple[int, int]]:
    if size <= 2 * _EDGE + _SAMPLE * _SAMPLES:
        return [(0, size)]
    step = (size - _SAMPLE) // (_SAMPLES + 1)
    middle = [(step * (i + 1), _SAMPLE) for i in range(_SAMPLES)]
    return [(0, _EDGE), *middle, (size - _EDGE, _EDGE)]


def run_id(fingerprint: str, recipe: Recipe, *, model_sha256: str, toolchain: str, engine: str = "") -> str:
    """The run's name: 20 hex digits of SHA-256 over everything that films must share to be bit-identical.

    Args:
        fingerprint: `content_fingerprint` of the source.
        recipe: what to do to the film.
        model_sha256: of the model's file.
        toolchain: `media.toolchain.toolchain_identity`: what decodes, plans and encodes it.
        engine: the engine that the request names; empty when the cluster chooses.
    """
    text = "\n".join(("reelwright-run-3", fingerprint, recipe.canonical(), model_sha256, toolchain, engine))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def grain_seed(fingerprint: str) -> int:
    """The seed of grain that is made anew, 0 to 2^64 - 1.

    It is the source's and not the run's: a shot that is restored again with other settings has the grain that a film
    with these settings has.

    Args:
        fingerprint: `content_fingerprint` of the source.
    """
    return int.from_bytes(hashlib.sha256(f"grain\n{fingerprint}".encode()).digest()[:8], "big")


def is_run(name: str) -> bool:
    """Whether a text has the form of the names that `run_id` makes."""
    return _MADE_NAME.fullmatch(name) is not None


@lru_cache(maxsize=1024)
def engine_matches(identity: str, wanted: str) -> bool:
    """Whether an engine is one that is wanted.

    Two whole identities match only when they are equal, because all have the same number of words.

    Args:
        identity: of the engine, e.g. `openvino-2026.4.1+chain.15 fp32 cpu avx2 reel-s@0123456789ab`.
        wanted: words that the identity must have, in any order. A name without its version, such as `openvino`, is
            enough. The empty text wants nothing.
    """
    words = set(identity.split())
    names = {word.partition("-")[0] for word in words}
    return all(word in words or (word.isalpha() and word in names) for word in wanted.split())


def attempt_folder(run: str, attempt: int) -> str:
    """The folder of an attempt below a ledger's root: `RUN` for the first, `RUN/attempts/000002` for the second.

    Raises:
        ValueError: the run has no name of a run.
    """
    name = RunId(run)
    return name if attempt == FIRST_ATTEMPT else f"{name}/attempts/{attempt:06d}"
