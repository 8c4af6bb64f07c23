"""Listings in key order, whatever order the server has them in.

A server that lists in byte order is read page by page. One that does not (found by trying, `s3_capabilities`) is read to
its end and sorted: about 500 bytes of memory an object below the prefix, so half a gigabyte for a million.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from typing import Any

from kumofs.errors import StoreUnavailable
from kumofs.store.protocol import ObjectInfo
from kumofs.store.s3_errors import s3_errors
from kumofs.store.s3_keys import ODD, OWN, KeySpace, may_have_keys
from kumofs.store.s3_retry import retried

PAGE = 1000
VERSIONED = ("Versions", "DeleteMarkers")


class Listings:
    """Listings of the keys in one key space of a bucket."""

    def __init__(self, client: Any, bucket: str, keys: KeySpace, *, ordered: bool) -> None:
        self._client = client
        self._bucket = bucket
        self._keys = keys
        self._ordered = ordered

    def listed(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """Objects whose key begins with `prefix` and is greater than `after`, in order, without metadata."""
        if not may_have_keys(prefix):
            return
        odd = sorted(self._infos(ODD, prefix, after), key=key_of)
        plain = self._infos(prefix, prefix, after)
        yield from merge(self._checked(plain) if self._ordered else sorted(plain, key=key_of), odd, key=key_of)

    def _infos(self, below: str, prefix: str, after: str) -> Iterator[ObjectInfo]:
        start = self._keys.top + after if after and self._ordered and below == prefix else ""
        for found in pages(self._client, self._bucket, self._keys.top + below, start):
            key = self._keys.key(found["Key"])
            if key is None or not key.startswith(prefix) or key <= after:
                continue
            if found["Key"].startswith(self._keys.top + OWN) != (below == ODD):
                continue
            modified_ns = int(found["LastModified"].timestamp()) * 10**9
            yield ObjectInfo(key, found["ETag"].strip('"'), found["Size"], modified_ns)

    def _checked(self, infos: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
        """The same; StoreUnavailable where they are out of order, for a caller would take a key to be missing."""
        last = ""
        for info in infos:
            if info.key <= last:
                self._ordered = False
                raise StoreUnavailable("the server's listing is not in order, though it was: list again, and it is sorted here")
            last = info.key
            yield info


def pages(client: Any, bucket: str, prefix: str, after: str = "") -> Iterator[dict[str, Any]]:
    """What the server lists below a prefix, in its order, a page at a time. StoreError."""
    more: dict[str, Any] = {"StartAfter": after} if after else {}
    while True:
        page = retried(lambda _, more=more: one_page(client, bucket, prefix, more))  # type: ignore[misc]
        yield from page.get("Contents", ())
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def versions(client: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    """(key as the server has it, version id) of everything below a prefix, marks of deletion too. StoreError."""
    more: dict[str, Any] = {}
    while True:
        page = retried(lambda _, more=more: one_page_of_versions(client, bucket, prefix, more))  # type: ignore[misc]
        yield from ((found["Key"], found["VersionId"]) for kind in VERSIONED for found in page.get(kind, ()))
        if not page.get("IsTruncated"):
            return
        more = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}


def one_page_of_versions(client: Any, bucket: str, prefix: str, more: dict[str, Any]) -> dict[str, Any]:
    """One page, asked once. StoreError."""
    with s3_errors(f"the versions of s3://{bucket}/{prefix}"):
        page: dict[str, Any] = client.list_object_versions(Bucket=bucket, Prefix=prefix, **more)
        return page


def one_page(client: Any, bucket: str, prefix: str, more: dict[str, Any]) -> dict[str, Any]:
    """One page, asked once. StoreError."""
    with s3_errors(f"the listing of s3://{bucket}/{prefix}"):
        page: dict[str, Any] = client.list_objects_v2(Bucket=bucket, Prefix=prefix, **{"MaxKeys": PAGE, **more})
        return page


def key_of(info: ObjectInfo) -> str:
    """What listings are ordered by."""
    return info.key
