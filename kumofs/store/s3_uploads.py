"""Multipart uploads: begun, filled, completed or aborted; and large files, whose parts are sent several at a time."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from html import escape
from threading import Lock
from typing import Any
from urllib.parse import quote

from kumofs.errors import NoSuchObject, NoSuchUpload, PreconditionFailed, RangeNotSatisfiable, StoreError, StoreRefused
from kumofs.store.protocol import Began, ObjectInfo, UnfinishedUpload
from kumofs.store.s3_body import Body
from kumofs.store.s3_errors import WRONG_PARTS, FolderClash, s3_errors
from kumofs.store.s3_headers import condition_headers, describing_headers, etag_of, quoted, time_ns, version_of
from kumofs.store.s3_http import Reply
from kumofs.store.s3_keys import KeySpace
from kumofs.store.s3_objects import Objects
from kumofs.store.s3_retry import CALL_S, COPY_BYTES_PER_S, Attempt, ask_again_on_clash, copy_time_s, retried, upload_time_s
from kumofs.store.s3_wire import Wire, check_success, element

PART_MAX_COUNT = 10_000
PARTS_AT_ONCE = 6
UPLOADS_REMEMBERED = 1000
PART_SILENCE_S = 30.0
BUSY_S = 3600.0
"""Of an upload older than that it is asked when its last part came."""


@dataclass(slots=True)
class Upload:
    """What this process knows of an upload that it began or met: the put's token ('' for unknown), sizes of parts."""

    token: str = ""
    sizes: dict[tuple[int, str], int] = field(default_factory=dict)
    sources: dict[tuple[str, str], int] = field(default_factory=dict)


