"""A reader of one content: from the store's own file where it lies on this machine (no copy is made), else by windows."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from kumofs.cache.origin import missing, shorter
from kumofs.cache.window import SHARED, Memory, Window
from kumofs.errors import NoSuchObject, StoreUnavailable
from kumofs.model import Bytes, Content
from kumofs.store.protocol import Store

COPY_BYTES = 1 << 30


class Reader:
    """Committed bytes of a file. PreconditionFailed on opening or reading: the object is not that content any more.

    Opening one of a store that is not local asks the store nothing. `close` waits for nobody: who reads in a thread has it
    `held`, and the last of them lets go.
    """

    def __init__(self, store: Store, content: Content, memory: Memory = SHARED, fd: int | None = None) -> None:
        """`fd`: a file with these very bytes, open; owned from here on."""
        self.content = content
        self._store = store
        self._holders = 0
        self._closed = False
        self._window: Window | None = None
        self._fd = self._open() if fd is None else fd
        if self._fd is None:
            self._window = Window(store, content, memory)
        self._nowait = self._fd is not None

    @property
    def lasts(self) -> bool:
        """Whether the bytes stay readable whatever becomes of the object."""
        return self._fd is not None

    def reads(self, content: Content) -> bool:
        """Whether these are that content's bytes, and can be had: a copy under another key has the same."""
        return self.content == content or (self.lasts and self.content.data == content.data)

    @contextmanager
    def held(self) -> Iterator[Reader]:
        """Not closed meanwhile. Entered, left and closed in one thread; the reading may be in another."""
        self._holders += 1
        try:
            yield self
        finally:
            self._holders -= 1
            self._release()

    def read_now(self, offset: int, length: int) -> Bytes | None:
        """The bytes if they are in memory already, so that the event loop may ask; None: `read` in a thread."""
        wanted = self._within(offset, length)
        if self._window is not None:
            return self._window.read_now(offset, wanted)
        if not self._nowait or self._fd is None:
            return None
        body = bytearray(wanted)
        try:
            got = os.preadv(self._fd, [body], offset, os.RWF_NOWAIT)
        except OSError as problem:
            self._nowait = problem.errno == errno.EAGAIN  # else a file system that cannot say
            return None
        return body if got == wanted else None

    def read(self, offset: int, length: int) -> Bytes:
        """Bytes [offset, offset+length) as far as the file goes; exactly those, or DamagedFile."""
        wanted = self._within(offset, length)
        if not wanted:
            return b""
        if self._window is not None:
            return self._window.read(offset, wanted)
        body = self._read_local(offset, wanted)
        if len(body) != wanted:
            raise shorter(self.content)
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
                raise shorter(self.content)
            start += done
        return True

    def close(self) -> None:
        """Let go of the file, or of what is in memory, once nobody holds it."""
        self._closed = True
        self._release()

    def _release(self) -> None:
        if not self._closed or self._holders:
            return
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        if self._window is not None:
            self._window.close()

    def _within(self, offset: int, length: int) -> int:
        return max(0, min(length, self.content.size - offset))

    def _open(self) -> int | None:
        if not self._store.capabilities.local_files:
            return None
        try:
            return self._store.open_local(self.content.key, self.content.etag)
        except NoSuchObject as problem:
            raise missing(self.content) from problem

    def _read_local(self, offset: int, length: int) -> bytes:
        assert self._fd is not None
        try:
            return os.pread(self._fd, length, offset)
        except OSError as problem:
            raise StoreUnavailable(f"{self.content.key!r} cannot be read: {problem.strerror}") from problem
