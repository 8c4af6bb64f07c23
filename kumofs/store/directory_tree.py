"""The objects of the directory store: plain files in a tree of folders, found by their key."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from kumofs.errors import KeyRefused, NoSuchObject, StoreUnavailable
from kumofs.store.directory_folders import Folders, NoFolder, NotFolder

COMPONENT_MAX_BYTES = 255
OBJECT_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Never waits: not for the other end of a fifo either."""
NO_OBJECT = frozenset({errno.ENOENT, errno.ENXIO, errno.ELOOP})
"""What opening a file says where there is none, or a symlink or a socket."""


def etag_of(state: os.stat_result) -> str:
    """The etag of a file's state: every put is a new mtime, and nearly always a new inode too."""
    return f"{state.st_ino:x}-{state.st_mtime_ns:x}-{state.st_size:x}"


def components(key: str) -> list[str]:
    """The components of a key. KeyRefused where no file system can have it."""
    parts = key.split("/")
    for part in parts:
        if part in ("", ".", "..") or "\0" in part:
            raise KeyRefused(f"{key!r} has a component that cannot be a file's name: {part!r}")
        try:
            size = len(part.encode())
        except UnicodeEncodeError as problem:
            raise KeyRefused(f"{key!r} is not UTF-8") from problem
        if size > COMPONENT_MAX_BYTES:
            raise KeyRefused(f"{key!r} has a component of more than {COMPONENT_MAX_BYTES} bytes: shorten it")
    return parts


class Tree:
    """The objects. An OSError of a method is the store's trouble, never an object's."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    @contextmanager
    def opened(self, key: str) -> Iterator[tuple[int, os.stat_result]]:
        """A descriptor to an object's bytes, and its state, for the block. NoSuchObject, KeyRefused, OSError."""
        fd = self._open(key)
        try:
            state = os.fstat(fd)
            if not S_ISREG(state.st_mode):
                raise NoSuchObject(f"there is no object {key!r}")
            yield fd, state
        finally:
            os.close(fd)

    def etag(self, key: str) -> str | None:
        """The etag of what is under a key, before something is put there. KeyRefused where nothing can be; OSError."""
        *path, name = components(key)
        try:
            with self._folders.opened(path) as folder:
                state = state_in(folder, name)
            if state is None or (S_ISDIR(state.st_mode) and self._folders.bare([*path, name]) is not None):
                return None
        except NotFolder as problem:
            raise KeyRefused(f"a part of {key!r} is a file already: use another key") from problem
        except NoFolder:
            return None
        if not S_ISREG(state.st_mode):
            raise KeyRefused(f"{key!r} is in the store already and not a plain file: use another key")
        return etag_of(state)

    def receive(self, key: str, draft: Path) -> None:
        """Move a finished file under a key, durably; the caller is alone with the key. KeyRefused, OSError."""
        *path, name = components(key)
        try:
            self._folders.receive(path, name, draft)
        except NotFolder as problem:
            raise KeyRefused(f"{key!r} lies above or below another file of the store: use another key") from problem
        except NoFolder as problem:
            raise StoreUnavailable(f"somebody removes the folders of {key!r} while they are made: try again") from problem

    def remove(self, key: str) -> None:
        """Remove an object, durably, and the folders that become empty; the caller is alone with the key. OSError."""
        *path, name = components(key)
        with suppress(NoFolder, NotFolder, FileNotFoundError), self._folders.opened(path) as folder:
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)
            with os.scandir(folder) as entries:
                empty = next(entries, None) is None
            if empty:
                self._folders.prune(path)

    def names(self, folder: str) -> list[str]:
        """Names in a folder (`""` or ending in `/`), those of folders with a `/` behind; none where it is not there. OSError."""
        with suppress(NoFolder, NotFolder), self._folders.opened(folder.split("/")[:-1]) as fd, os.scandir(fd) as entries:
            return [name for entry in entries if (name := listed_name(entry))]
        return []

    def states(self, folder: str, names: list[str]) -> list[tuple[str, os.stat_result]]:
        """Name and state of those names in a folder that are objects. OSError."""
        with suppress(NoFolder, NotFolder), self._folders.opened(folder.split("/")[:-1]) as fd:
            found = [(name, state_in(fd, name)) for name in names]
            return [(name, state) for name, state in found if state is not None and S_ISREG(state.st_mode)]
        return []

    def _open(self, key: str) -> int:
        *path, name = components(key)
        try:
            with self._folders.opened(path) as folder:
                return os.open(name, OBJECT_FLAGS, dir_fd=folder)
        except (NoFolder, NotFolder) as problem:
            raise NoSuchObject(f"there is no object {key!r}") from problem
        except OSError as problem:
            if problem.errno in NO_OBJECT:
                raise NoSuchObject(f"there is no object {key!r}") from problem
            raise


def state_in(folder: int, name: str) -> os.stat_result | None:
    """The state of a name in an open folder, not following symlinks; None: it is not there. OSError."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def listed_name(entry: os.DirEntry[str]) -> str | None:
    """The name as a key's component, a `/` behind a folder's; None where it is not UTF-8 or neither file nor folder."""
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        return None
    if entry.is_dir(follow_symlinks=False):
        return entry.name + "/"
    return entry.name if entry.is_file(follow_symlinks=False) else None
