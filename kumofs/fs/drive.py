"""A drive: everything one mount works with, handed to each verb. Composed by the daemon."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from kumofs.catalog.numbers import Numbers
from kumofs.catalog.port import Engine
from kumofs.errors import BadName, NameTooLong
from kumofs.fs.node import Node
from kumofs.fs.orphans import Orphans
from kumofs.fs.tree import Tree
from kumofs.model import NAME_MAX_BYTES
from kumofs.offload import Lane
from kumofs.sharing.access import Access
from kumofs.staging.area import StagingArea
from kumofs.store.protocol import Store


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
    unsaved: set[Node] = field(default_factory=set)
    """Nodes whose upload failed; `saving.retry` tries them again."""


def decode_name(name: bytes) -> str:
    """A name as the catalog has it. BadName (EILSEQ), NameTooLong."""
    if len(name) > NAME_MAX_BYTES:
        raise NameTooLong(f"a name has at most {NAME_MAX_BYTES} bytes")
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise BadName("names must be UTF-8") from None
