"""What an S3 server answers, and what the drivers raise, as kumofs's own exceptions; one line each that says what to do.

Nothing that a server says is repeated but its code and, where that tells nothing, the first line of its message.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore import exceptions as boto

from kumofs.errors import (
    BadStoreCredentials,
    ClockSkew,
    ConfigError,
    KeyRefused,
    NoSuchBucket,
    NoSuchObject,
    NoSuchUpload,
    PreconditionFailed,
    RangeNotSatisfiable,
    StoreAccessDenied,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreThrottled,
    StoreTokenExpired,
    StoreUnavailable,
    WrongRegion,
)

MESSAGE_MAX = 200


class FolderClash(KeyRefused):
    """A folder where an object should be, or an object where a folder: for good, or only while others come and go there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered that was no success: HTTP status, S3's error code and message ('' for none), and headers' facts."""

    status: int
    code: str = ""
    message: str = ""
    region: str = ""
    retry_after_s: float = 0.0
    genuine: bool = False
    """Whether it bears the mark of an S3 server, not of a proxy before it."""


NO_BUCKET = "there is no such bucket: create it with `kumofs init`, or set `store` to one that is there"
WRONG_REGION = "the bucket lies in another region: set `region`"
BAD_CREDENTIALS = "the server does not accept the credentials: check the access key and secret that boto3 finds"
EXPIRED = "the credentials have expired: sign in again where they came from (`aws sso login`, a new session token)"
DENIED = "the credentials are good but may not do this: give them s3:GetObject, PutObject, DeleteObject and ListBucket"
SKEW = "this machine's clock and the server's differ too much: set the clock (`timedatectl set-ntp true`)"
SLOW_DOWN = "the server asks to be asked less often: try again later, or raise its limits"
NO_KEY = "there is no such object"
NO_UPLOAD = "there is no such multipart upload"
CHANGED = "the object is not the one that the condition names"
BEHIND = "the range begins behind the end"
REFUSED_KEY = "the server cannot carry this key: use another name"
FULL = "there is no room left: free some, or raise the quota"
BROKEN = "what arrived is not what was sent: the connection damages or cuts it"
WRONG_PARTS = "the parts are not those of the upload, or not in order, or too small"
ARCHIVED = "the object is archived: restore it first"

BY_CODE: dict[str, tuple[type[StoreError], str]] = {
    "NoSuchBucket": (NoSuchBucket, NO_BUCKET),
    "InvalidBucketName": (NoSuchBucket, NO_BUCKET),
    "PermanentRedirect": (WrongRegion, WRONG_REGION),
    "AuthorizationHeaderMalformed": (WrongRegion, WRONG_REGION),
    "IllegalLocationConstraintException": (WrongRegion, WRONG_REGION),
    "InvalidRegion": (WrongRegion, WRONG_REGION),
    "InvalidAccessKeyId": (BadStoreCredentials, BAD_CREDENTIALS),
    "SignatureDoesNotMatch": (BadStoreCredentials, BAD_CREDENTIALS),
    "InvalidToken": (BadStoreCredentials, BAD_CREDENTIALS),
    "InvalidSecurity": (BadStoreCredentials, BAD_CREDENTIALS),
    "ExpiredToken": (StoreTokenExpired, EXPIRED),
    "ExpiredTokenException": (StoreTokenExpired, EXPIRED),
    "TokenRefreshRequired": (StoreTokenExpired, EXPIRED),
    "AccessDenied": (StoreAccessDenied, DENIED),
    "AllAccessDisabled": (StoreAccessDenied, DENIED),
    "InvalidObjectState": (StoreRefused, ARCHIVED),
    "RequestTimeTooSkewed": (ClockSkew, SKEW),
    "SlowDown": (StoreThrottled, SLOW_DOWN),
    "SlowDownRead": (StoreThrottled, SLOW_DOWN),
    "SlowDownWrite": (StoreThrottled, SLOW_DOWN),
    "Throttling": (StoreThrottled, SLOW_DOWN),
    "ThrottlingException": (StoreThrottled, SLOW_DOWN),
    "RequestLimitExceeded": (StoreThrottled, SLOW_DOWN),
    "TooManyRequests": (StoreThrottled, SLOW_DOWN),
    "NoSuchKey": (NoSuchObject, NO_KEY),
    "NoSuchUpload": (NoSuchUpload, NO_UPLOAD),
    "PreconditionFailed": (PreconditionFailed, CHANGED),
    "ConditionalRequestConflict": (PreconditionFailed, CHANGED),
    "InvalidRange": (RangeNotSatisfiable, BEHIND),
    "InvalidPart": (PreconditionFailed, WRONG_PARTS),
    "InvalidPartOrder": (PreconditionFailed, WRONG_PARTS),
    "EntityTooSmall": (PreconditionFailed, WRONG_PARTS),
    "KeyTooLongError": (KeyRefused, REFUSED_KEY),
    "KeyTooLong": (KeyRefused, REFUSED_KEY),
    "InvalidURI": (KeyRefused, REFUSED_KEY),
    "InvalidObjectName": (KeyRefused, REFUSED_KEY),
    "XMinioInvalidObjectName": (KeyRefused, REFUSED_KEY),
    "XMinioObjectExistsAsDirectory": (FolderClash, REFUSED_KEY),
    "XMinioParentIsObject": (FolderClash, REFUSED_KEY),
    "ExistingObjectIsDirectory": (FolderClash, REFUSED_KEY),
    "ObjectParentIsFile": (FolderClash, REFUSED_KEY),
    "QuotaExceeded": (StoreFull, FULL),
    "XMinioAdminBucketQuotaExceeded": (StoreFull, FULL),
    "XMinioStorageFull": (StoreFull, FULL),
    "InsufficientStorage": (StoreFull, FULL),
    "BadDigest": (StoreUnavailable, BROKEN),
    "XAmzContentSHA256Mismatch": (StoreUnavailable, BROKEN),
    "XAmzContentChecksumMismatch": (StoreUnavailable, BROKEN),
    "IncompleteBody": (StoreUnavailable, BROKEN),
    "RequestTimeout": (StoreUnavailable, BROKEN),
    "OperationAborted": (StoreUnavailable, "another request is at work on this: try again"),
}
"""Code: the exception, and what to do. A 404 is NoSuchObject only by its code: a lost bucket is never a lost file."""
BY_STATUS: dict[int, tuple[type[StoreError], str]] = {
    301: (WrongRegion, WRONG_REGION),
    403: (StoreAccessDenied, DENIED),
    412: (PreconditionFailed, CHANGED),
    414: (KeyRefused, REFUSED_KEY),
    416: (RangeNotSatisfiable, BEHIND),
    429: (StoreThrottled, SLOW_DOWN),
    507: (StoreFull, FULL),
}
"""Where a code is missing or unknown."""


def error_of(answer: Answer, what: str) -> StoreError:
    """The exception for an answer; `what` names what was asked (`'u1/a.txt' in s3://bucket`)."""
    found = BY_CODE.get(answer.code) or BY_STATUS.get(answer.status)
    if answer.status == 503 and answer.retry_after_s:
        found = BY_CODE["SlowDown"]
    said = " ".join(filter(None, (str(answer.status), answer.code)))
    if found is None:
        kind: type[StoreError] = StoreUnavailable if answer.status >= 500 or answer.status in (307, 404, 408) else StoreRefused
        note = f"{said} {answer.message.strip().splitlines()[0][:MESSAGE_MAX] if answer.message.strip() else ''}".strip()
        return waiting(kind(f"{what}: the server answers {note}"), answer)
    kind, advice = found
    if kind is WrongRegion and answer.region:
        advice = f"the bucket lies in the region {answer.region}: set `region` to that"
    return waiting(kind(f"{what}: {advice} ({said})"), answer)


def waiting(problem: StoreError, answer: Answer) -> StoreError:
    """The exception with what the server says of when to ask again, for the retry."""
    if answer.retry_after_s:
        problem.retry_after_s = answer.retry_after_s  # type: ignore[attr-defined]
    return problem


def answer_of(problem: boto.ClientError) -> Answer:
    """The server's answer in boto3's form of it."""
    return answer_in(problem.response)


def answer_in(response: Mapping[str, Any]) -> Answer:
    """The answer in what boto3 made of a response."""
    meta, error = response.get("ResponseMetadata", {}), response.get("Error", {})
    headers = meta.get("HTTPHeaders", {})
    code = str(error.get("Code", ""))
    return Answer(
        status=int(meta.get("HTTPStatusCode", 0)),
        code="" if code.isdigit() else code,
        message=str(error.get("Message", "")),
        region=str(headers.get("x-amz-bucket-region") or error.get("Region", "")),
        retry_after_s=seconds(headers.get("retry-after", "")),
    )


def seconds(text: str) -> float:
    """A Retry-After in seconds; 0 for none, or for a date."""
    return float(text) if text.isdigit() else 0.0


EXPIRED_HERE = (boto.UnauthorizedSSOTokenError, boto.SSOTokenLoadError, boto.TokenRetrievalError)
MISSING_HERE = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)
CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""TLS that ends early is a lost connection, and says nothing of certificates."""
SETTINGS_HERE = (boto.ProfileNotFound, boto.ConfigParseError, boto.ConfigNotFound, boto.NoRegionError, boto.InvalidRegionError)


