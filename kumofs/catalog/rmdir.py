"""rmdir: mark the directory, see that it is empty, take its name where the mark is still ours (the commit), clean."""

from __future__ import annotations

from kumofs.catalog.claims import STAMP, Resolved, read_inode, resolve
from kumofs.catalog.directories import mark_empty, touch, unmark
from kumofs.catalog.documents import removal_field
from kumofs.catalog.port import Delete, Engine
from kumofs.catalog.schema import ENTRIES, INODES
from kumofs.errors import NotDirectory, NotEmpty, NotFound
from kumofs.model import Kind, Removal, entry_id


def rmdir(engine: Engine, parent: int, name: str, now_ns: int) -> int:
    """Remove an empty directory; its inode number. NotFound, NotDirectory, NotEmpty."""
    name_id = entry_id(parent, name)
    while True:
        found = resolve(engine, name_id)
        if found.inode is None:
            raise NotFound(name)
        if found.inode.kind is not Kind.DIR:
            raise NotDirectory(name)
        mark = mark_empty(engine, found.inode.ino, name_id)
        if mark is None:
            if still_named(engine, found.inode.ino, name_id):
                raise NotEmpty(name)
            continue
        if commit(engine, found, mark, now_ns):
            return found.inode.ino
        unmark(engine, found.inode.ino, mark)


def still_named(engine: Engine, ino: int, name_id: str) -> bool:
    """Whether the directory is there, so that "not empty" is the answer and not "gone in the meantime"."""
    inode = read_inode(engine, ino)
    return inode is not None and name_id in inode.names


def commit(engine: Engine, found: Resolved, mark: Removal, now_ns: int) -> bool:
    """Take the directory's name where nobody cleared the mark, then clean."""
    entry, inode = found
    assert entry is not None and inode is not None
    where = {"nrev": inode.nrev, "removing": removal_field(mark)}
    if engine.update(INODES, inode.ino, where, {"ctime_ns": now_ns}, ("names", "removing"), {"nrev": 1}, STAMP) is None:
        return False
    engine.batch([Delete(ENTRIES, entry.id, {"token": entry.token}), touch(entry.parent, now_ns)])
    return True
