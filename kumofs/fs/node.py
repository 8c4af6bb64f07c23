"""A node: what the mount remembers of one inode."""

from __future__ import annotations

from typing import NamedTuple

import trio

from kumofs.cache.reader import Reader
from kumofs.model import Inode, Kind
from kumofs.staging.staged import StagedFile


class Coming(NamedTuple):
    """A write that waits: the pages that it is to, as bytes [start, end), and when it is done."""

    start: int
    end: int
    done: trio.Event


class Shown(NamedTuple):
    """What a program sees of an inode's attributes; times in nanoseconds, `size` in bytes."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    ctime_ns: int
    atime_ns: int
    names: int


class Node:
    """One inode the kernel, a handle or a loaded directory refers to. Touched on the event loop only.

    `lookups` is the kernel's count, `opens` the open handles, `listed` the loaded directories' names for it: with all
    of these 0 and nothing staged it is dropped. `lock` is held while its bytes are brought into the store.
    """

    __slots__ = (
        "_lock",
        "children",
        "coming",
        "folders",
        "generation",
        "inode",
        "kernel_data",
        "linked",
        "listed",
        "loading",
        "lookups",
        "maker_pid",
        "opening",
        "opens",
        "partial",
        "reader",
        "staged",
        "told",
        "too_big",
        "untold_ns",
    )

    def __init__(self, inode: Inode, linked: tuple[str, ...]) -> None:
        self.inode = inode
        self.lookups = 0
        self.opens = 0
        self.opening = 0
        """Who is about to open it: its bytes stay meanwhile."""
        self.listed = 0
        self.staged: StagedFile | None = None
        self.reader: Reader | None = None
        self.coming: tuple[Coming, ...] = ()
        """Writes that wait (`order`)."""
        self.kernel_data: str | None = None
        """Which write's bytes the kernel may have in its page cache."""
        self.told: Shown | None = None
        """What the kernel was last told of the attributes, and may still believe."""
        self.linked = linked
        """The names that the directories in memory and the kernel know of; the feed brings them after `inode.names`."""
        self.maker_pid = 0
        """The process that made the file through this mount."""
        self.children: dict[str, int] | None = None
        """Names of a loaded directory."""
        self.folders = 0
        """How many of them are directories."""
        self.partial: dict[str, Inode] | None = None
        """Names of a directory that is being loaded."""
        self.generation = 0
        """Raised by each change of the directory's names: a page read before it is read again."""
        self.too_big = False
        """The directory has more names than are kept: each is looked up by itself."""
        self.untold_ns = 0
        """When a name was last taken from the directory, as long as the catalog is not told of that time (`tidying`)."""
        self.loading: trio.Lock | None = None
        self._lock: trio.Lock | None = None

    @property
    def ino(self) -> int:
        """The inode number."""
        return self.inode.ino

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.inode.kind is Kind.DIR

    @property
    def lock(self) -> trio.Lock:
        """Held while the staged bytes are uploaded; who changes them waits for it."""
        if self._lock is None:
            self._lock = trio.Lock()
        return self._lock

    @property
    def busy(self) -> bool:
        """Whether somebody holds the lock."""
        return self._lock is not None and self._lock.locked()

    @property
    def size(self) -> int:
        """Bytes, what is staged included."""
        return self.staged.size if self.staged is not None else self.inode.size

    @property
    def nlink(self) -> int:
        """How many names an inode has. A directory's is 2 and one for each directory in it, while it is loaded; else 1,
        which tells programs that it is not known: counting would mean reading the directory."""
        if not self.is_dir or not self.inode.names:
            return len(self.inode.names)
        return 2 + self.folders if self.children is not None else 1

    @property
    def mtime_ns(self) -> int:
        """When the bytes were changed, what is staged included."""
        return self.staged.mtime_ns if self.staged is not None else self.inode.mtime_ns

    @property
    def ctime_ns(self) -> int:
        """When anything was changed, what is staged included."""
        return max(self.inode.ctime_ns, self.staged.changed_ns) if self.staged is not None else self.inode.ctime_ns

    @property
    def shown(self) -> Shown:
        """What the attributes are now."""
        inode = self.inode
        times = (self.mtime_ns, self.ctime_ns, inode.atime_ns)
        return Shown(inode.mode, inode.uid, inode.gid, self.size, *times, len(inode.names))

    @property
    def data(self) -> str | None:
        """Which write's bytes are committed; None where there are none."""
        return self.inode.content.data if self.inode.content is not None else None

    def gain(self, name_id: str) -> None:
        """The directory and the kernel know of a name."""
        if name_id not in self.linked:
            self.linked = (*self.linked, name_id)

    def lose(self, name_id: str) -> None:
        """The directory and the kernel know that a name is gone."""
        self.linked = tuple(name for name in self.linked if name != name_id)

    @property
    def unused(self) -> bool:
        """Whether nobody refers to it any more."""
        return not (self.lookups or self.opens or self.opening or self.listed or self.staged is not None)

    def close_reader(self) -> None:
        """The content changed, or nobody reads any more."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None
