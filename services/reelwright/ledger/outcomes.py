"""Reads and writes the outcome of an attempt. An outcome that cannot be read ends its attempt as well."""

from __future__ import annotations

from reelwright.ledger.documents import DocumentFolder
from reelwright.ledger.records import Outcome
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import LedgerError

log = get_logger(__name__)

OUTCOME_NAME = "outcome.json"


def read_outcome(documents: DocumentFolder, name: str = OUTCOME_NAME) -> Outcome | None:
    """How an attempt ended; None while it has not.

    A store that is killed during a write can keep a name without content. Nobody else may be left to end the attempt,
    so such an outcome is read as a failure, after which the title can be submitted again.

    Args:
        documents: of the attempt, or of a folder above.
        name: of the outcome in that folder.

    Raises:
        OutputError: the store refuses to be read.
        UnavailableError: the store does not answer.
    """
    try:
        return documents.read(name, Outcome)
    except LedgerError as error:
        kind = type(error)
        return Outcome(state="failed", reason=str(error), exit_code=kind.exit_code, error=kind.__name__)


def write_outcome(documents: DocumentFolder, outcome: Outcome) -> bool:
    """Writes how an attempt ended, unless an outcome is there that can be read; whether this one is there now.

    Args:
        documents: of the attempt.
        outcome: what to write.

    Raises:
        OutputError: the store refuses to be written.
        UnavailableError: the store does not answer or is full.
    """
    if documents.create(OUTCOME_NAME, outcome):
        return True
    try:
        return documents.read(OUTCOME_NAME, Outcome) == outcome
    except LedgerError as error:
        log.warning("outcome replaced, it was not whole", reason=str(error))
        documents.replace(OUTCOME_NAME, outcome)
        return True
