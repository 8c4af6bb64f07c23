"""The S3 store: objects in a bucket of AWS S3, or of a server that speaks its protocol.

Every file is one plain object under its key. What hot calls need is sent by a lean client (`s3_wire`), the rest by boto3.
Where servers differ is found by trying (`s3_capabilities`); docs/decisions/0002-s3.md says what follows from it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from kumofs.config import S3Settings
from kumofs.errors import NoSuchObject, PreconditionFailed, StoreError
from kumofs.model import Bytes
from kumofs.store.pieces import Piece, check_pieces, gone_is_changed
from kumofs.store.protocol import Began, Capabilities, ObjectInfo, Space, UnfinishedUpload
from kumofs.store.s3_body import Body, FileBody
from kumofs.store.s3_capabilities import Features, known_features, probe
from kumofs.store.s3_client import Bucket, make_client, make_session, parse_s3_url
from kumofs.store.s3_copying import Copies
from kumofs.store.s3_deleting import Deletions
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

    _able: Capabilities

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
        self._deletions = Deletions(self._wire, self._client, bucket.name, self._keys)
        self._use(features or known_features(self._wire, self._client, self._bucket, self._keys))

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do."""
        return self._able  # asked for on every write

    def probe(self) -> Features:
        """Try afresh what the server can do, use it from now on, and put it on record. StoreError."""
        self._use(probe(self._wire, self._client, self._bucket, self._keys))
        return self.features

    def head(self, key: str) -> ObjectInfo:
        """The object's state with its metadata."""
        return self._objects.head(key)

    def get(self, key: str, start: int = 0, length: int | None = None, if_match: str | None = None) -> Bytes:
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
        with opened(path) as fd:
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
                parts = self._uploads.fill(self._part_jobs(key, upload_id, fd, parts_of(size), if_match))
                return self._uploads.complete(key, upload_id, parts, if_match, if_none_match=if_none_match)

    def put_pieces(
        self,
        key: str,
        path: Path,
        pieces: Sequence[Piece],
        *,
        if_match: str,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        began: Began | None = None,
    ) -> ObjectInfo:
        """Replace an object by pieces of a file and of the object itself, each a part; several are made at a time."""
        check_pieces(pieces)
        with opened(path) as fd, gone_is_changed(key):
            there = self._require(key, if_match, vacant=False)
            with self._uploads.begun(key, content_type, metadata, began) as upload_id:
                self._uploads.note_source(upload_id, there)
                parts = self._uploads.fill(self._part_jobs(key, upload_id, fd, pieces, if_match))
                return self._uploads.complete(key, upload_id, parts, if_match, if_none_match=False)

    def copy(
        self,
        source: str,
        key: str,
        *,
        if_match: str,
        metadata: Mapping[str, str] | None = None,
        began: Began | None = None,
        size: int | None = None,
    ) -> ObjectInfo:
        """Copy an object to a key that has none; without `metadata` it keeps that of the source."""
        return self._copies.copy(source, key, if_match, metadata, began, size)

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        """Remove an object (a bucket with versions keeps them behind a mark); nothing there is success."""
        self._objects.delete(key, if_match)

    def delete_many(self, etags: Mapping[str, str]) -> set[str]:
        """Remove objects that are still what they were, in a few requests."""
        gone = self._deletions.delete(etags)
        if self._able.many_at_once and not self._deletions.works:
            self._able = replace(self._able, many_at_once=False)
        return gone

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
        self._able = features.capabilities
        self._deletions.works = self._able.many_at_once
        self._copies.native = features.conditional_copy
        self._copies.parts = features.copy_parts
        self._listings = Listings(self._client, self._bucket, self._keys, ordered=features.ordered_listing)

    def _require(self, key: str, if_match: str | None, *, vacant: bool) -> ObjectInfo | None:
        """What is there; PreconditionFailed where a condition does not hold already, before much is sent for nothing."""
        there: ObjectInfo | None = None
        if if_match is not None or vacant:
            with suppress(NoSuchObject):
                there = self._objects.head(key)
        if (vacant and there is not None) or (if_match is not None and (there is None or there.etag != if_match)):
            raise PreconditionFailed(f"{key!r} has changed since it was looked at, or is gone")
        return there

    def _part_jobs(self, key: str, upload_id: str, fd: int, pieces: Sequence[Piece], etag: str | None) -> Sequence[Any]:
        return [partial(self._made, key, upload_id, number, fd, piece, etag) for number, piece in enumerate(pieces, 1)]

    def _made(self, key: str, upload_id: str, number: int, fd: int, piece: Piece, etag: str | None) -> tuple[int, str]:
        if piece.copied:
            assert etag is not None
            return number, self._uploads.copy(key, upload_id, number, key, piece.start, piece.length, etag)
        return number, self._uploads.send(key, upload_id, number, FileBody(fd, piece.start, piece.length))


def parts_of(size: int) -> list[Piece]:
    """The parts of a file that is sent whole."""
    part = max(PART_BYTES, -(-size // PART_MAX_COUNT))
    return [Piece(start, min(part, size - start), copied=False) for start in range(0, size, part)]


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor to a file, for the block. StoreError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as problem:
        raise StoreError(f"{path} cannot be read: {problem.strerror}") from problem
    try:
        yield fd
    finally:
        os.close(fd)
