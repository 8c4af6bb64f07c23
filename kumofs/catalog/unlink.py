"""unlink: one compare-and-swap takes the name from the inode (the commit); the entry is cleaned after it."""

from __future__ import annotations

from kumofs.catalog.claims import Resolved, losing_stamp, resolve, without
from kumofs.catalog.directories import touch
from kumofs.catalog.documents import inode_of
from kumofs.catalog.port import Delete, Engine, Step
from kumofs.catalog.schema import ENTRIES, INODES
from kumofs.errors import IsDirectory, NotFound
from kumofs.model import Inode, Kind, entry_id


def unlink(engine: Engine, parent: int, name: str, now_ns: int) -> Inode:
    """Take a file's name away; the inode as it is now, without names when this was its last. NotFound, IsDirectory."""
    name_id = entry_id(parent, name)
    while True:
        found = resolve(engine, name_id)
        if found.inode is None:
            raise NotFound(name)
        if found.inode.kind is Kind.DIR:
            raise IsDirectory(name)
        done = commit(engine, found, name_id, now_ns)
        if done is not None:
            return done


def commit(engine: Engine, found: Resolved, name_id: str, now_ns: int) -> Inode | None:
    """Take the name where the inode still is as it was read, then clean. None: it changed, begin again."""
    entry, inode = found
    assert entry is not None and inode is not None
    done = take_name(engine, inode, name_id, now_ns)
    if done is not None:
        cleaned: list[Step] = [Delete(ENTRIES, name_id, {"token": entry.token}), touch(entry.parent, now_ns)]
        engine.batch(cleaned)
    return done


def take_name(engine: Engine, inode: Inode, name_id: str, now_ns: int) -> Inode | None:
    """The commit of it, by a view of the inode that may be old. None: the inode has changed, or has no such name.

    Its entry stays behind: the caller sees to it, now or soon (`clean_names`), or whoever meets it.
    """
    if name_id not in inode.names:
        return None
    change = without(inode, name_id)
    stamp = losing_stamp(inode, name_id)
    doc = engine.update(
        INODES, inode.ino, {"nrev": inode.nrev}, {**change["set"], "ctime_ns": now_ns}, change["unset"], {"nrev": 1}, stamp
    )
    return None if doc is None else inode_of(doc)
