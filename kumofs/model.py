"""The vocabulary: what an inode, an entry, an object record, a user and a session are, without any rule about them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NAME_MAX_BYTES = 255
TARGET_MAX_BYTES = 4095
LINK_MAX = 1000
"""Names of one file; all are kept in its inode document, which bounds them."""
ROOT_NAME = "/"
"""The name every root directory has, so that it counts as alive; it is in no entry."""

Bytes = bytes | bytearray | memoryview
"""Bytes of a file; a view holds all that it is a part of."""


class Kind(StrEnum):
    """What an inode is. `DEAD` is a tombstone: a creator that was fenced before it could insert its inode."""

    FILE = "file"
    DIR = "dir"
    SYMLINK = "symlink"
    FIFO = "fifo"
    SOCKET = "socket"
    CHAR = "char"
    BLOCK = "block"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Content:
    """Where a file's committed bytes are. `data` names the write that made them and stays when they are copied."""

    key: str
    etag: str
    version: str | None
    size: int
    data: str


@dataclass(frozen=True, slots=True)
class Removal:
    """A directory is being removed: by whom, and by which rename (its inode and the name it takes), if by one."""

    token: str
    replacement: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Inode:
    """One file, directory, link or device. `names` are entry ids; times are nanoseconds since the epoch.

    `moved_us` is when its path, or that of what lies in it, last changed without its keys; 0: they are where they belong.
    `nrev` is the revision of `names`, `rev` that of `content`, `arev` that of everything else that a program sees; they only
    grow, so of two views of one inode they tell which is the older.
    `xattrs` are the kept `user.*` attributes by full name; kumofs's own are computed, not kept.
    """

    ino: int
    home: str
    kind: Kind
    names: tuple[str, ...]
    mode: int
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    created_ns: int
    owner: str
    nrev: int = 0
    removing: Removal | None = None
    rdev: int = 0
    tags: tuple[str, ...] = ()
    xattrs: tuple[tuple[str, bytes], ...] = ()
    target: str | None = None
    content: Content | None = None
    rev: int = 0
    arev: int = 0
    changed_us: int = 0
    moved_us: int = 0

    @property
    def size(self) -> int:
        """Committed bytes; of a symlink the length of its target."""
        if self.target is not None:
            return len(self.target.encode())
        return self.content.size if self.content is not None else 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A name proposes inodes, newest first; `token` is new with every change."""

    id: str
    parent: int
    inos: tuple[int, ...]
    token: str

    @property
    def name(self) -> str:
        """The last component."""
        return self.id.split("/", 1)[1]


class ObjectState(StrEnum):
    """Where a claimed key stands."""

    CLAIMED = "claimed"
    LIVE = "live"
    DOOMED = "doomed"


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """The catalog's view of one key of the bucket."""

    key: str
    ino: int
    state: ObjectState
    token: str
    since_us: int


def entry_id(parent: int, name: str) -> str:
    """The `_id` of an entry; sorts by name within a directory."""
    return f"{parent}/{name}"


def parent_of(name_id: str) -> int:
    """The directory that an entry id lies in."""
    return int(name_id.split("/", 1)[0])


def name_of(name_id: str) -> str:
    """The last component of an entry id."""
    return name_id.split("/", 1)[1]
