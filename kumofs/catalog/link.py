"""link: claim the new name, see that its parent is alive, add it to the inode by compare-and-swap (the commit)."""

from __future__ import annotations

from kumofs.catalog.claims import STAMP, claim, new_token, read_inode, release, resolve
from kumofs.catalog.directories import alive, touch_alive
from kumofs.catalog.documents import inode_of
from kumofs.catalog.port import Engine
from kumofs.catalog.schema import INODES
from kumofs.errors import Duplicate, Exists, NotFound, NotPermitted, TooManyLinks
from kumofs.model import LINK_MAX, Inode, Kind, entry_id


def link(engine: Engine, ino: int, parent: int, name: str, now_ns: int) -> Inode:
    """Give a file one more name. NotFound (the file or the parent is gone), Exists, NotPermitted, TooManyLinks."""
    name_id = entry_id(parent, name)
    while True:
        inode = linkable(engine, ino)
        token = new_token()
        try:
            touched = engine.batch([claim(name_id, ino, token), touch_alive(parent, now_ns)])
        except Duplicate:
            if resolve(engine, name_id).inode is not None:
                raise Exists(name) from None
            continue
        if not touched and not alive(engine, parent, now_ns):
            release(engine, name_id, token)
            raise NotFound(name)
        change = {"names": [*inode.names, name_id], "ctime_ns": now_ns}
        doc = engine.update(INODES, ino, {"nrev": inode.nrev}, change, inc={"nrev": 1}, stamp=STAMP)
        if doc is not None:
            return inode_of(doc)
        release(engine, name_id, token)


def linkable(engine: Engine, ino: int) -> Inode:
    """The inode, if it can have another name."""
    inode = read_inode(engine, ino)
    if inode is None or not inode.names:
        raise NotFound(f"inode {ino}")
    if inode.kind is Kind.DIR:
        raise NotPermitted("a directory has one name")
    if len(inode.names) >= LINK_MAX:
        raise TooManyLinks(f"a file has at most {LINK_MAX} names")
    return inode
