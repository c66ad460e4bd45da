"""What a file system's exceptions mean to a person: which pass by themselves, and what to do about the others.

No words of a server or its client library reach a message: they may name keys.
"""

from __future__ import annotations

import errno
import sys
from typing import Any, NamedTuple

from reelwright.titles.errors import OneLineError, OutputError, UnavailableError, UserError

_FULL = {errno.ENOSPC: "no space left", errno.EDQUOT: "the disk quota is used up"}
_REMEDIES = {
    errno.EACCES: ("not writable", "choose a folder you may write to"),
    errno.EPERM: ("not writable", "choose a folder you may write to"),
    errno.EROFS: ("the file system is read-only", "choose a folder you may write to"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "choose another place"),
    errno.EISDIR: ("a folder stands where a file is needed", "choose another place"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name"),
}
# What network file systems and connections answer while their server is away or busy.
_PASSING = {
    *(errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.EHOSTDOWN),
    *(errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ESTALE, errno.EAGAIN, errno.EBUSY, errno.EREMOTEIO),
}
# S3's error codes: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and MinIO's for a full store.
_BUSY = {"SlowDown", "RequestTimeout", "ServiceUnavailable", "InternalError", "Throttling", "OperationAborted"}
_BUSY |= {"ThrottlingException", "RequestLimitExceeded", "ConditionalRequestConflict"}
_STORE_FULL = {"InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
_KEYS_REMEDY = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_UNKNOWN_KEYS = ("the store does not know the credentials", _KEYS_REMEDY)
_FORBIDDEN = ("the store does not allow it", "check the credentials and what they permit")
_ELSEWHERE = ("the bucket lies in another region", "set AWS_DEFAULT_REGION to it")
_REFUSALS = {
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"), _UNKNOWN_KEYS),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "MethodNotAllowed", "403"), _FORBIDDEN),
    **dict.fromkeys(("PermanentRedirect", "AuthorizationHeaderMalformed", "301", "307"), _ELSEWHERE),
    "NoSuchBucket": ("no such bucket", "create it, or name another"),
    **dict.fromkeys(("NoSuchKey", "404"), ("no such file", "check the address")),
}
_NO_KEYS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound")


class Answer(NamedTuple):
    """What an S3 server said: its error code and the HTTP status; empty and 0 when it said nothing."""

    code: str
    status: int


def failures() -> tuple[type[Exception], ...]:
    """The exceptions that file systems raise, for an `except` clause; costs nothing until one is raised."""
    botocore, aiohttp = sys.modules.get("botocore.exceptions"), sys.modules.get("aiohttp")
    kinds: list[type[Exception]] = [OSError]
    kinds += [botocore.BotoCoreError, botocore.ClientError] if botocore else []
    kinds += [aiohttp.ClientError] if aiohttp else []
    return tuple(kinds)


def answer_of(error: BaseException) -> Answer:
    """What the server answered, from the exception or one that it came of."""
    cause: BaseException | None = error
    while cause is not None:
        response: dict[str, Any] | None = getattr(cause, "response", None)
        if isinstance(response, dict):
            said, about = response.get("Error", {}), response.get("ResponseMetadata", {})
            return Answer(str(said.get("Code", "")), int(about.get("HTTPStatusCode") or 0))
        cause = cause.__cause__ or cause.__context__
    return Answer("", 0)


def is_missing(error: BaseException) -> bool:
    """Whether there is no such file, though there is a store to ask."""
    return isinstance(error, FileNotFoundError) and answer_of(error).code != "NoSuchBucket"


def is_of_this_disk(error: BaseException) -> bool:
    """Whether a transfer failed because this machine's disk is full, not the store."""
    return isinstance(error, OSError) and error.errno in _FULL and not answer_of(error).code


def failure(error: Exception, where: str, kind: type[UserError] = OutputError) -> OneLineError:
    """The one-line error that says what an exception of a file system means.

    Args:
        error: one of `failures()`.
        where: the address it concerns.
        kind: what to raise for what does not pass by itself.
    """
    answer = answer_of(error)
    if answer.code or answer.status:
        return _of_server(answer, where, kind)
    botocore = sys.modules.get("botocore.exceptions")
    if botocore and isinstance(error, tuple(getattr(botocore, name) for name in _NO_KEYS)):
        return kind("there are no credentials for the store", where, _KEYS_REMEDY)
    if isinstance(error, OSError) and error.errno is not None:
        return _of_system(error.errno, error.strerror or "cannot be used", where, kind)
    return _no_answer(where)


def output_error(error: OSError, where: str) -> OneLineError:
    """The one-line error that says what an OSError at a local path means."""
    return failure(error, where)


def _of_system(number: int, words: str, where: str, kind: type[UserError]) -> OneLineError:
    if number in _FULL:
        return UnavailableError(_FULL[number], where, "free some space or choose another place, then run again")
    if number in _PASSING:
        return _no_answer(where)
    what, remedy = _REMEDIES.get(number, (words.lower(), "choose another place"))
    return kind(what, where, remedy)


def _of_server(answer: Answer, where: str, kind: type[UserError]) -> OneLineError:
    code, status = answer
    if code in _STORE_FULL or status == 507:
        return UnavailableError("the store is full", where, "free some space in it")
    if code == "RequestTimeTooSkewed":
        return UnavailableError("the store's clock is another than this machine's", where, "set the clock")
    if code in _BUSY or status == 429 or (status >= 500 and status != 501):
        return UnavailableError(f"the store is busy or in trouble ({code or status})", where, "wait, or look after it")
    refused = (f"the store refuses it ({code or status})", "choose another place")
    what, remedy = _REFUSALS.get(code) or _REFUSALS.get(str(status)) or refused
    return kind(what, where, remedy)


def _no_answer(where: str) -> UnavailableError:
    return UnavailableError("the store does not answer", where, "see that it runs and can be reached")
