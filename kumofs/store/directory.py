"""The directory store: every object a plain file under its key, on any file system with hard links and flock.

    <root>/
        objects/<key>            the objects, nothing else; readable by any program
        .kumofs/
            incoming/            drafts: what is being written, and what a crash left of it (swept after a day)
            uploads/<id>/        unfinished multipart uploads: meta.json, part-1, part-2 …
            metadata/<xx>/…json  metadata, only where the file system has no extended attributes
            locks/               00 … ff for keys, and one for folders

An object is written as a draft, made durable, and renamed to its key while its lock is held, so that the condition is
still true at that moment. Bytes under a key never change in place: whoever has an object open keeps the bytes it has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from kumofs.errors import NoSuchObject, NoSuchUpload, PreconditionFailed, RangeNotSatisfiable, StoreError
from kumofs.store.directory_copying import copy_range, read_all
from kumofs.store.directory_errors import store_errors
from kumofs.store.directory_folders import Folders
from kumofs.store.directory_incoming import Draft, Incoming, opened_source, stamp
from kumofs.store.directory_layout import OBJECTS, OWN, lay_out
from kumofs.store.directory_listing import listed
from kumofs.store.directory_locks import Locks
from kumofs.store.directory_metadata import Attributes, Description, Records, attributes_work
from kumofs.store.directory_tree import Tree, components, etag_of
from kumofs.store.directory_uploads import PART_MAX_COUNT, Uploads, check_number, check_parts
from kumofs.store.pieces import Piece, check_pieces, gone_is_changed
from kumofs.store.protocol import Began, Capabilities, ObjectInfo, Space, UnfinishedUpload

CAPABILITIES = Capabilities(
    conditional_put=True,
    conditional_delete=True,
    conditional_copy=True,
    local_files=True,
    part_min_bytes=1,
    part_max_count=PART_MAX_COUNT,
    object_max_bytes=2**63 - 1,
)


class DirectoryStore:
    """Implements `kumofs.store.protocol.Store`; what its methods do and raise is written there."""

    def __init__(self, root: Path, *, xattrs: bool | None = None) -> None:
        """Open the store in `root`, which is made if its parent exists; `xattrs` instead of trying. StoreUnavailable."""
        self._root = root
        own = root / OWN
        self._incoming = Incoming(own / "incoming")
        self._locks = Locks(own / "locks")
        self._tree = Tree(Folders(root / OBJECTS, self._locks))
        self._records = Records(own / "metadata", self._incoming)
        self._uploads = Uploads(own / "uploads", self._incoming)
        with store_errors(root):
            lay_out(root)
            works = attributes_work(self._incoming)
            self._attributes = Attributes(usable=works if xattrs is None else xattrs)
            self._incoming.sweep()

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do."""
        return CAPABILITIES

    def head(self, key: str) -> ObjectInfo:
        """The object's state with its metadata."""
        with store_errors(self._root):
            with self._tree.opened(key) as (fd, state):
                description = self._description(fd, key, state)
            if description is not None:
                return info_of(key, state, description)
            # replaced between the look at the file and at its record, or a file that somebody else put here
            with self._locks.key(key), self._tree.opened(key) as (fd, state):
                return info_of(key, state, self._description(fd, key, state) or Description())

    def get(self, key: str, start: int = 0, length: int | None = None, if_match: str | None = None) -> bytes:
        """Bytes of an object."""
        with store_errors(self._root), self._tree.opened(key) as (fd, state):
            require(key, etag_of(state), if_match)
            if not 0 <= start <= state.st_size or (length or 0) < 0:
                raise RangeNotSatisfiable(f"{key!r} has {state.st_size} bytes, none from {start}")
            rest = state.st_size - start
            return read_all(fd, start, rest if length is None else min(length, rest))

    def open_local(self, key: str, if_match: str) -> int | None:
        """A descriptor to the object's bytes; the caller closes it."""
        with store_errors(self._root), self._tree.opened(key) as (fd, state):
            require(key, etag_of(state), if_match)
            return os.dup(fd)

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
        with store_errors(self._root):
            require(key, self._tree.etag(key), if_match, vacant=if_none_match)
            with self._incoming.draft(body) as draft:
                description = Description(content_type, metadata or {})
                return self._place(key, draft, description, if_match, vacant=if_none_match)

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
        began: Began | None = None,  # noqa: ARG002  (a draft is all that a crash leaves of it)
    ) -> ObjectInfo:
        """Write an object from a file, or keep a hard link to it with `share`."""
        with store_errors(self._root):
            require(key, self._tree.etag(key), if_match, vacant=if_none_match)
            with self._incoming.draft_of(path, share=share) as draft:
                description = Description(content_type, metadata or {})
                return self._place(key, draft, description, if_match, vacant=if_none_match)

    def put_pieces(
        self,
        key: str,
        path: Path,
        pieces: Sequence[Piece],
        *,
        if_match: str,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        began: Began | None = None,  # noqa: ARG002  (see put_file)
    ) -> ObjectInfo:
        """Replace an object by pieces of a file and of the object itself."""
        check_pieces(pieces)
        with store_errors(self._root), gone_is_changed(key), ExitStack() as stack:
            old, state = stack.enter_context(self._tree.opened(key))
            require(key, etag_of(state), if_match)
            source = stack.enter_context(opened_source(path))
            draft = stack.enter_context(self._incoming.draft())
            for start, length, copied in pieces:
                if copied and start + length > state.st_size:
                    raise RangeNotSatisfiable(f"{key!r} has {state.st_size} bytes, not {length} from {start}")
                if copy_range(old if copied else source, start, length, draft.fd, start) < length:
                    raise StoreError(f"{key if copied else path} became shorter while it was read: try again")
            require(key, etag_of(os.fstat(old)), if_match)  # another program may have written to the file
            return self._place(key, draft, Description(content_type, metadata or {}), if_match, vacant=False)

    def copy(
        self,
        source: str,
        key: str,
        *,
        if_match: str,
        metadata: Mapping[str, str] | None = None,
        began: Began | None = None,  # noqa: ARG002  (see put_file)
        size: int | None = None,  # noqa: ARG002  (a look costs nothing here)
    ) -> ObjectInfo:
        """Copy an object to a key that has none; without `metadata` it keeps that of the source."""
        with store_errors(self._root), ExitStack() as stack:
            require(key, self._tree.etag(key), None, vacant=True)
            kept = self.head(source)
            fd, state = stack.enter_context(self._tree.opened(source))
            require(source, kept.etag, if_match)
            require(source, etag_of(state), if_match)
            draft = stack.enter_context(self._incoming.draft())
            copy_range(fd, 0, state.st_size, draft.fd, 0)
            require(source, etag_of(os.fstat(fd)), if_match)  # another program may have written to the file
            description = Description(kept.content_type, kept.metadata if metadata is None else metadata)
            return self._place(key, draft, description, None, vacant=True)

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        """Remove an object; nothing there is success."""
        with store_errors(self._root):
            components(key)
            with suppress(NoSuchObject), self._locks.key(key):
                with self._tree.opened(key) as (_, state):
                    require(key, etag_of(state), if_match)
                self._tree.remove(key)
                self._records.remove(key)

    def delete_many(self, etags: Mapping[str, str]) -> set[str]:
        """Remove objects that are still what they were, one by one."""
        gone = set()
        for key, etag in etags.items():
            with suppress(PreconditionFailed):
                self.delete(key, if_match=etag)
                gone.add(key)
        return gone

    def list(self, prefix: str = "", after: str = "") -> Iterator[ObjectInfo]:
        """Objects in key order, without metadata."""
        with store_errors(self._root):
            yield from listed(self._tree, prefix, after)

    def create_upload(self, key: str, *, content_type: str | None = None, metadata: Mapping[str, str] | None = None) -> str:
        """Begin a multipart upload; its id."""
        with store_errors(self._root):
            self._tree.etag(key)
            return self._uploads.create(key, Description(content_type, metadata or {}))

    def upload_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Write a part; its etag."""
        check_number(number)
        with store_errors(self._root):
            self._uploads.description(key, upload_id)
            with self._incoming.draft(body) as draft:
                return self._uploads.receive(key, upload_id, number, draft)

    def copy_part(self, key: str, upload_id: str, number: int, source: str, start: int, length: int, if_match: str) -> str:
        """Make a part of bytes of an object; its etag. RangeNotSatisfiable where the object has not all of them."""
        check_number(number)
        with store_errors(self._root):
            self._uploads.description(key, upload_id)
            with self._tree.opened(source) as (fd, state), self._incoming.draft() as draft:
                require(source, etag_of(state), if_match)
                if start < 0 or length < 1 or start + length > state.st_size:
                    raise RangeNotSatisfiable(f"{source!r} has {state.st_size} bytes, not {length} from {start}")
                copy_range(fd, start, length, draft.fd, 0)
                return self._uploads.receive(key, upload_id, number, draft)

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
        check_parts(parts)
        with store_errors(self._root):
            description = self._uploads.description(key, upload_id)
            require(key, self._tree.etag(key), if_match, vacant=if_none_match)
            with self._incoming.draft() as draft:
                self._uploads.assemble(key, upload_id, parts, draft)
                info = self._place(key, draft, description, if_match, vacant=if_none_match)
            with suppress(OSError):  # the object is there: what is left of the upload is no reason to say otherwise
                self._uploads.remove(upload_id)
            return info

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts; an unknown one is success."""
        with store_errors(self._root), suppress(NoSuchUpload):
            self._uploads.description(key, upload_id)
            self._uploads.remove(upload_id)

    def list_uploads(self, prefix: str = "") -> Sequence[UnfinishedUpload]:
        """The unfinished uploads to keys with that prefix, ordered by key and id."""
        with store_errors(self._root):
            return self._uploads.listed(prefix)

    def space(self) -> Space | None:
        """Room on the file system for this user."""
        with store_errors(self._root):
            room = os.statvfs(self._root / OBJECTS)
            return Space(room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize)

    def close(self) -> None:
        """Nothing is held between calls."""

    def _place(self, key: str, draft: Draft, description: Description, if_match: str | None, *, vacant: bool) -> ObjectInfo:
        state = stamp(draft.fd)
        attached = self._attributes.write(draft.fd, description)
        os.fsync(draft.fd)
        with self._locks.key(key):
            current = self._tree.etag(key)
            require(key, current, if_match, vacant=vacant)
            if not attached:
                self._records.add(key, current, etag_of(state), description)
            self._tree.receive(key, draft.path)
        return info_of(key, state, description)

    def _description(self, fd: int, key: str, state: os.stat_result) -> Description | None:
        attached = self._attributes.read(fd)
        return attached if attached is not None else self._records.read(key, etag_of(state))


def require(key: str, there: str | None, if_match: str | None, *, vacant: bool = False) -> None:
    """PreconditionFailed unless what is at a key (its etag, None for nothing) is what the condition names."""
    if vacant and there is not None:
        raise PreconditionFailed(f"{key!r} is in the store already")
    if if_match is not None and there != if_match:
        raise PreconditionFailed(f"{key!r} has changed since it was looked at, or is gone")


def info_of(key: str, state: os.stat_result, description: Description) -> ObjectInfo:
    """The protocol's record of an object."""
    content_type, metadata = description.content_type, dict(description.metadata)
    return ObjectInfo(key, etag_of(state), state.st_size, state.st_mtime_ns, None, content_type, metadata)
