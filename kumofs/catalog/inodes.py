"""Inodes one by one and by directory: what is read, and the attributes that change without a change of names or bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kumofs.catalog.claims import ATTRIBUTES, STAMP, read_inode, resolve
from kumofs.catalog.directories import scan_entries
from kumofs.catalog.documents import inode_of, xattrs_field
from kumofs.catalog.port import ABSENT, PRESENT, Engine
from kumofs.catalog.schema import INODES
from kumofs.errors import NotFound
from kumofs.model import Entry, Inode, entry_id

__all__ = [
    "change_attributes",
    "changed_since",
    "existing",
    "list_page",
    "lookup",
    "read_inode",
    "set_tags",
    "set_xattrs",
    "tagged",
]

Xattrs = tuple[tuple[str, bytes], ...]


def lookup(engine: Engine, parent: int, name: str) -> Inode | None:
    """The inode under a name, or None."""
    return resolve(engine, entry_id(parent, name)).inode


class Page(NamedTuple):
    """A part of a directory in name order; `after` begins the next part, None: this was the last."""

    found: list[tuple[str, Inode]]
    after: str | None


def list_page(engine: Engine, ino: int, after: str, limit: int) -> Page:
    """Names and inodes of a directory behind the name `after`; half-done changes are repaired on the way."""
    entries = scan_entries(engine, ino, after, limit)
    found = list(with_inodes(engine, entries))
    return Page(found, entries[-1].name if len(entries) == limit else None)


def with_inodes(engine: Engine, entries: list[Entry]) -> Iterator[tuple[str, Inode]]:
    """Each entry with the inode that it stands for, read in one round trip where nothing is half done."""
    docs = engine.get_many(INODES, {entry.inos[0] for entry in entries})
    for entry in entries:
        doc = docs.get(entry.inos[0])
        clean = doc is not None and len(entry.inos) == 1 and entry.id in doc.get("names", ())
        inode = inode_of(doc) if clean and doc is not None else resolve(engine, entry.id).inode
        if inode is not None:
            yield entry.name, inode


def existing(engine: Engine, inos: list[int]) -> set[int]:
    """Which of the inodes have a document."""
    return {int(ino) for ino in engine.get_many(INODES, inos)}


def change_attributes(engine: Engine, ino: int, change: Mapping[str, Any]) -> Inode:
    """Set mode, uid, gid or times (field names of the document). NotFound where the inode is gone."""
    doc = engine.update(INODES, ino, {"owner": PRESENT}, change, inc=ATTRIBUTES, stamp=STAMP)
    if doc is None:
        raise NotFound(f"inode {ino}")
    return inode_of(doc)


def set_tags(engine: Engine, ino: int, tags: tuple[str, ...], now_ns: int) -> Inode:
    """Replace a file's tags."""
    change: dict[str, Any] = {"ctime_ns": now_ns}
    unset: tuple[str, ...] = ("tags",)
    if tags:
        change, unset = {**change, "tags": list(tags)}, ()
    doc = engine.update(INODES, ino, {}, change, unset, ATTRIBUTES, STAMP)
    if doc is None:
        raise NotFound(f"inode {ino}")
    return inode_of(doc)


def set_xattrs(engine: Engine, inode: Inode, xattrs: Xattrs, now_ns: int) -> Inode | None:
    """Replace a file's attributes where they still are those of `inode`; None where somebody changed them meanwhile."""
    where = {"xattrs": xattrs_field(inode.xattrs) if inode.xattrs else ABSENT}
    change: dict[str, Any] = {"ctime_ns": now_ns}
    unset: tuple[str, ...] = ("xattrs",)
    if xattrs:
        change, unset = {**change, "xattrs": xattrs_field(xattrs)}, ()
    doc = engine.update(INODES, inode.ino, where, change, unset, ATTRIBUTES, STAMP)
    return None if doc is None else inode_of(doc)


def tagged(engine: Engine, home: str, tag: str, limit: int = 1_000_000) -> list[Inode]:
    """The inodes of a home that carry a tag, by index."""
    return [inode_of(doc) for doc in engine.find(INODES, {"home": home, "tags": tag}, limit=limit)]


def changed_since(engine: Engine, home: str, after_us: int, limit: int = 10_000) -> list[Inode]:
    """The feed: inodes of a home that were changed after that instant of the engine's clock, by index."""
    return [inode_of(doc) for doc in engine.find(INODES, {"home": home}, ("changed_us", after_us), limit)]
