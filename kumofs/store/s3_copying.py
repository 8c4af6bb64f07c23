"""Copies within the bucket that replace nothing.

Few servers look at the target of a CopyObject. All that decide conditions for a put decide them for a completed upload,
so a copy is made of parts there: atomic, for one or two requests more. What is small is read and written.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from kumofs.errors import NoSuchObject, PreconditionFailed
from kumofs.store.protocol import Began, ObjectInfo
from kumofs.store.s3_body import Body
from kumofs.store.s3_headers import condition_headers, describing_headers, time_ns, version_of
from kumofs.store.s3_keys import KeySpace
from kumofs.store.s3_objects import Objects
from kumofs.store.s3_retry import COPY_BYTES_PER_S, Attempt, copy_time_s, retried
from kumofs.store.s3_uploads import PART_MAX_COUNT, PART_SILENCE_S, Uploads
from kumofs.store.s3_wire import Wire, check_success, element

READ_MAX_BYTES = 1024 * 1024
"""Up to here a copy is a read and a put."""
COPY_OBJECT_MAX_BYTES = 5 * 1024**3
PART_BYTES = 256 * 1024 * 1024
READ_PART_BYTES = 16 * 1024 * 1024


class Copies:
    """Copies in one key space. `native`: CopyObject looks at its target; `parts`: UploadPartCopy works."""

    def __init__(self, wire: Wire, keys: KeySpace, objects: Objects, uploads: Uploads, fixed: dict[str, str]) -> None:
        self._wire = wire
        self._keys = keys
        self._objects = objects
        self._uploads = uploads
        self._fixed = fixed
        self.native = False
        self.parts = True

    def copy(
        self,
        source: str,
        key: str,
        if_match: str,
        metadata: Mapping[str, str] | None,
        began: Began | None = None,
        size: int | None = None,
    ) -> ObjectInfo:
        """Copy an object to a key that has none; `began` and `size` as in the protocol."""
        self._keys.path(key)
        if size is not None and size <= READ_MAX_BYTES and not self.native:
            return self._by_hand(source, size, key, if_match, metadata)
        there = self._objects.head(source)
        if there.etag != if_match:
            raise PreconditionFailed(f"{source!r} has changed since it was looked at")
        kept = there.metadata if metadata is None else metadata
        if self.native and there.size <= COPY_OBJECT_MAX_BYTES:
            return self._by_server(there, key, kept)
        if there.size <= READ_MAX_BYTES:
            return self._by_hand(source, there.size, key, if_match, metadata)
        return self._by_parts(there, key, kept, began)

    def _by_hand(self, source: str, size: int, key: str, if_match: str, metadata: Mapping[str, str] | None) -> ObjectInfo:
        there, content = self._objects.whole(source, size, if_match)
        kept = there.metadata if metadata is None else metadata
        return self._objects.put(
            key, Body(content), if_match=None, if_none_match=True, content_type=there.content_type, metadata=kept
        )

    def _by_server(self, source: ObjectInfo, key: str, metadata: Mapping[str, str]) -> ObjectInfo:
        token = secrets.token_urlsafe(12)
        headers = describing_headers(source.content_type, metadata, token) | condition_headers(None, if_none_match=True)
        headers |= self._objects.source_headers(source.key, source.etag) | self._fixed | {"x-amz-metadata-directive": "REPLACE"}
        silence_s = PART_SILENCE_S + source.size / COPY_BYTES_PER_S

        def attempt(attempt: Attempt) -> ObjectInfo:
            try:
                reply = self._wire.ask(attempt, "PUT", self._keys.path(key), headers=headers, read_s=silence_s)
            except PreconditionFailed:
                own = self._objects.own(attempt, key, token) if attempt.repeated else None
                if own is not None:
                    return own
                raise
            etag = element(check_success(reply, f"a copy to {key!r}"), "ETag").strip('"')
            at_ns, version = time_ns(reply.headers.get("Date")), version_of(reply.headers)
            return ObjectInfo(key, etag, source.size, at_ns, version, source.content_type, dict(metadata))

        return retried(attempt, copy_time_s(source.size) + silence_s)

    def _by_parts(self, source: ObjectInfo, key: str, metadata: Mapping[str, str], began: Began | None) -> ObjectInfo:
        with suppress(NoSuchObject):
            self._objects.head(key)
            raise PreconditionFailed(f"{key!r} is in the store already")
        with self._uploads.begun(key, source.content_type, metadata, began) as upload_id:
            make = self._copied if self.parts else self._carried
            size = max(PART_BYTES if self.parts else READ_PART_BYTES, -(-source.size // PART_MAX_COUNT))
            starts = range(0, source.size, size)
            jobs = [
                partial(make, key, upload_id, number, source, start, min(size, source.size - start))
                for number, start in enumerate(starts, 1)
            ]
            parts = self._uploads.fill(jobs)
            return self._uploads.complete(key, upload_id, parts, None, if_none_match=True)

    def _copied(self, key: str, upload_id: str, number: int, source: ObjectInfo, start: int, size: int) -> tuple[int, str]:
        return number, self._uploads.copy(key, upload_id, number, source.key, start, size, source.etag)

    def _carried(self, key: str, upload_id: str, number: int, source: ObjectInfo, start: int, size: int) -> tuple[int, str]:
        body = Body(self._objects.get(source.key, start, size, source.etag))
        return number, self._uploads.send(key, upload_id, number, body)
