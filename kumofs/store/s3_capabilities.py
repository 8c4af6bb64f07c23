"""What a bucket's server can do, found by trying, never by its name; kept in the bucket, so that it is tried once.

    <prefix>/.kumofs/probe-<random>/…       what is tried with, removed afterwards
    <prefix>/.kumofs/capabilities.json      {"format": 1, "servers": {"<endpoint>": {"date": "2030-01-31", …}}}

A record is of one endpoint, since a bucket may be moved to another server with everything in it, and of at most 30 days.
"""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from kumofs.errors import (
    NoSuchObject,
    PreconditionFailed,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from kumofs.store.protocol import Capabilities
from kumofs.store.s3_body import Body
from kumofs.store.s3_errors import s3_errors
from kumofs.store.s3_headers import etag_of, version_of
from kumofs.store.s3_keys import KeySpace
from kumofs.store.s3_listing import pages, versions
from kumofs.store.s3_uploads import parts_xml, query_of
from kumofs.store.s3_wire import Wire, check_success, element

FORMAT = 1
KEPT_DAYS = 30
SERVERS_MAX = 8
RECORD = "capabilities.json"
ORDER_TRIED = ("a-", "a/b", "a0", "a/b-")
"""Names that a server which lists folder by folder has in another order."""

OTHER = {"If-Match": '"00000000000000000000000000000000"'}
"""A condition that no object meets."""


@dataclass(frozen=True, slots=True)
class Features:
    """What was found by trying."""

    conditional_put: bool
    conditional_delete: bool
    conditional_copy: bool
    """CopyObject looks at its target; where it does not, a copy is made in another way (`s3_copying`)."""
    copy_parts: bool
    versions: bool
    object_lock: bool
    sse: bool
    ordered_listing: bool

    @property
    def capabilities(self) -> Capabilities:
        """As the protocol has it: a copy is conditional in one way or another wherever a put is."""
        return Capabilities(
            conditional_put=self.conditional_put,
            conditional_delete=self.conditional_delete,
            conditional_copy=self.conditional_copy or self.conditional_put,
            versions=self.versions,
            copy_parts=self.copy_parts,
            object_lock=self.object_lock,
            sse=self.sse,
            many_at_once=self.ordered_listing and not self.conditional_delete,
        )


def known_features(wire: Wire, client: Any, bucket: str, keys: KeySpace) -> Features:
    """The features as the bucket has them on record; tried, and put on record, where it has none. StoreError."""
    kept = read_records(wire, keys).get(wire.endpoint)
    return features_of(kept) or probe(wire, client, bucket, keys)


def probe(wire: Wire, client: Any, bucket: str, keys: KeySpace) -> Features:
    """Try everything with small objects, and put what was found on record. StoreError."""
    trial = Trial(wire, keys.own(f"probe-{secrets.token_hex(8)}/"))
    try:
        features = Features(
            conditional_put=trial.puts() and trial.completes(),
            conditional_delete=trial.deletes(),
            conditional_copy=trial.copies(),
            copy_parts=trial.copies_parts(),
            versions=trial.keeps_versions(),
            object_lock=has_object_lock(client, bucket),
            sse=trial.encrypts(),
            ordered_listing=trial.lists_in_order(client, bucket),
        )
    finally:
        with suppress(StoreError):
            trial.remove(client, bucket)
    write_record(wire, keys, features)
    return features


class Trial:
    """Objects below one path to try things with."""

    def __init__(self, wire: Wire, top: str) -> None:
        self._wire = wire
        self._top = top

    def puts(self) -> bool:
        """Whether a put decides If-None-Match and If-Match."""
        etag = self._put("put", b"1", {"If-None-Match": "*"})
        return (
            self._refuses("PUT", "put", {"If-None-Match": "*"})
            and self._refuses("PUT", "put", OTHER)
            and self._refuses("PUT", "none", {"If-Match": f'"{etag}"'})
            and self._put("put", b"2", {"If-Match": f'"{etag}"'}) != ""
        )

    def completes(self) -> bool:
        """Whether the completion of an upload decides If-None-Match and If-Match."""
        self._put("complete", b"1")
        upload_id = self._upload("complete")
        query = query_of(upload_id)
        try:
            reply = self._wire.call("PUT", self._top + "complete", query=f"partNumber=1&{query}", body=Body(b"2"))
            xml = Body(parts_xml([(1, etag_of(reply.headers))]))
            return all(self._refuses("POST", "complete", each, query=query, body=xml) for each in ({"If-None-Match": "*"}, OTHER))
        finally:
            self._abort("complete", upload_id)

    def deletes(self) -> bool:
        """Whether a deletion decides If-Match."""
        self._put("delete", b"1")
        return self._refuses("DELETE", "delete", OTHER) and self._is_there("delete")

    def copies(self) -> bool:
        """Whether CopyObject looks at its target."""
        self._put("source", b"1")
        self._put("target", b"2")
        headers = {"x-amz-copy-source": self._source("source"), "If-None-Match": "*", "x-amz-metadata-directive": "REPLACE"}
        return self._refuses("PUT", "target", headers)

    def copies_parts(self) -> bool:
        """Whether UploadPartCopy works."""
        self._put("source", b"123")
        upload_id = self._upload("parts")
        headers = {"x-amz-copy-source": self._source("source"), "x-amz-copy-source-range": "bytes=1-2"}
        try:
            query = f"partNumber=1&{query_of(upload_id)}"
            return (
                element(
                    check_success(self._wire.call("PUT", self._top + "parts", query=query, headers=headers), "a part"), "ETag"
                )
                != ""
            )
        except StoreError as problem:
            return unable(problem)
        finally:
            self._abort("parts", upload_id)

    def keeps_versions(self) -> bool:
        """Whether the bucket keeps versions."""
        return version_of(self._wire.call("PUT", self._top + "version", body=Body(b"1")).headers) is not None

    def encrypts(self) -> bool:
        """Whether the server encrypts with a key of its own when asked to."""
        name = "x-amz-server-side-encryption"
        try:
            return (
                self._wire.call("PUT", self._top + "sse", headers={name: "AES256"}, body=Body(b"1")).headers.get(name) == "AES256"
            )
        except StoreError as problem:
            return unable(problem)

    def lists_in_order(self, client: Any, bucket: str) -> bool:
        """Whether a listing is in byte order."""
        for name in ORDER_TRIED:
            self._put(f"order/{name}", b"1")
        listed = [found["Key"] for found in pages(client, bucket, f"{self._top}order/")]
        return listed == [f"{self._top}order/{name}" for name in sorted(ORDER_TRIED)]

    def remove(self, client: Any, bucket: str) -> None:
        """Remove everything, where the bucket keeps versions these too. StoreError."""
        with suppress(StoreError):  # servers without versions, credentials that may not look at them
            for key, version in list(versions(client, bucket, self._top)):
                self._wire.call("DELETE", key, query=f"versionId={quote(version, safe='-_.~')}")
        for found in list(pages(client, bucket, self._top)):
            self._wire.call("DELETE", found["Key"])

    def _put(self, name: str, content: bytes, headers: dict[str, str] | None = None) -> str:
        return etag_of(self._wire.call("PUT", self._top + name, headers=headers, body=Body(content)).headers)

    def _upload(self, name: str) -> str:
        return element(check_success(self._wire.call("POST", self._top + name, query="uploads="), "an upload"), "UploadId")

    def _abort(self, name: str, upload_id: str) -> None:
        with suppress(StoreError):
            self._wire.call("DELETE", self._top + name, query=query_of(upload_id))

    def _source(self, name: str) -> str:
        return self._wire.source(self._top + name)

    def _is_there(self, name: str) -> bool:
        try:
            self._wire.call("HEAD", self._top + name)
        except NoSuchObject:
            return False
        return True

    def _refuses(self, method: str, name: str, headers: dict[str, str], **how: Any) -> bool:
        """Whether a request is refused for its condition; one that the server does not know at all is none it decides."""
        try:
            self._wire.call(method, self._top + name, headers=headers, **how)
        except (PreconditionFailed, NoSuchObject):
            return True
        except StoreError as problem:
            return unable(problem)
        return False


def unable(problem: StoreError) -> bool:
    """False for a server that says it cannot do something; what says nothing about that is raised again."""
    if isinstance(problem, StoreUnavailable) and type(problem) not in (StoreUnavailable, StoreRefused):
        raise problem
    if type(problem) is StoreUnavailable and "NotImplemented" not in str(problem):
        raise problem
    return False


def has_object_lock(client: Any, bucket: str) -> bool:
    """Whether objects of the bucket can be locked; False where that may not be asked."""
    try:
        with s3_errors(f"s3://{bucket}"):
            found = client.get_object_lock_configuration(Bucket=bucket)
    except StoreUnavailable as problem:
        if isinstance(problem.__cause__, ClientError):
            return False
        raise
    except StoreError:
        return False
    return bool(found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")


def read_records(wire: Wire, keys: KeySpace) -> dict[str, Any]:
    """Endpoint: record, of what the bucket has; empty where that is nothing of this format. StoreError."""
    try:
        found = json.loads(bytes(wire.call("GET", keys.own(RECORD)).body))
    except (NoSuchObject, ValueError):
        return {}
    servers = found.get("servers") if isinstance(found, dict) and found.get("format") == FORMAT else None
    return servers if isinstance(servers, dict) else {}


def features_of(record: Any) -> Features | None:
    """The features on record; None where there are none, or where they are too old."""
    if not isinstance(record, dict):
        return None
    oldest = (datetime.now(UTC) - timedelta(days=KEPT_DAYS)).date().isoformat()
    values = {each.name: record.get(each.name) for each in fields(Features)}
    if str(record.get("date", "")) < oldest or not all(isinstance(value, bool) for value in values.values()):
        return None
    return Features(**values)  # type: ignore[arg-type]


def write_record(wire: Wire, keys: KeySpace, features: Features) -> None:
    """Put features on record, beside those of other endpoints. StoreError."""
    others = [(endpoint, record) for endpoint, record in read_records(wire, keys).items() if endpoint != wire.endpoint]
    mine = {"date": datetime.now(UTC).date().isoformat(), **asdict(features)}
    text = json.dumps({"format": FORMAT, "servers": {**dict(others[1 - SERVERS_MAX :]), wire.endpoint: mine}}, indent=1)
    wire.call("PUT", keys.own(RECORD), headers={"Content-Type": "application/json"}, body=Body(text.encode()))
