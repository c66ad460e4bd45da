"""The one error tree.

ReelwrightError
├── UserError (exit 2)          the person can mend it: one line, what + where + what to do
│   ├── InputError              the source file
│   │   └── DamagedSource       a part of the source does not decode; names the timestamp
│   ├── RecipeError             the recipe or one of its keys
│   ├── ModelError              the model named or supplied
│   ├── OutputError             the place where the film should go
│   ├── BrokerError             the broker refuses the login, or its topics do not fit
│   └── UnavailableError        a broker, store or service that does not answer or has no room: waiting may help
├── Interrupted (exit 130)      the person stopped it; what was finished stays
└── InternalError (exit 1)      ours: carries a way to report it
    ├── RestorationFailed       a batch failed on every attempt; names the frame range
    ├── UnusableMessage         a message that cannot be read, or of a format from the future
    ├── CorruptPayload          bytes that do not match their digest, or are gone; the segment is published again
    └── LedgerError             the ledger holds something impossible
"""

from __future__ import annotations

REPORT_AT = "please report it with the line above and the file's `reelwright probe` output"


class ReelwrightError(Exception):
    """Anything the product raises on purpose; `exit_code` is what the command line leaves with."""

    exit_code = 1


class UserError(ReelwrightError):
    """A request or file the person must mend.

    Args:
        what: what is wrong, in a few words.
        where: the file, key or address it concerns.
        remedy: what to do about it.
    """

    exit_code = 2

    def __init__(self, what: str, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where, remedy)
        self.what, self.where, self.remedy = what, where, remedy

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        line = f"{line}; {self.remedy}" if self.remedy else line
        return " ".join(line.split())


class InputError(UserError):
    """The source cannot be used as it is."""


class DamagedSource(InputError):
    """A packet of the source does not decode; `where` names the file and the timestamp."""


class RecipeError(UserError):
    """The recipe, or one of its keys, is not valid."""


class ModelError(UserError):
    """The model named or supplied cannot be used."""


class OutputError(UserError):
    """The output cannot be written."""


class BrokerError(UserError):
    """The broker answers and cannot be used: it refuses the login, or a topic does not fit. Waiting does not help."""


class UnavailableError(UserError):
    """A broker, store or service does not answer or has no room.

    The one error that passes by itself: a command reports it and leaves, a service waits and tries again.
    """


class Interrupted(ReelwrightError):
    """The person stopped it; what was finished stays."""

    exit_code = 130  # 128 + SIGINT, as shells have it


class InternalError(ReelwrightError):
    """A failure of ours."""


class RestorationFailed(InternalError):
    """A title that could not be finished; the message names the frame range and the reason."""


class UnusableMessage(InternalError):
    """A message that cannot be read, or of a format that a later version writes."""


class CorruptPayload(InternalError):
    """Bytes that do not match the digest they were sent with, or that are gone from the store."""


class LedgerError(InternalError):
    """The ledger holds something that cannot be."""
