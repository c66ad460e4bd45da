"""Claims on outputs: of several runs with one output, only one is under way.

The claims on an output are numbered documents, and the highest number counts. A claim is taken over by creating the
next number, which the store allows to one process alone. Nothing is released explicitly: a claim ends with its run.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from reelwright.ledger.documents import DocumentFolder
from reelwright.ledger.run_ledger import RunLedger
from reelwright.store.folder import Folder
from reelwright.store.location import open_location
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import LedgerError, OutputError

log = get_logger(__name__)

# No name of a run has a hyphen.
_FOLDER = "output-claims"
_NAME = re.compile(r"([0-9]{9})\.json")
_ATTEMPTS = 20
# A process that claims an output and dies before its run begins holds the output for this long.
_BEGIN_SECONDS = 60.0


class OutputClaim(BaseModel):
    """A run's claim on its output.

    Attributes:
        run: name of the run.
        output: the output as the request names it.
        attempt: number of its attempt, whose outcome ends the claim.
        claimed: Unix seconds at which it was claimed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    run: str
    output: str
    attempt: int
    claimed: float


def claim_output(ledger: RunLedger, output: str) -> None:
    """Claims an output for a run's attempt, until the outcome of the attempt.

    Args:
        ledger: of the attempt.
        output: location of the film.

    Raises:
        OutputError: another run with this output is under way; or the store refuses the request.
        UnavailableError: the store does not answer.
    """

    def state_of(run: str, attempt: int) -> tuple[bool, bool]:
        other = RunLedger(ledger.root, run, attempt, retry=ledger.retry)
        return other.is_submitted(), other.outcome() is not None

    _OutputClaims(ledger, output).claim(ledger.run, ledger.attempt, state_of)


def check_claim(ledger: RunLedger, output: str) -> None:
    """Refuses an output that another run has claimed, which may have ended; one without claims is free.

    Args:
        ledger: of the attempt that wants the output.
        output: location of the film.

    Raises:
        OutputError: the claim that counts is another run's; or the store refuses the request.
        UnavailableError: the store does not answer.
    """
    _OutputClaims(ledger, output).check(ledger.run)


class _OutputClaims:
    """The claims on one output."""

    def __init__(self, ledger: RunLedger, output: str) -> None:
        self._output = output
        self._folder = Folder(f"{ledger.root}/{_FOLDER}/{_digest(_canonical(output))}", ledger.retry)
        self._documents = DocumentFolder(self._folder)

    def check(self, run: str) -> None:
        claim = self._latest()[1]
        if claim is not None and claim.run != run:
            remedy = "submit it again with another output"
            raise OutputError(f"run {claim.run} has this output now", self._output, remedy)

    def claim(self, run: str, attempt: int, state_of: Callable[[str, int], tuple[bool, bool]]) -> None:
        for _ in range(_ATTEMPTS):
            number, latest = self._latest()
            if latest is not None and (latest.run, latest.attempt) == (run, attempt):
                return
            if (
                latest is not None
                and latest.run != run
                and not _has_ended(latest, *state_of(latest.run, latest.attempt))
            ):
                remedy = "wait until it has ended, cancel it, or give another name"
                raise OutputError(f"run {latest.run} is under way for this output", self._output, remedy)
            claim = OutputClaim(run=run, output=self._output, attempt=attempt, claimed=time.time())
            if self._documents.create(_name(number + 1), claim) and self._is_highest(number + 1):
                return
        raise OutputError("several runs claim this output", self._output, "submit it again")

    def _is_highest(self, number: int) -> bool:
        """Removes the claims before this one; withdraws this one if it is not the highest after all.

        A slow process may create a number that was removed, because a higher one had been created meanwhile.
        """
        numbers = self._numbers()
        if max(numbers) != number:
            self._folder.remove(_name(number))
            return False
        for former in numbers[:-1]:
            self._folder.remove(_name(former))
        return True

    def _numbers(self) -> list[int]:
        return sorted(int(match[1]) for match in map(_NAME.fullmatch, self._folder.list_names("")) if match)

    def _latest(self) -> tuple[int, OutputClaim | None]:
        while numbers := self._numbers():
            # Removed since the listing: there is a higher one.
            try:
                claim = self._documents.read(_name(numbers[-1]), OutputClaim)
            except LedgerError as error:
                # Whose it was is not known. Of two runs that have the output then, `check` refuses the first one.
                log.warning("claim unusable", reason=str(error))
                return numbers[-1], None
            if claim is not None:
                return numbers[-1], claim
        return 0, None


def _has_ended(claim: OutputClaim, submitted: bool, ended: bool) -> bool:
    return ended or (not submitted and time.time() - claim.claimed > _BEGIN_SECONDS)


def _canonical(output: str) -> str:
    location = open_location(output)
    if not location.local:
        return location.address(location.path)
    path = Path(location.path)
    return f"{os.path.realpath(path.parent)}/{path.name}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _name(number: int) -> str:
    return f"{number:09d}.json"
