"""A staged file: the sparse local copy of an inode that is being written, with what of it is there.

Called by `fs/` on the event loop, one call at a time per inode (the inode's lock); the disk calls go to the page cache.
Ranges that are not there are as in `base`, the committed content that the writing began from; `gaps` says which.
"""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kumofs.cache.reader import Reader
from kumofs.errors import NoSpace, StagingUnavailable, TooLarge
from kumofs.model import Bytes, Content
from kumofs.staging.area import StagingArea
from kumofs.staging.begun import BegunUploads
from kumofs.staging.journal import Record, write_record
from kumofs.staging.ranges import Range, RangeSet
from kumofs.staging.stream import Stream
from kumofs.store.directory_copying import write_all

COPY_BYTES = 1 << 30
SENT_MAX = 16
"""Writes that are remembered as sent: more than one means that an answer was lost, each time."""
FLUSH_BYTES = 32 << 20
"""Written bytes after which the disk is told to begin; a file of 512 MiB then closes in about half the time."""


class StagedFile:
    """Bytes of one inode on their way to the store.

    `base_reader` keeps what the writing began from readable, whatever happens to the object meanwhile; owned from here on.
    """

    def __init__(self, area: StagingArea, ino: int, base: Content | None, base_reader: Reader | None = None) -> None:
        self.ino = ino
        self.base = base
        self.base_reader = base_reader
        self.size = base.size if base is not None else 0
        self.present = RangeSet()
        self.sent: tuple[str, ...] = ()
        self.data = secrets.token_urlsafe(12)
        self.mtime_ns = self.changed_ns = time.time_ns()
        self.error: str | None = None
        self._begin_unstreamed()
        self._area = area
        self._shared = False
        self._unflushed = 0
        self._counted = 0
        self.journalled = False
        """Whether the journal has it as it is now."""
        self._recorded = False
        """Whether the journal has anything of it."""
        self.path = area.data_path(ino)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with disk_errors():
            self._fd: int | None = os.open(self.path, flags, 0o600)

    @classmethod
    def restore(cls, area: StagingArea, record: Record) -> StagedFile:
        """The staged file of a journal record, as the mount that wrote it left it."""
        staged = cls.__new__(cls)
        staged.base_reader = None
        staged.ino, staged.base, staged.size, staged.data = record.ino, record.base, record.size, record.data
        staged.present = RangeSet(list(record.present))
        staged.mtime_ns = record.mtime_ns
        staged.sent = record.sent
        staged.note_sent()  # perhaps
        staged.changed_ns = time.time_ns()
        staged.error = None
        staged._begin_unstreamed()
        staged._area = area
        staged.path = area.data_path(record.ino)
        staged._fd = None
        staged._shared = True
        staged._unflushed = staged._counted = 0
        staged.journalled = staged._recorded = True
        with disk_errors():
            staged._fit()
        staged._count()
        return staged

    def _begin_unstreamed(self) -> None:
        self.appended = 0
        """How far it was written from its beginning on, one write after another."""
        self.stream: Stream | None = None
        self.streamed = False
        """Whether a stream of it was tried."""

    def begin_stream(self, stream: Stream) -> None:
        """Tell a stream of every change from now on."""
        self.stream = stream

    def adopt(self, data: str) -> None:
        """The bytes as they are now are that write, and may be in the store under its name from here on."""
        self.data = data
        self.note_sent()
        if self._recorded:
            with disk_errors():
                write_record(self._area.journal_path(self.ino), self.record(), durable=False)

    @property
    def begun(self) -> BegunUploads:
        """Where its uploads are noted."""
        return self._area.begun

    @property
    def fd(self) -> int:
        """The open file; opened where it rests."""
        if self._fd is None:
            with disk_errors():
                self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        return self._fd

    def rest(self) -> None:
        """Close the file until somebody wants it again: thousands may wait for their upload."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _count(self) -> None:
        self._area.used_bytes += self.present.total - self._counted
        self._counted = self.present.total

    def write(self, offset: int, body: bytes) -> int:
        """Put bytes at an offset; what lies between the old end and it becomes zeros."""
        with disk_errors():
            self._begin_change()
            self.journalled = False
            write_all(self.fd, body, offset)
        end = offset + len(body)
        if self.stream is not None:
            self.stream.note_change(min(offset, self.size), end)
        if offset == self.appended:
            self.appended = end
        if offset > self.size:
            self.present.add(self.size, offset)
        self.present.add(offset, end)
        self.size = max(self.size, end)
        self._count()
        self._unflushed += len(body)
        if self._unflushed >= FLUSH_BYTES:
            self._begin_flush(end)
        return len(body)

    def _begin_flush(self, end: int) -> None:
        # the disk begins to write now, so that the upload's fsync does not have to wait for all of a large file
        os.posix_fadvise(self.fd, max(0, end - self._unflushed), self._unflushed, os.POSIX_FADV_DONTNEED)
        self._unflushed = 0

    def truncate(self, size: int) -> None:
        """Cut, or lengthen with zeros."""
        with disk_errors():
            self._begin_change()
            self.journalled = False
            before, self.size = self.size, size
            self.appended = min(self.appended, size)
            self.present.cut(size)
            if size > before:
                self.present.add(before, size)
            if self._recorded:  # first of all: a kill in between must not leave a record of bytes that are not there
                write_record(self._area.journal_path(self.ino), self.record(), durable=False)
            os.ftruncate(self.fd, min(size, before))
            os.ftruncate(self.fd, size)
        if self.stream is not None:  # once the bytes are what they will be: what is read of them before is sent again
            self.stream.note_change(min(before, size), max(before, size))
        self._count()

    def gaps(self, start: int, end: int) -> list[Range]:
        """The parts of [start, end) that are still only in `base`."""
        return self.present.gaps(start, min(end, self.size)) if self.base is not None else []

    def fill(self, offset: int, body: Bytes) -> None:
        """Put bytes of `base` where nothing was written."""
        with disk_errors():
            write_all(self.fd, body, offset)
        self.note_filled(offset, offset + len(body))

    def note_filled(self, start: int, end: int) -> None:
        """Somebody put the bytes of `base` there."""
        self.present.add(start, end)
        self._count()

    def read(self, offset: int, length: int) -> bytes:
        """Bytes that are there; the caller has filled the gaps."""
        with disk_errors():
            return os.pread(self.fd, max(0, min(length, self.size - offset)), offset)

    def share(self) -> None:
        """From now on the store may hold a link to this very file: the next change copies it first."""
        self._shared = True

    def note_sent(self) -> None:
        """The bytes as they are now may be in the store from here on, whatever is heard of it."""
        if self.data not in self.sent:
            self.sent = (*self.sent, self.data)[-SENT_MAX:]

    def is_own(self, content: Content | None) -> bool:
        """Whether a content is what the writing began from (a copy under another key, too), or an earlier state of what is
        written here: what was not written since is the same in both."""
        if content is None:
            return self.base is None
        return content.data in self.sent or (self.base is not None and content.data == self.base.data)

    def record(self) -> Record:
        """What the journal keeps of it."""
        present = tuple(self.present.as_list())
        return Record(self.ino, self.data, self.base, self.size, present, self.mtime_ns, self.sent)

    def journal(self, *, durable: bool = True) -> None:
        """Make the bytes and their record survive the process, and, where `durable`, the power."""
        with disk_errors():
            os.ftruncate(self.fd, self.size)
            if durable:
                os.fsync(self.fd)
            write_record(self._area.journal_path(self.ino), self.record(), durable=durable)
        self.journalled = self._recorded = True

    def move_to(self, ino: int) -> None:
        """Become the bytes of another, new inode (a conflict copy). The gaps are filled."""
        path, journal = self.path, self._area.journal_path(self.ino)
        self.ino, self.base = ino, None
        self.path = self._area.data_path(ino)
        with disk_errors():
            path.rename(self.path)
            self.journal()
            journal.unlink(missing_ok=True)

    def forget(self, heir: Callable[[Path], bool] | None = None) -> None:
        """The bytes are committed (or not wanted any more): remove them from this machine.

        `heir` may have the file, if all of its bytes are there, and tells whether it took it.
        """
        with disk_errors():
            self._area.journal_path(self.ino).unlink(missing_ok=True)
            if heir is None or self.gaps(0, self.size) or not heir(self.path):
                self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let the files go, bytes and record stay for the next mount."""
        self.rest()
        self._area.used_bytes -= self._counted
        self._counted = 0
        if self.base_reader is not None:
            self.base_reader.close()
            self.base_reader = None

    def _fit(self) -> None:
        # the mount ended between a record and the change of the length that it tells of, or while more was written
        if self.path.stat().st_size != self.size:
            if os.fstat(self.fd).st_nlink > 1:
                self._unshare()
            os.ftruncate(self.fd, self.size)
            self.rest()

    def _begin_change(self) -> None:
        self.data = secrets.token_urlsafe(12)  # other bytes are another write
        self.mtime_ns = self.changed_ns = time.time_ns()
        if self._shared:
            self._shared = False
            if os.fstat(self.fd).st_nlink > 1:
                self._unshare()

    def _unshare(self) -> None:
        # an upload that failed after its PUT left a link in the store: those bytes must not change under its key
        draft = self.path.with_suffix(".copy")
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        size = os.fstat(self.fd).st_size
        done = 0
        while done < size:
            done += os.copy_file_range(self.fd, fd, min(COPY_BYTES, size - done), done, done)
        draft.replace(self.path)
        self.rest()
        self._fd = fd


@contextmanager
def disk_errors() -> Iterator[None]:
    """What the disk of the staging area answers, in the words of `errors`."""
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace("the disk that holds the staging area is full") from problem
        if problem.errno == errno.EFBIG:
            raise TooLarge("the file is larger than the staging area's file system can hold") from problem
        raise StagingUnavailable(f"the staging area cannot be used: {problem.strerror}") from problem
