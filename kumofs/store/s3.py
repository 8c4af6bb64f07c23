"""The S3 store: objects in a bucket of AWS S3, or of a server that speaks its protocol.

Every file is one plain object under its key. What hot calls need is sent by a lean client (`s3_wire`), the rest by boto3.
Where servers differ is found by trying (`s3_capabilities`); docs/decisions/0002-s3.md says what follows from it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from kumofs.config import S3Settings
from kumofs.errors import NoSuchObject, PreconditionFailed, StoreError
from kumofs.store.protocol import Began, Capabilities, ObjectInfo, Space, UnfinishedUpload
from kumofs.store.s3_body import Body, FileBody
from kumofs.store.s3_capabilities import Features, known_features, probe
from kumofs.store.s3_client import Bucket, make_client, make_session, parse_s3_url
from kumofs.store.s3_copying import Copies
from kumofs.store.s3_keys import KeySpace
from kumofs.store.s3_listing import Listings
from kumofs.store.s3_objects import DELETE_BOUND_S, Objects
from kumofs.store.s3_uploads import PART_MAX_COUNT, Uploads
from kumofs.store.s3_wire import Wire

__all__ = ["DELETE_BOUND_S", "S3Store", "parse_s3_url"]
ONE_PUT_MAX_BYTES = 16 * 1024 * 1024
"""A larger file is sent in parts."""
PART_BYTES = 16 * 1024 * 1024


class S3Store:
    """Implements `kumofs.store.protocol.Store`; what its methods do and raise is written there."""

    def __init__(self, bucket: Bucket, s3: S3Settings, features: Features | None = None, session: Any = None) -> None:
        """Open the store; `features` instead of those on record in the bucket. ConfigError, StoreUnavailable."""
        session = session or make_session(s3)
        self._client = make_client(s3, attempts=1, session=session)
        self._bucket = bucket.name
        self._keys = KeySpace(bucket.prefix)
        self._wire = Wire(session, self._client, bucket.name, path_style=s3.endpoint is not None)
        fixed = {"x-amz-storage-class": s3.storage_class} if s3.storage_class else {}
        self._objects = Objects(self._wire, self._keys, fixed)
        self._uploads = Uploads(self._wire, self._client, bucket.name, self._keys, self._objects, fixed)
        self._copies = Copies(self._wire, self._keys, self._objects, self._uploads, fixed)
        self._use(features or known_features(self._wire, self._client, self._bucket, self._keys))

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do."""
        return self.features.capabilities

    def probe(self) -> Features:
        """Try afresh what the server can do, use it from now on, and put it on record. StoreError."""
        self._use(probe(self._wire, self._client, self._bucket, self._keys))
        return self.features

    def head(self, key: str) -> ObjectInfo:
        """The object's state with its metadata."""
        return self._objects.head(key)

    def get(self, key: str, start: int = 0, length: int | None = None, if_match: str | None = None) -> bytes:
        """Bytes of an object."""
        return self._objects.get(key, start, length, if_match)

    def open_local(self, key: str, if_match: str) -> int | None:  # noqa: ARG002  (the protocol's)
        """None: the bytes are elsewhere."""
        return None

    def put(
        self,
        key: str,
        body: bytes,
        *,
        if_match: str | None = None,
        if_none_match: bool = False,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Write an object."""
        return self._objects.put(
            key, Body(body), if_match=if_match, if_none_match=if_none_match, content_type=content_type, metadata=metadata
        )

    def put_file(
        self,
        key: str,
        path: Path,
        *,
        if_match: str | None = None,
        if_none_match: bool = False,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        share: bool = False,  # noqa: ARG002  (the protocol's)
        began: Began | None = None,
    ) -> ObjectInfo:
        """Write an object from a file; a large one in parts, several at a time, of which a block each is in memory."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as problem:
            raise StoreError(f"{path} cannot be read: {problem.strerror}") from problem
        try:
            size = os.fstat(fd).st_size
            if size <= ONE_PUT_MAX_BYTES:
                return self._objects.put(
                    key,
                    FileBody(fd, 0, size),
                    if_match=if_match,
                    if_none_match=if_none_match,
                    content_type=content_type,
                    metadata=metadata,
                )
            self._require(key, if_match, vacant=if_none_match)
            with self._uploads.begun(key, content_type, metadata, began) as upload_id:
                parts = self._uploads.fill(self._part_jobs(key, upload_id, fd, size))
                return self._uploads.complete(key, upload_id, parts, if_match, if_none_match=if_none_match)
        finally:
            os.close(fd)

    def copy(
        self,
        source: str,
        key: str,
        *,
        if_match: str,
        metadata: Mapping[str, str] | None = None,
        began: Began | None = None,
    ) -> ObjectInfo:
        """Copy an object to a key that has none; without `metadata` it keeps that of the source."""
        return self._copies.copy(source, key, if_match, metadata, began)

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        """Remove an object (a bucket with versions keeps them behind a mark); nothing there is success."""
        self._objects.delete(key, if_match)

    def list(self, prefix: str = "", after: str = "") -> Iterator[ObjectInfo]:
        """Objects in key order, without metadata."""
        return self._listings.listed(prefix, after)

    def create_upload(self, key: str, *, content_type: str | None = None, metadata: Mapping[str, str] | None = None) -> str:
        """Begin a multipart upload; its id."""
        return self._uploads.create(key, content_type, metadata)

    def upload_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Write a part; its etag."""
        return self._uploads.send(key, upload_id, number, Body(body))

    def copy_part(self, key: str, upload_id: str, number: int, source: str, start: int, length: int, if_match: str) -> str:
        """Make a part of bytes of an object; its etag. RangeNotSatisfiable where the object has not all of them."""
        return self._uploads.copy(key, upload_id, number, source, start, length, if_match)

    def complete_upload(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[tuple[int, str]],
        *,
        if_match: str | None = None,
        if_none_match: bool = False,
    ) -> ObjectInfo:
        """Make the object of the parts; PreconditionFailed (also for a part that is another) keeps the upload."""
        return self._uploads.complete(key, upload_id, parts, if_match, if_none_match=if_none_match)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts; an unknown one is success."""
        self._uploads.abort(key, upload_id)

    def list_uploads(self, prefix: str = "") -> Sequence[UnfinishedUpload]:
        """The unfinished uploads to keys with that prefix, ordered by key and id."""
        return self._uploads.listed(prefix)

    def space(self) -> Space | None:
        """None: a bucket has no end."""
        return None

    def close(self) -> None:
        """Close the connections."""
        self._uploads.close()
        self._wire.close()
        self._client.close()

    def _use(self, features: Features) -> None:
        self.features = features
        self._objects.conditional = features.conditional_put
        self._objects.conditional_delete = features.conditional_delete
        self._copies.native = features.conditional_copy
        self._copies.parts = features.copy_parts
        self._listings = Listings(self._client, self._bucket, self._keys, ordered=features.ordered_listing)

    def _require(self, key: str, if_match: str | None, *, vacant: bool) -> None:
        """PreconditionFailed where a condition does not hold already, before much is sent for nothing."""
        if if_match is None and not vacant:
            return
        there: str | None = None
        with suppress(NoSuchObject):
            there = self._objects.head(key).etag
        if (vacant and there is not None) or (if_match is not None and there != if_match):
            raise PreconditionFailed(f"{key!r} has changed since it was looked at, or is gone")

    def _part_jobs(self, key: str, upload_id: str, fd: int, size: int) -> Sequence[Any]:
        part = max(PART_BYTES, -(-size // PART_MAX_COUNT))
        bodies = [FileBody(fd, start, min(part, size - start)) for start in range(0, size, part)]
        return [partial(self._sent, key, upload_id, number, body) for number, body in enumerate(bodies, 1)]

    def _sent(self, key: str, upload_id: str, number: int, body: Body) -> tuple[int, str]:
        return number, self._uploads.send(key, upload_id, number, body)
