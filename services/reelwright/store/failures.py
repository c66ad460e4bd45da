"""Turns exceptions of file systems and S3 into one-line errors: temporary ones, and those a person must correct.

Texts of a server or its client library are never copied into a message: they may contain keys.
"""

from __future__ import annotations

import errno
import sys
from typing import Any, NamedTuple

from reelwright.titles.errors import OneLineError, OutputError, UnavailableError

_FULL = {errno.ENOSPC: "no space left", errno.EDQUOT: "the disk quota is used up"}
_REMEDIES = {
    errno.EACCES: ("not writable", "choose a folder you may write to"),
    errno.EPERM: ("not writable", "choose a folder you may write to"),
    errno.EROFS: ("the file system is read-only", "choose a folder you may write to"),
    errno.ENOTDIR: ("a file has the name of a folder that is needed", "choose another location"),
    errno.EISDIR: ("a folder has the name of the file", "choose another location"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name"),
}
# Answers of network file systems and connections while their server is away or busy.
_TEMPORARY = {
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
_ELSEWHERE = ("the bucket is in another region", "set AWS_DEFAULT_REGION to that region")
_REFUSALS = {
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "401"), _UNKNOWN_KEYS),
    **dict.fromkeys(("ExpiredToken", "InvalidToken", "TokenRefreshRequired"), _UNKNOWN_KEYS),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "MethodNotAllowed", "403"), _FORBIDDEN),
    **dict.fromkeys(("PermanentRedirect", "AuthorizationHeaderMalformed", "301", "307"), _ELSEWHERE),
    "NoSuchBucket": ("no such bucket", "create it, or name another"),
    **dict.fromkeys(("NoSuchKey", "404"), ("no such file", "check the address")),
}
# A person corrects these for a whole bucket or disk, and then every request works: they are no fault of one file.
_OF_THE_STORE = {_UNKNOWN_KEYS, _FORBIDDEN, _ELSEWHERE, _REFUSALS["NoSuchBucket"]}
_ERRNO_OF_THE_STORE = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_KEYS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound")


class S3Answer(NamedTuple):
    """The error that an S3 server answered.

    Attributes:
        code: S3's error code; empty when there was no answer.
        status: HTTP status; 0 when there was no answer.
    """

    code: str
    status: int


def store_exceptions() -> tuple[type[Exception], ...]:
    """The exceptions that file systems raise, for an `except` clause. Loads no client library."""
    botocore, aiohttp = sys.modules.get("botocore.exceptions"), sys.modules.get("aiohttp")
    kinds: list[type[Exception]] = [OSError]
    kinds += [botocore.BotoCoreError, botocore.ClientError] if botocore else []
    kinds += [aiohttp.ClientError] if aiohttp else []
    return tuple(kinds)


def s3_answer(error: BaseException) -> S3Answer:
    """The server's answer, from the exception or one of its causes."""
    cause: BaseException | None = error
    while cause is not None:
        response: dict[str, Any] | None = getattr(cause, "response", None)
        if isinstance(response, dict):
            body, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
            return S3Answer(str(body.get("Code", "")), int(metadata.get("HTTPStatusCode") or 0))
        cause = cause.__cause__ or cause.__context__
    return S3Answer("", 0)


def is_not_found(error: BaseException) -> bool:
    """Whether there is no such file in a store that exists."""
    return isinstance(error, FileNotFoundError) and s3_answer(error).code != "NoSuchBucket"


def is_local_disk_full(error: BaseException) -> bool:
    """Whether a transfer failed because a local disk is full, and not the store."""
    return isinstance(error, OSError) and error.errno in _FULL and not s3_answer(error).code


def store_error(
    error: Exception,
    where: str,
    kind: type[OneLineError] = OutputError,
    *,
    store_kind: type[OneLineError] | None = None,
) -> OneLineError:
    """The one-line error for an exception of a file system.

    Args:
        error: one of `store_exceptions()`.
        where: the address that the message names.
        kind: type of the result for an error that is not temporary.
        store_kind: of these, for one that concerns the whole store and not one file: the store refuses its caller, or
            the bucket is missing; `kind` if None.
    """
    store_kind = store_kind or kind
    answer = s3_answer(error)
    if answer.code or answer.status:
        return _from_s3_answer(answer, where, kind, store_kind)
    botocore = sys.modules.get("botocore.exceptions")
    if botocore and isinstance(error, tuple(getattr(botocore, name) for name in _NO_KEYS)):
        return _refusal(store_kind("there are no credentials for the store", where, _KEYS_REMEDY))
    if isinstance(error, OSError) and error.errno is not None:
        found = store_kind if error.errno in _ERRNO_OF_THE_STORE else kind
        return _from_errno(error.errno, error.strerror or "cannot be used", where, found)
    return _no_answer(where)


def output_error(error: OSError, where: str) -> OneLineError:
    """The one-line error for an OSError at a local path."""
    return store_error(error, where)


def _from_errno(number: int, text: str, where: str, kind: type[OneLineError]) -> OneLineError:
    if number in _FULL:
        return UnavailableError(_FULL[number], where, "free some space or choose another location, then run again")
    # Without an answer of the server, an error of this machine (of a socket, of a clock) says nothing of a file there.
    if number in _TEMPORARY or (number not in _REMEDIES and "://" in where):
        return _no_answer(where)
    what, remedy = _REMEDIES.get(number, (text.lower(), "choose another location"))
    return kind(what, where, remedy)


def _from_s3_answer(
    answer: S3Answer, where: str, kind: type[OneLineError], store_kind: type[OneLineError]
) -> OneLineError:
    code, status = answer
    if code in _STORE_FULL or status == 507:
        return UnavailableError("the store is full", where, "free some space in it")
    if code == "RequestTimeTooSkewed":
        return UnavailableError("the clocks of the store and of this machine differ", where, "set the clock")
    if code in _BUSY or status == 429 or (status >= 500 and status != 501):
        return UnavailableError(
            f"the store is busy or has failed ({code or status})", where, "wait, or check the store"
        )
    refused = (f"the store refuses the request ({code or status})", "choose another location")
    what, remedy = _REFUSALS.get(code) or _REFUSALS.get(str(status)) or refused
    found = (store_kind if (what, remedy) in _OF_THE_STORE else kind)(what, where, remedy)
    return _refusal(found) if (what, remedy) in {_UNKNOWN_KEYS, _FORBIDDEN} else found


def _refusal(error: OneLineError) -> OneLineError:
    error.refused = True
    return error


def _no_answer(where: str) -> UnavailableError:
    return UnavailableError("the store does not answer", where, "check that it runs and can be reached")
