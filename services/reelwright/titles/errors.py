"""The error tree.

ReelwrightError
├── OneLineError                what is wrong, where, and what to do, in one line without a traceback
│   ├── UserError (exit 2)      a request, file or setting that the person must correct; waiting does not help
│   │   ├── InputError          the source file
│   │   │   └── DamagedSource   a part of the source does not decode; names the timestamp
│   │   ├── RecipeError         the recipe or one of its keys
│   │   ├── ModelError          the model that was named or supplied
│   │   ├── OutputError         the location of the restored film
│   │   └── BrokerError         the broker refuses the login, or its topics do not fit
│   ├── UnavailableError (2)    temporary: a broker, store or service does not answer or has no space
│   └── DefectiveWorker (1)     a worker's engine fails or gives wrong pictures; its process ends and is replaced
├── Interrupted (exit 130)      the person stopped the command; finished work is kept
└── InternalError (exit 1)      a failure of the product; the message says how to report it
    ├── RestorationFailed       a batch failed too often; names the frame range
    ├── UnusableMessage         a message that cannot be parsed, or has an unknown format version
    ├── CorruptPayload          bytes that do not match their digest, or are missing; the segment is published again
    ├── LostSegment             a committed segment's file or record is missing or damaged; the segment is made again
    └── LedgerError             the ledger holds a contradiction

Errors that one package raises and handles itself are defined there, and derive from this tree:

- `media/seeking.py`: SeekFailed (internal, temporary)
- `bus/protocol.py`: BusFull (an UnavailableError), MessageTooLarge (a BrokerError), BusClosed (internal)
- `inference/restored_publisher.py`: BatchAbandoned (internal, temporary)
- `encoder/engine_binding.py`: ForeignEngine (internal, temporary)
- `controller/api.py`: ResourceConflict, WatchExpired (internal, temporary), ResourceNotFound (internal), ApiRefusal (a
  UserError)
- `controller/run_client.py`: BrokerUnreachable (an UnavailableError)

Two questions are answered apart: `exit_code` says who must act, `temporary` says whether a retry can succeed.
"""

from __future__ import annotations

REPORT_AT = "please report it with the line above and the file's `reelwright probe` output"


def one_line(text: str) -> str:
    """The text in one line: each sequence of spaces, tabs and line breaks becomes one space, none at the ends."""
    return " ".join(text.split())


class ReelwrightError(Exception):
    """Every error that the product raises on purpose.

    Attributes:
        exit_code: exit code of a command that ends with this error.
        temporary: whether the same action may succeed later without any change to request, file or setting.
    """

    exit_code = 1
    temporary = False


def is_temporary(error: BaseException) -> bool:
    """Whether the action that raised `error` may succeed later without any change to request, file or setting."""
    return isinstance(error, ReelwrightError) and error.temporary


def is_refusal(error: BaseException) -> bool:
    """Whether a store has refused the credentials, or has not allowed the action."""
    return isinstance(error, OneLineError) and error.refused


class OneLineError(ReelwrightError):
    """An error that a person reads as one line.

    Args:
        what: what is wrong, in a few words.
        where: the file, key or address it concerns.
        remedy: what to do about it.

    Attributes:
        refused: a store has refused the credentials or has not allowed the action. That may change without anything
            that a service would notice: a token expires, a policy is replaced.
    """

    exit_code = 2
    refused = False

    def __init__(self, what: str, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where, remedy)
        self.what, self.where, self.remedy = what, where, remedy

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        line = f"{line}; {self.remedy}" if self.remedy else line
        return one_line(line)


class UserError(OneLineError):
    """A request, file or setting that the person must correct. Permanent."""


class InputError(UserError):
    """The source cannot be used as it is."""


class DamagedSource(InputError):
    """A packet of the source does not decode; `where` names the file and the timestamp."""


class RecipeError(UserError):
    """The recipe, or one of its keys, is not valid."""


class ModelError(UserError):
    """The model that was named or supplied cannot be used."""


class OutputError(UserError):
    """The output cannot be written."""


class BrokerError(UserError):
    """The broker answers but cannot be used: it refuses the login, or a topic does not fit."""


class UnavailableError(OneLineError):
    """A broker, store or service does not answer or has no space. A command reports it; a service retries."""

    temporary = True


class DefectiveWorker(OneLineError):
    """A worker's engine fails or gives wrong pictures. The process ends, so that its orchestrator replaces it."""

    exit_code = 1


class Interrupted(ReelwrightError):
    """The person stopped the command; finished work is kept."""

    exit_code = 130  # 128 + SIGINT, the convention of shells


class InternalError(ReelwrightError):
    """A failure of the product."""


class RestorationFailed(InternalError):
    """A title that could not be finished; the message names the frame range and the reason."""


class UnusableMessage(InternalError):
    """A message that cannot be parsed, or has the format of a later version."""


class CorruptPayload(InternalError):
    """Bytes that do not match their digest, or that are missing from the store."""


class LedgerError(InternalError):
    """The ledger holds a contradiction."""


class LostSegment(InternalError):
    """The file or the record of a committed segment is missing or damaged.

    Args:
        segment: number of the segment.
        what: what is wrong, in one line.
    """

    def __init__(self, segment: int, what: str) -> None:
        super().__init__(what)
        self.segment = segment