def unanswered(what: str, problem: Exception) -> StoreUnavailable:
    """What is told of a server that could not be reached, or broke off."""
    return StoreUnavailable(f"{what}: the server does not answer ({type(problem).__name__})")


@contextmanager
def s3_errors(what: str) -> Iterator[None]:
    """Turn whatever boto3, botocore and sockets raise in the block into kumofs.errors; `what` names what was asked."""
    try:
        yield
    except boto.ClientError as problem:
        raise error_of(answer_of(problem), what) from problem
    except EXPIRED_HERE as problem:
        raise StoreTokenExpired(f"{what}: {EXPIRED}") from problem
    except MISSING_HERE as problem:
        raise BadStoreCredentials(f"{what}: no S3 credentials were found: put them into ~/.aws/credentials") from problem
    except SETTINGS_HERE as problem:
        raise ConfigError(f"{what}: {problem}") from problem
    except boto.ParamValidationError as problem:
        raise StoreRefused(f"{what}: boto3 does not send this: {str(problem).splitlines()[-1][:MESSAGE_MAX]}") from problem
    except CUT_OFF as problem:
        raise unanswered(what, problem) from problem
    except (boto.SSLError, ssl.SSLError) as problem:
        raise StoreRefused(
            f"{what}: the server's certificate is not accepted: check the endpoint, or set AWS_CA_BUNDLE"
        ) from problem
    except (boto.BotoCoreError, OSError) as problem:
        raise unanswered(what, problem) from problem
