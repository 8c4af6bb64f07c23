"""What an object is described by, as S3's headers carry it.

A metadata value that a header cannot carry as it is (not ASCII, blanks at its ends or doubled) is sent as one RFC 2047
word of base64, and comes back as it was. `kumo-put` names the put that made the object: it tells a writer whose answer
was lost that the object is its own doing, and is never shown.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from kumofs.errors import PreconditionFailed, StoreError
from kumofs.store.protocol import ObjectInfo

META = "x-amz-meta-"
PUT_TOKEN = "kumo-put"  # noqa: S105  (no secret: it names a request)
METADATA_MAX_BYTES = 2048
"""S3's own bound on names and values together."""
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
PLAIN = re.compile(r"(?!=\?)(?:[!-~]+(?: [!-~]+)*)?")
TWO_STEP_SERVERS = ("VERSITYGW",)
"""Servers known to read what they tell of an object in two steps, as they call themselves."""
JUST_NOW_S = 10
"""How long ago a file may have been written that took its place only now."""
ETAG = re.compile(r"[!#-~]+")
ENCODED = re.compile(r"=\?utf-8\?b\?([A-Za-z0-9+/]*={0,2})\?=")


def describing_headers(content_type: str | None, metadata: Mapping[str, str] | None, token: str) -> dict[str, str]:
    """The headers of a put, a copy or a new upload. StoreError for what S3 cannot carry."""
    headers = {META + name: encoded(name, value) for name, value in (metadata or {}).items() if name != PUT_TOKEN}
    headers[META + PUT_TOKEN] = token
    size = sum(len(name) - len(META) + len(value) for name, value in headers.items())
    if size > METADATA_MAX_BYTES:
        raise StoreError(f"the metadata has {size} bytes, and S3 takes {METADATA_MAX_BYTES}: make it shorter")
    if content_type is not None:
        if not content_type or not PLAIN.fullmatch(content_type):
            raise StoreError(f"{content_type!r} is no content type")
        headers["Content-Type"] = content_type
    return headers


def encoded(name: str, value: str) -> str:
    """A metadata value as its header has it. StoreError."""
    if not NAME.fullmatch(name):
        raise StoreError(f"{name!r} is no name for metadata: use lower-case letters, digits, - . and _")
    return value if PLAIN.fullmatch(value) else f"=?utf-8?b?{b64encode(value.encode()).decode()}?="


def decoded(value: str) -> str:
    """A metadata value of its header; what others have put there in other ways stays as it is."""
    found = ENCODED.fullmatch(value)
    if found is None:
        return value
    try:
        return b64decode(found[1]).decode()
    except ValueError:
        return value


def info_of(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    """The protocol's record of an object, of a HEAD's headers."""
    named = [(name.lower(), value) for name, value in headers.items()]
    metadata = {name[len(META) :]: decoded(value) for name, value in named if name.startswith(META)}
    metadata.pop(PUT_TOKEN, None)
    return ObjectInfo(
        key=key,
        etag=etag_of(headers),
        size=int(headers.get("Content-Length", "0")),
        modified_ns=time_ns(headers.get("Last-Modified")),
        version=version_of(headers),
        content_type=headers.get("Content-Type"),
        metadata=metadata,
    )


def etag_of(headers: Mapping[str, str]) -> str:
    """The etag, without its quotes."""
    return headers.get("ETag", "").strip('"')


def is_of_one_state(headers: Mapping[str, str]) -> bool:
    """Whether all that an answer tells of an object is sure to be of one moment (docs/decisions/0002-s3.md).

    A server that looks at the etag by path and then opens the file may tell of two, where another file took its place
    between; that one was written just now.
    """
    if headers.get("Server", "") not in TWO_STEP_SERVERS:
        return True
    return age_ns(headers) > JUST_NOW_S * 10**9


def age_ns(headers: Mapping[str, str]) -> int:
    """How long an object has been there, by the server's clock, which tells whole seconds."""
    return time_ns(headers.get("Date")) - time_ns(headers.get("Last-Modified"))


def version_of(headers: Mapping[str, str]) -> str | None:
    """The version, or None where the bucket keeps none."""
    version = headers.get("x-amz-version-id")
    return None if version == "null" else version or None


def time_ns(text: str | None) -> int:
    """An HTTP date in nanoseconds; 0 for none."""
    try:
        return int(parsedate_to_datetime(text).timestamp()) * 10**9 if text else 0
    except ValueError:
        return 0


def condition_headers(if_match: str | None, *, if_none_match: bool) -> dict[str, str]:
    """The headers of a condition. PreconditionFailed for an etag that none can be."""
    headers = {}
    if if_match is not None:
        headers["If-Match"] = quoted(if_match)
    if if_none_match:
        headers["If-None-Match"] = "*"
    return headers


def quoted(etag: str) -> str:
    """An etag as a header has it. PreconditionFailed for one that none can be."""
    if not ETAG.fullmatch(etag):
        raise PreconditionFailed(f"{etag!r} is no etag")
    return f'"{etag}"'
