"""Folders of the directory store's tree: opened step by step so that no symlink is ever followed, made when a key needs
them, removed with their last object.

Descriptors are opened anew for every call: a disk that was taken away shows at once as StoreUnavailable, and is never
mistaken for a store without objects.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kumofs.errors import KumofsError, StoreUnavailable
from kumofs.store.directory_locks import Locks

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER_MODE = 0o700


class NoFolder(KumofsError):
    """A folder of the path is not there. Stays within the directory store."""


class NotFolder(KumofsError):
    """A component of the path is a file, or a symlink. Stays within the directory store."""


class Folders:
    """The folders under `top`. A path is its components, outermost first."""

    def __init__(self, top: Path, locks: Locks) -> None:
        self._top = top
        self._locks = locks

    @contextmanager
    def opened(self, path: Sequence[str]) -> Iterator[int]:
        """A descriptor to a folder, closed at the end of the block. NoFolder, NotFolder, StoreUnavailable, OSError."""
        fd = self._open_top()
        try:
            for name in path:
                fd = stepped(fd, name)
            yield fd
        finally:
            os.close(fd)

    def receive(self, path: Sequence[str], name: str, draft: Path) -> None:
        """Move a file into a folder that is made if need be, over what has that name; durable on return.

        NotFolder: a component is a file, or a folder with something in it has the name. StoreUnavailable, OSError.
        """
        folder = self._moved(path, name, draft)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def prune(self, path: Sequence[str]) -> None:
        """Remove a folder and those above it as far as they are empty. Leftovers are harmless, so nothing is raised."""
        with suppress(OSError, KumofsError), self._locks.folders(change=True):
            for depth in range(len(path), 0, -1):
                with self.opened(path[: depth - 1]) as parent:
                    os.rmdir(path[depth - 1], dir_fd=parent)

    def bare(self, path: Sequence[str]) -> list[tuple[str, ...]] | None:
        """A folder and those in it, outermost first, if there is nothing but folders; else None. OSError."""
        found: list[tuple[str, ...]] = []
        pending = [tuple(path)]
        while pending:
            inner = pending.pop()
            found.append(inner)
            with self.opened(inner) as fd, os.scandir(fd) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        return None
                    pending.append((*inner, entry.name))
        return found

    def _open_top(self) -> int:
        try:
            return os.open(self._top, FOLDER_FLAGS)
        except (FileNotFoundError, NotADirectoryError) as problem:
            raise StoreUnavailable(f"{self._top} is gone: mount the store's disk, or put it back from a backup") from problem

    def _moved(self, path: Sequence[str], name: str, draft: Path) -> int:
        # under the lock a folder that is seen is durable and stays; the long fsync comes after it
        with self._locks.folders(change=False), suppress(NoFolder, FileNotFoundError, IsADirectoryError):
            return self._rename(path, name, draft)
        with self._locks.folders(change=True):
            self._make(path)
            try:
                return self._rename(path, name, draft)
            except IsADirectoryError:
                self._clear((*path, name))
            try:
                return self._rename(path, name, draft)
            except IsADirectoryError as problem:
                raise NotFolder(name) from problem

    def _rename(self, path: Sequence[str], name: str, draft: Path) -> int:
        with self.opened(path) as folder:
            os.rename(draft, name, dst_dir_fd=folder)
            return os.dup(folder)

    def _make(self, path: Sequence[str]) -> None:
        fd = self._open_top()
        try:
            for name in path:
                with suppress(FileExistsError):
                    os.mkdir(name, FOLDER_MODE, dir_fd=fd)
                    os.fsync(fd)
                fd = stepped(fd, name)
        finally:
            os.close(fd)

    def _clear(self, path: Sequence[str]) -> None:
        # empty folders that a crash left behind must not keep a key from being used
        with suppress(NoFolder):
            for inner in reversed(self.bare(path) or []):
                with self.opened(inner[:-1]) as parent:
                    os.rmdir(inner[-1], dir_fd=parent)


def stepped(fd: int, name: str) -> int:
    """A descriptor to a folder in another, which is closed. NoFolder, NotFolder, OSError; then the outer stays open."""
    try:
        inner = os.open(name, FOLDER_FLAGS, dir_fd=fd)
    except FileNotFoundError as problem:
        raise NoFolder(name) from problem
    except OSError as problem:
        if problem.errno in (errno.ENOTDIR, errno.ELOOP):
            raise NotFolder(name) from problem
        raise
    os.close(fd)
    return inner