class Uploads:
    """The multipart uploads of one key space."""

    def __init__(self, wire: Wire, client: Any, bucket: str, keys: KeySpace, objects: Objects, fixed: dict[str, str]) -> None:
        self._wire = wire
        self._client = client
        self._bucket = bucket
        self._keys = keys
        self._objects = objects
        self._fixed = fixed
        self._known: OrderedDict[str, Upload] = OrderedDict()
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="s3-part")

    def create(self, key: str, content_type: str | None, metadata: Mapping[str, str] | None) -> str:
        """Begin an upload; its id. One whose answer was lost stays behind, for the bucket's lifecycle to abort."""
        token = secrets.token_urlsafe(12)
        headers = describing_headers(content_type, metadata, token) | self._fixed
        reply = self._wire.call("POST", self._keys.path(key), query="uploads=", headers=headers)
        upload_id = element(check_success(reply, f"an upload to {key!r}"), "UploadId")
        self._remembered(upload_id).token = token
        return upload_id

    @contextmanager
    def begun(self, key: str, content_type: str | None, metadata: Mapping[str, str] | None, began: Began | None) -> Iterator[str]:
        """An upload for the block to complete; aborted where that fails. `began` is told its id."""
        upload_id = self.create(key, content_type, metadata)
        try:
            if began is not None:
                began(upload_id)
            yield upload_id
        except BaseException:
            with suppress(StoreError):
                self.abort(key, upload_id)
            raise

    def send(self, key: str, upload_id: str, number: int, body: Body) -> str:
        """Write a part; its etag. Its SHA-256 goes with it, so that the server notices damage."""
        check_number(number)
        query = f"partNumber={number}&{query_of(upload_id)}"
        reply = self._wire.call("PUT", self._keys.path(key), upload_time_s(body.size), query=query, body=body, hashed=True)
        return self._received(upload_id, number, etag_of(reply.headers), body.size)

    def note_source(self, upload_id: str, source: ObjectInfo | None) -> None:
        """Parts are going to be copied from an object that was looked at just now."""
        if source is not None:
            self._remembered(upload_id).sources[source.key, source.etag] = source.size

    def copy(self, key: str, upload_id: str, number: int, source: str, start: int, length: int, if_match: str) -> str:
        """Make a part of bytes of an object; its etag."""
        check_number(number)
        query = f"partNumber={number}&{query_of(upload_id)}"
        size = self._size_of(upload_id, source, if_match)
        if start < 0 or length < 1 or start + length > size:
            raise RangeNotSatisfiable(f"{source!r} has {size} bytes, not {length} from {start}")
        headers = self._objects.source_headers(source, if_match)
        headers["x-amz-copy-source-range"] = f"bytes={start}-{start + length - 1}"
        silence_s = PART_SILENCE_S + length / COPY_BYTES_PER_S

        def attempt(attempt: Attempt) -> str:
            reply = self._wire.ask(attempt, "PUT", self._keys.path(key), query=query, headers=headers, read_s=silence_s)
            return element(check_success(reply, f"a part of {key!r}"), "ETag").strip('"')

        try:
            etag = retried(attempt, copy_time_s(length) + silence_s)
        except StoreRefused:  # by a server that looks at the range first, and the object is a shorter one by now
            retried(lambda attempt: self._objects.require(attempt, source, if_match, vacant=False))
            raise
        return self._received(upload_id, number, etag, length)

    def complete(
        self, key: str, upload_id: str, parts: Sequence[tuple[int, str]], if_match: str | None, *, if_none_match: bool
    ) -> ObjectInfo:
        """Make the object of the parts. One that was completed while the answer was lost is known by its token."""
        check_parts(parts)
        path, query = self._keys.path(key), query_of(upload_id)
        headers = condition_headers(if_match, if_none_match=if_none_match)
        sizes = self._sizes(key, upload_id, parts)
        body = Body(parts_xml(parts))
        silence_s = PART_SILENCE_S + sum(sizes) / COPY_BYTES_PER_S
        token = self._remembered(upload_id).token

        def attempt(attempt: Attempt) -> ObjectInfo:
            try:
                if not self._objects.conditional:
                    self._objects.require(attempt, key, if_match, vacant=if_none_match)
                reply = self._wire.ask(attempt, "POST", path, query=query, headers=headers, body=body, read_s=silence_s)
                return completed(key, reply, sum(sizes))
            except FolderClash as problem:
                ask_again_on_clash(attempt, problem)
            except (PreconditionFailed, NoSuchUpload, NoSuchObject) as problem:
                own = self._objects.own(attempt, key, token) if attempt.repeated else None
                if own is not None:
                    return own
                if isinstance(problem, NoSuchObject):
                    raise PreconditionFailed(f"{key!r} has changed since it was looked at, or is gone") from problem
                raise

        info = retried(attempt, CALL_S + silence_s)
        self._forget(upload_id)
        return info

    def abort(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts; an unknown one is success."""
        with suppress(NoSuchUpload, NoSuchObject):
            self._wire.call("DELETE", self._keys.path(key), query=query_of(upload_id))
        self._forget(upload_id)

    def listed(self, prefix: str) -> list[UnfinishedUpload]:
        """The unfinished uploads, ordered. The whole bucket is asked: some servers know no prefixes here."""
        found: list[UnfinishedUpload] = []
        more: dict[str, str] = {}
        while True:
            page = retried(lambda _, more=more: self._page(more))  # type: ignore[misc]
            for upload in page.get("Uploads", ()):
                key = self._keys.key(upload["Key"])
                if key is not None and key.startswith(prefix):
                    with suppress(NoSuchUpload, NoSuchObject):  # it has ended meanwhile
                        found.append(self._seen(key, upload, now_of(page)))
            if not page.get("IsTruncated"):
                return sorted(found)
            more = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def fill(self, jobs: Sequence[Callable[[], tuple[int, str]]]) -> list[tuple[int, str]]:
        """Run what makes each part, several at once; all have ended when this returns or raises."""
        tasks = [self._threads.submit(job) for job in jobs]
        try:
            done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            wait(tasks)
        for task in done:
            task.result()
        return [task.result() for task in tasks]

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _seen(self, key: str, upload: Mapping[str, Any], now: datetime) -> UnfinishedUpload:
        upload_id, last = upload["UploadId"], upload["Initiated"]
        if (now - last).total_seconds() > BUSY_S:
            last = max((part["LastModified"] for part in self._parts(key, upload_id)), default=last)
        return UnfinishedUpload(key, upload_id, (now - last).total_seconds())

    def _page(self, more: Mapping[str, str]) -> dict[str, Any]:
        with s3_errors(f"the uploads of s3://{self._bucket}"):
            page: dict[str, Any] = self._client.list_multipart_uploads(Bucket=self._bucket, **more)
            return page

    def _remembered(self, upload_id: str) -> Upload:
        with self._lock:
            upload = self._known.setdefault(upload_id, Upload())
            self._known.move_to_end(upload_id)
            while len(self._known) > UPLOADS_REMEMBERED:
                self._known.popitem(last=False)
            return upload

    def _forget(self, upload_id: str) -> None:
        with self._lock:
            self._known.pop(upload_id, None)

    def _received(self, upload_id: str, number: int, etag: str, size: int) -> str:
        self._remembered(upload_id).sizes[number, etag] = size
        return etag

    def _size_of(self, upload_id: str, source: str, if_match: str) -> int:
        sources = self._remembered(upload_id).sources
        if (source, if_match) not in sources:
            there = self._objects.head(source)
            if there.etag != if_match:
                raise PreconditionFailed(f"{source!r} has changed since it was looked at")
            sources[source, if_match] = there.size
        return sources[source, if_match]

    def _sizes(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> list[int]:
        """The parts' sizes; asked for where another process has sent them. PreconditionFailed where one is another."""
        known = self._remembered(upload_id).sizes
        if any(part not in known for part in parts):
            sent = self._parts(key, upload_id)
            known = known | {(part["PartNumber"], part["ETag"].strip('"')): part["Size"] for part in sent}
        missing = [number for number, etag in parts if (number, etag) not in known]
        if missing:
            raise PreconditionFailed(f"part {missing[0]} of the upload to {key!r} is another or not there")
        return [known[part] for part in parts]

    def _parts(self, key: str, upload_id: str) -> list[dict[str, Any]]:
        """What the server has of an upload, in S3's words."""
        found: list[dict[str, Any]] = []
        marker = 0
        while True:
            page = retried(lambda _, marker=marker: self._parts_page(key, upload_id, marker))  # type: ignore[misc]
            found += page.get("Parts", ())
            if not page.get("IsTruncated"):
                return found
            marker = page["NextPartNumberMarker"]

    def _parts_page(self, key: str, upload_id: str, marker: int) -> dict[str, Any]:
        query_of(upload_id)
        with s3_errors(f"the parts of {key!r}"):
            where = {"Bucket": self._bucket, "Key": self._keys.path(key), "UploadId": upload_id}
            page: dict[str, Any] = self._client.list_parts(**where, PartNumberMarker=marker)
            return page


def now_of(page: Mapping[str, Any]) -> datetime:
    """The server's time of an answer."""
    return parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])


