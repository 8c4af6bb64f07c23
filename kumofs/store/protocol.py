"""The store protocol: what is asked of an object store, with its contract in prose.

- A key is a non-empty str of UTF-8, components joined by `/`; none is empty, `.` or `..`. A key may not be a path-prefix
  of another key in use. A store that cannot carry a key raises KeyRefused, before anything is written.
- An object appears whole or not at all, and has survived a power cut when `put` or `complete` returns.
- An etag names one state of one key's bytes and is opaque: never an MD5. It differs whenever the bytes differ; it may be
  the same for the same bytes, where the store computes it from them.
- Conditions (`if_match` an etag, `if_none_match=True` nothing there) that do not hold raise PreconditionFailed and change
  nothing; `Capabilities` says which of them the store decides atomically.
- "Not there" is NoSuchObject, and only that; a store that cannot be asked raises StoreUnavailable within its deadline.
- Every implementation is synchronous and thread-safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from kumofs.model import Bytes
from kumofs.store.pieces import Piece


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of an object. `metadata` names are lower case; values are str without control characters."""

    key: str
    etag: str
    size: int
    modified_ns: int
    version: str | None = None
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the store can do, found by trying, never by the server's name."""

    conditional_put: bool
    conditional_delete: bool
    conditional_copy: bool
    versions: bool = False
    local_files: bool = False
    """`open_local` works, and `put_file(share=True)` may link the file instead of copying it."""
    copy_parts: bool = True
    """`copy_part` works; where it does not, the caller sends the bytes."""
    object_lock: bool = False
    """Objects can be locked against change and removal."""
    sse: bool = False
    """The store encrypts with keys of its own when asked to."""
    many_at_once: bool = False
    """`delete_many` takes a few requests, however many objects they are."""
    part_min_bytes: int = 5 * 1024 * 1024
    part_max_count: int = 10_000
    object_max_bytes: int = 5 * 1024**4


@dataclass(frozen=True, slots=True)
class Space:
    """Room in the store, bytes and objects, as statfs shows it."""

    total_bytes: int
    free_bytes: int


class UnfinishedUpload(NamedTuple):
    """A multipart upload that was neither completed nor aborted. `idle_s`: seconds since it began, or, where that is over
    an hour, since its last part came; by the store's own clock."""

    key: str
    upload_id: str
    idle_s: float


MANY_MAX = 1000
"""Objects that `delete_many` takes."""
Began = Callable[[str], None]
"""Told the id of a multipart upload as soon as it exists, before much is sent: whoever dies over it leaves it behind."""


class Store(Protocol):
    """An object store; see the contract above."""

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do."""
        ...

    def head(self, key: str) -> ObjectInfo:
        """The object's state with its metadata. NoSuchObject."""
        ...

    def get(self, key: str, start: int = 0, length: int | None = None, if_match: str | None = None) -> Bytes:
        """Bytes [start, start+length), fewer at the end. NoSuchObject, PreconditionFailed, RangeNotSatisfiable (start > size)."""
        ...

    def open_local(self, key: str, if_match: str) -> int | None:
        """A file descriptor to the object's bytes, read-only, if they lie on this machine; a replaced object keeps it."""
        ...

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
        """Write an object. PreconditionFailed, KeyRefused, StoreFull."""
        ...

    def put_file(
        self,
        key: str,
        path: Path,
        *,
        if_match: str | None = None,
        if_none_match: bool = False,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        share: bool = False,
        began: Began | None = None,
    ) -> ObjectInfo:
        """Write an object from a file, any size, in bounded memory. With `share` the store may keep a hard link to this very
        file instead of a copy: the caller promises that its bytes never change again.

        `began` is called where the bytes go into a multipart upload to `key`, which ends with this call, in success or not."""
        ...

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
        """Replace an object by pieces of a file and of the object itself; these the store copies. In bounded memory.

        No piece but the last may be shorter than `part_min_bytes`, and there may be `part_max_count` of them. PreconditionFailed
        where the object is another by now or gone, RangeNotSatisfiable where it never had such bytes; `began` as for `put_file`.
        """
        ...

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
        """Copy within the store where the source still is `if_match` and nothing is at `key` (checked where the store can).

        `began` as for `put_file`. `size`: the source's, where the caller knows it, which may spare a look at it."""
        ...

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        """Remove an object; nothing there is success. PreconditionFailed where it has changed."""
        ...

    def delete_many(self, etags: Mapping[str, str]) -> set[str]:
        """Remove objects (key: etag) that are still what they were, as `delete` does; the keys where nothing is now.

        The others (another object is there, or this way does not do for the key) are left as they are: `delete` tells why. An
        exception says nothing of any. At most MANY_MAX of them.
        """
        ...

    def list(self, prefix: str = "", after: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix` and is greater than `after`, in key order; metadata may be left out."""
        ...

    def create_upload(self, key: str, *, content_type: str | None = None, metadata: Mapping[str, str] | None = None) -> str:
        """Begin a multipart upload; its id. Survives this process until completed or aborted."""
        ...

    def upload_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Write part `number` (from 1), replacing an earlier one of that number; its etag. NoSuchUpload."""
        ...

    def copy_part(self, key: str, upload_id: str, number: int, source: str, start: int, length: int, if_match: str) -> str:
        """Make a part of bytes of an object in the store; its etag. NoSuchUpload, NoSuchObject, PreconditionFailed."""
        ...

    def complete_upload(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[tuple[int, str]],
        *,
        if_match: str | None = None,
        if_none_match: bool = False,
    ) -> ObjectInfo:
        """Make the object of the parts, (number, etag) ascending. PreconditionFailed keeps the upload."""
        ...

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts; an unknown one is success."""
        ...

    def list_uploads(self, prefix: str = "") -> Sequence[UnfinishedUpload]:
        """The unfinished uploads to keys with that prefix, ordered by key and id."""
        ...

    def space(self) -> Space | None:
        """Room left, or None where the store does not say."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
