"""Drafts: files being written under `incoming/`, which become objects, parts or records by a rename, or are removed."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from kumofs.errors import StoreError
from kumofs.store.directory_copying import copy_range, write_all

DRAFT_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
SOURCE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NOT_LINKABLE = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS})
LEFTOVER_NS = 24 * 3600 * 10**9
"""Age of a draft that nobody is writing any more."""
SWEPT_MAX = 10_000
"""Drafts looked at by one sweep."""


class Draft(NamedTuple):
    """A file in `incoming/` and a descriptor to it."""

    path: Path
    fd: int


class Clock:
    """Modification times in ns since 1970, none given twice by this process."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next_ns(self) -> int:
        """Now, or a little later."""
        with self._lock:
            self._last = max(time.time_ns(), self._last + 1)
            return self._last


CLOCK = Clock()
"""One for the process: two stores opened on one directory must not repeat an etag either."""


class Incoming:
    """The drafts under one directory. What a crash leaves there is swept a day later."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def new_path(self) -> Path:
        """A name that nobody uses."""
        return self._directory / secrets.token_hex(16)

    @contextmanager
    def draft(self, body: bytes = b"") -> Iterator[Draft]:
        """A new draft with those bytes; at the end of the block it is gone, unless it was renamed. OSError."""
        path = self.new_path()
        fd = os.open(path, DRAFT_FLAGS, 0o600)
        with removed_after(path), closed_after(fd):
            write_all(fd, body)
            yield Draft(path, fd)

    @contextmanager
    def draft_of(self, source: Path, *, share: bool) -> Iterator[Draft]:
        """A draft with a file's bytes: with `share` a hard link to that very file, if it can be. StoreError, OSError."""
        with ExitStack() as stack:
            fd = stack.enter_context(opened_source(source))
            draft = stack.enter_context(self._linked(source, fd)) if share else None
            if draft is None:
                draft = stack.enter_context(self.draft())
                copy_range(fd, 0, os.fstat(fd).st_size, draft.fd, 0)
            yield draft

    def sweep(self) -> None:
        """Remove what was left by processes that died over a day ago; a bounded look, and never an error."""
        with suppress(OSError), os.scandir(self._directory) as entries:
            for entry in islice(entries, SWEPT_MAX):
                # ctime: a link to an old file has that file's mtime
                if time.time_ns() - entry.stat(follow_symlinks=False).st_ctime_ns > LEFTOVER_NS:
                    discard(Path(entry.path))

    @contextmanager
    def _linked(self, source: Path, fd: int) -> Iterator[Draft | None]:
        path = self.new_path()
        with removed_after(path):
            yield Draft(path, fd) if link_alone(source, fd, path) else None


def link_alone(source: Path, fd: int, path: Path) -> bool:
    """Link a file to a new path if it then has just these two names. OSError.

    With a third, the file may be an object already (a retry after a crash, the same file under another key): its new time
    and metadata would change that object's etag without a put, and renaming one link over the other does nothing.
    """
    try:
        os.link(source, path, follow_symlinks=False)
    except OSError as problem:
        if problem.errno in NOT_LINKABLE:
            return False
        raise
    state = path.lstat()
    if os.path.samestat(state, os.fstat(fd)) and state.st_nlink == 2:
        return True
    path.unlink()
    return False


@contextmanager
def opened_source(source: Path) -> Iterator[int]:
    """A descriptor to the caller's file. StoreError where it is no plain file that can be read."""
    try:
        fd = os.open(source, SOURCE_FLAGS)
    except OSError as problem:
        raise StoreError(f"{source} cannot be read ({problem.strerror}), so nothing was put") from problem
    with closed_after(fd):
        if not S_ISREG(os.fstat(fd).st_mode):
            raise StoreError(f"{source} is not a plain file, so nothing was put")
        yield fd


@contextmanager
def closed_after(fd: int) -> Iterator[None]:
    """Close a descriptor at the end of the block."""
    try:
        yield
    finally:
        os.close(fd)


@contextmanager
def removed_after(path: Path) -> Iterator[None]:
    """Remove a file at the end of the block, if it is still there; the sweep gets what cannot be removed now."""
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def discard(path: Path) -> None:
    """Remove a file, or a directory of files; never an error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def stamp(fd: int) -> os.stat_result:
    """Give a draft a modification time of its own, which makes its etag; its state then. OSError."""
    now = CLOCK.next_ns()
    os.utime(fd, ns=(now, now))
    return os.fstat(fd)


def sync_directory(path: Path) -> None:
    """Make a directory's names survive a power cut. OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with closed_after(fd):
        os.fsync(fd)
