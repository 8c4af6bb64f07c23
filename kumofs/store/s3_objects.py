"""Single objects: looked at, read, written, removed; each in one request where nothing goes wrong.

What was sent once and not answered may have been applied. So every put carries a token of its own in the object's
metadata: a repeated put that meets "precondition failed" looks whether the object there is its own, and then it is done.

Where a server cannot decide a condition (`s3_capabilities`), the object is looked at first; what changes between the look
and the deed is not noticed. A deletion ends within DELETE_BOUND_S of its look, or it has not been sent: who must be sure
that no slow deletion is still on its way (the collection, which removes what was claimed) waits that long.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping

from kumofs.errors import KeyRefused, NoSuchObject, PreconditionFailed, RangeNotSatisfiable, StoreUnavailable
from kumofs.model import Bytes
from kumofs.store.checksum import crc32
from kumofs.store.protocol import ObjectInfo
from kumofs.store.s3_body import Body, crc32_text
from kumofs.store.s3_errors import FolderClash
from kumofs.store.s3_headers import (
    META,
    PUT_TOKEN,
    age_ns,
    condition_headers,
    describing_headers,
    etag_of,
    info_of,
    is_of_one_state,
    quoted,
    time_ns,
    version_of,
)
from kumofs.store.s3_http import Reply
from kumofs.store.s3_keys import KeySpace
from kumofs.store.s3_retry import Attempt, ask_again_on_clash, retried, upload_time_s
from kumofs.store.s3_wire import Wire

DELETE_BOUND_S = 30.0
"""How long after its look a deletion may still be carried out, where the server takes no condition for it."""
CLOCK_STEP_S = 2.0
"""More than what two dates in whole seconds may differ by from what they stand for."""
CHECKSUM = "x-amz-checksum-crc32"
VERIFIED = {"x-amz-checksum-mode": "ENABLED"}
"""Asks for the checksum of a whole object."""


class Objects:
    """The objects of one key space. `conditional`, `conditional_delete`: what the server decides itself."""

    def __init__(self, wire: Wire, keys: KeySpace, fixed: dict[str, str]) -> None:
        self._wire = wire
        self._keys = keys
        self._fixed = fixed
        self.conditional = True
        self.conditional_delete = True

    def head(self, key: str) -> ObjectInfo:
        """The object's state. NoSuchObject."""
        return retried(lambda attempt: info_of(key, self._seen_at_once(attempt, key)))

    def get(self, key: str, start: int, length: int | None, if_match: str | None) -> Bytes:
        """Bytes of an object: as many as it has there, never fewer."""
        if start < 0 or (length or 0) < 0:
            raise RangeNotSatisfiable(f"{key!r} has no bytes from {start}, {length} of them")
        if length == 0:
            return self._nothing(key, start, if_match)
        path, headers = self._keys.path(key), condition_headers(if_match, if_none_match=False)
        if start or length is not None:
            headers["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        else:
            headers |= VERIFIED

        def attempt(attempt: Attempt) -> Bytes:
            reply = self._got(attempt, key, path, headers, if_match)
            return ranged(reply, key, start, length) if "Range" in headers else verified(reply, key)

        try:
            return retried(attempt, upload_time_s(length or 0))
        except RangeNotSatisfiable:
            return self._nothing(key, start, if_match)
        except KeyRefused as problem:  # a server that keeps keys as paths: a part of this one is an object
            raise NoSuchObject(f"there is no object {key!r}") from problem

    def whole(self, key: str, size: int, if_match: str) -> tuple[ObjectInfo, Bytes]:
        """An object of about that size, its state and its bytes, in one request."""
        path, headers = self._keys.path(key), condition_headers(if_match, if_none_match=False) | VERIFIED

        def attempt(attempt: Attempt) -> tuple[ObjectInfo, Bytes]:
            reply = self._got(attempt, key, path, headers, if_match)
            return info_of(key, reply.headers), verified(reply, key)

        try:
            return retried(attempt, upload_time_s(size))
        except KeyRefused as problem:
            raise NoSuchObject(f"there is no object {key!r}") from problem

    def put(
        self,
        key: str,
        body: Body,
        *,
        if_match: str | None,
        if_none_match: bool,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
    ) -> ObjectInfo:
        """Write an object in one request."""
        path, token = self._keys.path(key), secrets.token_urlsafe(12)
        headers = describing_headers(content_type, metadata, token) | condition_headers(if_match, if_none_match=if_none_match)
        headers |= self._fixed | {CHECKSUM: body.crc32()}

        def attempt(attempt: Attempt) -> ObjectInfo:
            try:
                if not self.conditional:
                    self.require(attempt, key, if_match, vacant=if_none_match)
                reply = self._wire.ask(attempt, "PUT", path, headers=headers, body=body)
            except FolderClash as problem:
                ask_again_on_clash(attempt, problem)
            except (PreconditionFailed, NoSuchObject) as problem:
                own = self.own(attempt, key, token) if attempt.repeated else None
                if own is not None:
                    return own
                raise PreconditionFailed(f"{key!r} has changed since it was looked at, or is gone") from problem
            at_ns = time_ns(reply.headers.get("Date"))
            return ObjectInfo(
                key, etag_of(reply.headers), body.size, at_ns, version_of(reply.headers), content_type, dict(metadata or {})
            )

        return retried(attempt, upload_time_s(body.size))

    def delete(self, key: str, if_match: str | None) -> None:
        """Remove an object; nothing there is success.

        Where an attempt was sent before, or the server decides no condition, the object is looked at first: it may be removed
        already, and another be there since, even one of the same bytes and therefore of the same etag. StoreUnavailable where
        that cannot be told.
        """
        path = self._keys.path(key)
        seen: list[tuple[str, int]] = []
        sent_s: list[float] = []

        def attempt(attempt: Attempt) -> bool:
            if if_match is None:
                self._wire.ask(attempt, "DELETE", path)
                return True
            begun = Attempt(min(attempt.deadline, time.monotonic() + DELETE_BOUND_S / 2))
            if sent_s or not self.conditional_delete:
                there = self._looked(attempt, key)
                if etag_of(there) != if_match:
                    raise PreconditionFailed(f"{key!r} has changed since it was looked at")
                if sent_s and not seen and age_ns(there) <= (time.monotonic() - sent_s[0] + CLOCK_STEP_S) * 1e9:
                    return False
                seen.append((token_of(there), time_ns(there.get("Last-Modified"))))
                if seen[0] != seen[-1]:
                    return True
            condition = condition_headers(if_match, if_none_match=False) if self.conditional_delete else {}
            sent_s.append(time.monotonic())
            try:
                self._wire.ask(begun, "DELETE", path, headers=condition, read_s=DELETE_BOUND_S / 3)
            except PreconditionFailed:
                self._looked(attempt, key)  # some servers say so where nothing is
                raise
            return True

        try:
            done = retried(attempt)
        except (NoSuchObject, KeyRefused):
            return
        if not done:
            raise StoreUnavailable(f"{key!r}: the answer to its deletion was lost, and what is there now may be something new")

    def own(self, attempt: Attempt, key: str, token: str) -> ObjectInfo | None:
        """What is at a key where it is the doing of the put of that token; None else."""
        try:
            headers = self._looked(attempt, key)
        except NoSuchObject:
            return None
        return info_of(key, headers) if token and token_of(headers) == token else None

    def require(self, attempt: Attempt, key: str, if_match: str | None, *, vacant: bool) -> None:
        """PreconditionFailed unless what is at the key is what a condition names; by looking, so not for longer than that."""
        if if_match is None and not vacant:
            return
        try:
            there = etag_of(self._looked(attempt, key))
        except NoSuchObject:
            there = None
        if (vacant and there is not None) or (if_match is not None and there != if_match):
            raise PreconditionFailed(f"{key!r} has changed since it was looked at, or is gone")

    def source_headers(self, source: str, if_match: str) -> dict[str, str]:
        """The headers that name what is copied, and its state."""
        return {"x-amz-copy-source": self._wire.source(self._keys.path(source)), "x-amz-copy-source-if-match": quoted(if_match)}

    def _got(self, attempt: Attempt, key: str, path: str, headers: Mapping[str, str], if_match: str | None) -> Reply:
        """The answer to a GET, of that state. PreconditionFailed."""
        reply = self._wire.ask(attempt, "GET", path, headers=headers)
        if if_match is not None and etag_of(reply.headers) != if_match:
            raise PreconditionFailed(f"{key!r} has changed since it was looked at")
        if if_match is not None and not is_of_one_state(reply.headers):
            self._require_same(attempt, key, if_match, token_of(reply.headers))
        return reply

    def _looked(self, attempt: Attempt, key: str) -> Mapping[str, str]:
        try:
            return self._wire.ask(attempt, "HEAD", self._keys.path(key)).headers
        except KeyRefused as problem:
            self._keys.path(key)
            raise NoSuchObject(f"there is no object {key!r}") from problem

    def _seen_at_once(self, attempt: Attempt, key: str) -> Mapping[str, str]:
        """The headers of an object, all of one moment: where they may not be, they are asked for until two answers agree."""
        there = self._looked(attempt, key)
        while not is_of_one_state(there):
            before, there = there, self._looked(attempt, key)
            if info_of(key, before) == info_of(key, there) and token_of(before) == token_of(there):
                break
        return there

    def _require_same(self, attempt: Attempt, key: str, etag: str, token: str) -> None:
        """PreconditionFailed where bytes may be of what came after that etag; they are from the put of that token.

        Where the same bytes were written again meanwhile, it is tried again (StoreUnavailable): whose they are is not known.
        """
        try:
            there = self._seen_at_once(attempt, key)
        except NoSuchObject:
            there = {}
        if etag_of(there) != etag:
            raise PreconditionFailed(f"{key!r} has changed since it was looked at")
        if token_of(there) != token:
            raise StoreUnavailable(f"{key!r} was written while it was read")

    def _nothing(self, key: str, start: int, if_match: str | None) -> bytes:
        """No bytes, where the object has that state and does not end before `start`."""
        there = self.head(key)
        if if_match is not None and there.etag != if_match:
            raise PreconditionFailed(f"{key!r} has changed since it was looked at")
        if start > there.size:
            raise RangeNotSatisfiable(f"{key!r} has {there.size} bytes, none from {start}")
        return b""


def token_of(headers: Mapping[str, str]) -> str:
    """The token of the put that made an object; '' where it was not kumofs."""
    return headers.get(META + PUT_TOKEN, "")


def verified(reply: Reply, key: str) -> Bytes:
    """A whole object, checked against the checksum that the server has of it, if any. StoreUnavailable."""
    kept = reply.headers.get(CHECKSUM)
    of_all = reply.headers.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT"
    if kept and of_all and "-" not in kept and crc32_text(crc32(reply.body)) != kept:
        raise StoreUnavailable(f"{key!r} arrived damaged: its checksum is another")
    return reply.body


def ranged(reply: Reply, key: str, start: int, length: int | None) -> Bytes:
    """The bytes of a range, checked to be all of it and from there. StoreUnavailable, RangeNotSatisfiable."""
    if reply.status != 206:
        if start > len(reply.body):
            raise RangeNotSatisfiable(f"{key!r} has {len(reply.body)} bytes, none from {start}")
        return reply.body[start:] if length is None else reply.body[start : start + length]
    first, total = content_range(reply.headers.get("Content-Range", ""))
    rest = total - start
    if first != start or len(reply.body) != (rest if length is None else min(length, rest)):
        raise StoreUnavailable(f"{key!r}: the server gave another range than was asked for")
    return reply.body


def content_range(text: str) -> tuple[int, int]:
    """First byte and total size of `bytes first-last/total`; -1 where it is not that."""
    try:
        span, total = text.removeprefix("bytes ").split("/")
        return int(span.split("-")[0]), int(total)
    except ValueError:
        return -1, -1
