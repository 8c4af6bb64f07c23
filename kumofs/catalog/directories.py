"""Directories: whether names may still be added, whether one is empty, and whether one lies inside another.

A directory that is being removed carries a mark (`removing`), set before its entries are scanned: from then on nobody
adds a name, so empty stays empty until the commit. Whoever meets a mark may clear it; where it belongs to a rename that
would replace the directory, the rename is fenced first.
"""

from __future__ import annotations

from kumofs.catalog.claims import ATTRIBUTES, STAMP, drop_name, fence, new_token, read_inode, resolve
from kumofs.catalog.documents import entry_of, removal_field
from kumofs.catalog.port import ABSENT, PRESENT, Engine, Update
from kumofs.catalog.schema import ENTRIES, INODES
from kumofs.model import ROOT_NAME, Entry, Inode, Removal, entry_id, parent_of

PAGE = 2000
"""Entries per scan of a directory."""


def touch_alive(parent: int, now_ns: int) -> Update:
    """The step that notes a change of a directory, where names may still be added under it."""
    alive = {"names": PRESENT, "removing": ABSENT}
    return Update(INODES, parent, alive, {"mtime_ns": now_ns, "ctime_ns": now_ns}, inc=ATTRIBUTES, stamp=STAMP)


def touch(parent: int, now_ns: int) -> Update:
    """The step that notes a change of a directory, whatever its state (a name was taken away)."""
    return Update(INODES, parent, {"names": PRESENT}, {"mtime_ns": now_ns, "ctime_ns": now_ns}, inc=ATTRIBUTES, stamp=STAMP)


def alive(engine: Engine, parent: int, now_ns: int) -> bool:
    """Touch a directory in which a claim is in place; False where no name may be added any more."""
    while True:
        if engine.batch([touch_alive(parent, now_ns)]):
            return True
        inode = read_inode(engine, parent)
        if inode is None or not inode.names:
            return False
        if inode.removing is not None:
            clear_stale_mark(engine, inode)


def scan_entries(engine: Engine, parent: int, after: str = "", limit: int = PAGE) -> list[Entry]:
    """Entries of a directory behind the name `after`, in name order, claims included."""
    # "0" follows "/" in ASCII, so every "<parent>/..." lies between the two bounds
    docs = engine.scan(ENTRIES, entry_id(parent, after), f"{parent}0", limit)
    return [entry_of(doc) for doc in docs]


def has_names(engine: Engine, ino: int) -> bool:
    """Whether any entry of the directory stands for an inode; claims of the dead are taken over on the way."""
    after = ""
    while entries := scan_entries(engine, ino, after):
        if any(resolve(engine, entry.id).inode is not None for entry in entries):
            return True
        after = entries[-1].name
    return False


def mark_empty(engine: Engine, ino: int, name: str, replacement: int | None = None) -> Removal | None:
    """Mark a directory as being removed, then look whether it is empty. None: not empty, or not there any more."""
    mark = Removal(new_token(), replacement, name if replacement is not None else None)
    while True:
        inode = read_inode(engine, ino)
        if inode is None or name not in inode.names:
            return None
        if inode.removing is not None:
            clear_stale_mark(engine, inode)
            continue
        where = {"nrev": inode.nrev, "removing": ABSENT}
        if engine.update(INODES, ino, where, {"removing": removal_field(mark)}) is not None:
            break
    if has_names(engine, ino):
        unmark(engine, ino, mark)
        return None
    return mark


def unmark(engine: Engine, ino: int, mark: Removal) -> None:
    """Clear a mark where it is still that one."""
    engine.update(INODES, ino, {"removing": removal_field(mark)}, unset=("removing",))


def clear_stale_mark(engine: Engine, inode: Inode) -> None:
    """Clear another client's mark; one that belongs to a rename only after fencing the rename."""
    mark = inode.removing
    assert mark is not None
    if mark.replacement is not None and mark.name is not None and not fence(engine, mark.name, mark.replacement):
        drop_name(engine, inode.ino, mark.name)  # the rename is committed: this directory is not there any more
    unmark(engine, inode.ino, mark)


def lies_inside(engine: Engine, ino: int, ancestor: int) -> bool:
    """Is directory `ino` the directory `ancestor`, or under it? Stable while the home's lease is held."""
    while ino != ancestor:
        inode = read_inode(engine, ino)
        if inode is None or not inode.names or inode.names[0] == ROOT_NAME:
            return False
        ino = parent_of(inode.names[0])
    return True
