"""A drive: everything one mount works with, handed to each verb. Composed by the daemon."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from kumofs.cache.disk import DiskCache
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.port import Engine
from kumofs.errors import BadName, NameTooLong
from kumofs.fs.ahead import Ahead
from kumofs.fs.first_commits import FirstCommits
from kumofs.fs.moved import Moved
from kumofs.fs.orphans import Orphans
from kumofs.fs.outbox import Outbox
from kumofs.fs.steady import Steady
from kumofs.fs.streams import Streams
from kumofs.fs.tidying import Tidying
from kumofs.fs.tree import Tree
from kumofs.model import NAME_MAX_BYTES
from kumofs.offload import Lane
from kumofs.sharing.access import Access
from kumofs.staging.area import StagingArea
from kumofs.store.protocol import Store

CONFLICTS_SHOWN = 20


class Caller(Protocol):
    """Who asks: the process behind a request."""

    @property
    def uid(self) -> int:
        """Its user."""
        ...

    @property
    def gid(self) -> int:
        """Its group."""
        ...

    @property
    def pid(self) -> int:
        """Its process number."""
        ...


class Kernel(Protocol):
    """What the kernel remembers and has to forget. The first two are done soon, by a thread that may wait for requests."""

    def forget_entry(self, parent: int, name: str) -> None:
        """The name stands for something else now."""
        ...

    def forget_inode(self, ino: int, *, bytes_too: bool) -> None:
        """The attributes (and the bytes) have changed."""
        ...

    async def forget_attributes(self, ino: int) -> None:
        """The attributes have changed; returns when the kernel has forgotten them. Waits for no request."""
        ...


@dataclass(slots=True)
class Drive:
    """One mount of one home. `catalog`, `uploads` and `disk` are the lanes of those resources."""

    engine: Engine
    store: Store
    area: StagingArea
    access: Access
    email: str
    host: str
    tree: Tree
    numbers: Numbers
    orphans: Orphans
    catalog: Lane
    uploads: Lane
    disk: Lane
    kernel: Kernel
    outbox: Outbox
    shown_owner: tuple[int, int] | None = None
    """The user and group that everything is shown as belonging to (`--ownership mounter`); None: as it is stored."""
    deadline_s: float = 30.0
    """How long a program waits for one answer; then it is EIO."""
    write_through: bool = False
    """Closing a file waits for its upload."""
    moved: Moved = field(default_factory=Moved)
    steady: Steady = field(default_factory=Steady)
    disk_cache: DiskCache | None = None
    """Clean bytes on this machine's disk; None where the store lies on it itself, or nothing is to be cached."""
    streams: Streams = field(default_factory=Streams)
    conflicts: deque[str] = field(default_factory=lambda: deque(maxlen=CONFLICTS_SHOWN))
    """Names of the copies that were kept beside a file because another mount had changed it, the last ones."""
    ahead: Ahead = field(init=False)
    first_commits: FirstCommits = field(init=False)
    tidying: Tidying = field(init=False)

    def __post_init__(self) -> None:
        self.ahead = Ahead(self.store, self.tree)
        self.tidying = Tidying(self.engine, self.catalog, self.tree)
        self.first_commits = FirstCommits(self.engine, self.store, self.catalog, self.uploads)


def decode_name(name: bytes) -> str:
    """A name as the catalog has it. BadName (EILSEQ), NameTooLong."""
    if len(name) > NAME_MAX_BYTES:
        raise NameTooLong(f"a name has at most {NAME_MAX_BYTES} bytes")
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise BadName("names must be UTF-8") from None
