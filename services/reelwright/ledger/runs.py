"""All runs of a ledger, for commands that look at very many of them."""

from __future__ import annotations

from reelwright.ledger.documents import DocumentFolder
from reelwright.ledger.outcomes import OUTCOME_NAME, read_outcome
from reelwright.ledger.records import Outcome
from reelwright.store.folder import Folder
from reelwright.titles.identity import FIRST_ATTEMPT, attempt_folder, is_run


class Runs:
    """The runs below a ledger's root. Thread-safe.

    Args:
        root: fsspec location that holds the run folders.

    Every method raises UnavailableError when the store does not answer, and OutputError when it refuses to be read.

    Attributes:
        root: see above.
        is_local: whether the ledger is on a file system of this machine.
    """

    def __init__(self, root: str) -> None:
        self.root, self._folder = root, Folder(root)
        self._documents = DocumentFolder(self._folder)
        self.is_local = self._folder.is_local

    def names(self) -> list[str]:
        """Names of the runs, sorted, by one listing; empty where there is no such folder yet."""
        return list_runs(self.root)

    def outcome(self, run: str, attempt: int) -> Outcome | None:
        """How an attempt ended; None while it has not. An outcome that cannot be read is a failure."""
        return read_outcome(self._documents, f"{attempt_folder(run, attempt)}/{OUTCOME_NAME}")

    def has_request(self, run: str, attempt: int) -> bool:
        """Whether an attempt was submitted."""
        return self._folder.exists(f"{attempt_folder(run, attempt)}/request.json")

    def only_outcome(self, run: str) -> Outcome | None:
        """The outcome of a run that has ended and was never submitted again; None for any other run.

        Opening the ledger of each of 100,000 runs would take most of the time that a listing of them takes.
        """
        outcome = self.outcome(run, FIRST_ATTEMPT)
        return None if outcome is None or self._folder.list_names(f"{run}/attempts") else outcome

    def ended_at(self, run: str, attempt: int) -> float | None:
        """When an attempt ended, in Unix seconds by the clock of the store; None while it has not."""
        return self._folder.modified(f"{attempt_folder(run, attempt)}/{OUTCOME_NAME}")


def list_runs(root: str) -> list[str]:
    """The runs below a ledger's root, by one listing; empty where there is no such folder yet.

    Raises:
        OutputError: it cannot be read.
        UnavailableError: the store does not answer.
    """
    return [name for name in Folder(root).list_names("") if is_run(name)]
