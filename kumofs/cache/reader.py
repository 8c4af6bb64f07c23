"""A reader of one content: from the store's own file where it lies on this machine (no copy is made), else by ranges."""

from __future__ import annotations

import errno
import os

from kumofs.errors import DamagedFile, NoSuchObject, StoreUnavailable
from kumofs.model import Content
from kumofs.store.protocol import Store

COPY_BYTES = 1 << 30


class Reader:
    """Committed bytes of a file. PreconditionFailed on opening or reading: the object is not that content any more."""

    def __init__(self, store: Store, content: Content) -> None:
        self.content = content
        self._store = store
        self._fd = self._open()
        self._nowait = self._fd is not None

    def read_now(self, offset: int, length: int) -> bytearray | None:
        """The bytes if they are in memory already, so that the event loop may ask; None: `read` in a thread."""
        if not self._nowait or self._fd is None:
            return None
        wanted = self._within(offset, length)
        body = bytearray(wanted)
        try:
            got = os.preadv(self._fd, [body], offset, os.RWF_NOWAIT)
        except OSError as problem:
            self._nowait = problem.errno == errno.EAGAIN  # else a file system that cannot say
            return None
        return body if got == wanted else None

    def read(self, offset: int, length: int) -> bytes:
        """Bytes [offset, offset+length) as far as the file goes; exactly those, or DamagedFile."""
        wanted = self._within(offset, length)
        if not wanted:
            return b""
        body = self._read_local(self._fd, offset, wanted) if self._fd is not None else self._read_remote(offset, wanted)
        if len(body) != wanted:
            raise DamagedFile(f"{self.content.key!r} is shorter than the catalog says")
        return body

    def copy_into(self, fd: int, start: int, end: int) -> bool:
        """Copy a range into a local file at the same offset without leaving the kernel. False: only `read` can."""
        if self._fd is None:
            return False
        while start < end:
            try:
                done = os.copy_file_range(self._fd, fd, min(COPY_BYTES, end - start), start, start)
            except OSError as problem:
                if problem.errno in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                    return False
                raise StoreUnavailable(f"{self.content.key!r} cannot be copied: {problem.strerror}") from problem
            if done == 0:
                raise DamagedFile(f"{self.content.key!r} is shorter than the catalog says")
            start += done
        return True

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _within(self, offset: int, length: int) -> int:
        return max(0, min(length, self.content.size - offset))

    def _open(self) -> int | None:
        if not self._store.capabilities.local_files:
            return None
        try:
            return self._store.open_local(self.content.key, self.content.etag)
        except NoSuchObject as problem:
            raise missing(self.content) from problem

    def _read_local(self, fd: int, offset: int, length: int) -> bytes:
        try:
            return os.pread(fd, length, offset)
        except OSError as problem:
            raise StoreUnavailable(f"{self.content.key!r} cannot be read: {problem.strerror}") from problem

    def _read_remote(self, offset: int, length: int) -> bytes:
        try:
            return self._store.get(self.content.key, offset, length, self.content.etag)
        except NoSuchObject as problem:
            raise missing(self.content) from problem


def missing(content: Content) -> DamagedFile:
    """What is told of bytes that the catalog names and the store does not have: never an empty file."""
    return DamagedFile(f"the store has no {content.key!r}")