def completed(key: str, reply: Reply, size: int) -> ObjectInfo:
    """The object that a completed upload made. StoreError: the answer began as a success and is none."""
    etag = element(check_success(reply, f"the upload to {key!r}"), "ETag").strip('"')
    return ObjectInfo(key, etag, size, time_ns(reply.headers.get("Date")), version_of(reply.headers))


def query_of(upload_id: str) -> str:
    """The query that names an upload. NoSuchUpload for an id that no server gives."""
    if not upload_id or not upload_id.isascii() or not upload_id.isprintable() or ".." in upload_id:
        raise NoSuchUpload(f"there is no upload {upload_id!r}: begin again")
    return f"uploadId={quote(upload_id, safe='-_.~')}"


def parts_xml(parts: Sequence[tuple[int, str]]) -> bytes:
    """The list of parts as S3 takes it."""
    rows = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(quoted(etag))}</ETag></Part>" for number, etag in parts)
    return f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{rows}</CompleteMultipartUpload>'.encode()


def check_number(number: int) -> None:
    """StoreError for a part number outside 1 to 10,000."""
    if not 1 <= number <= PART_MAX_COUNT:
        raise StoreError(f"part number {number} is not between 1 and {PART_MAX_COUNT}")


def check_parts(parts: Sequence[tuple[int, str]]) -> None:
    """StoreError for a list of parts that is empty or not ascending."""
    numbers = [number for number, _ in parts]
    if not numbers or numbers != sorted(set(numbers)):
        raise StoreError(WRONG_PARTS)
