"""create: claim the name, see that the parent is alive, insert the inode (the commit)."""

from __future__ import annotations

from dataclasses import replace

from kumofs.catalog.claims import STAMP, claim, new_token, release, resolve
from kumofs.catalog.directories import alive, touch_alive
from kumofs.catalog.documents import inode_document
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.port import Engine
from kumofs.catalog.schema import INODES
from kumofs.errors import Duplicate, Exists, NotFound
from kumofs.model import ROOT_NAME, Inode, Kind, entry_id


def create(engine: Engine, numbers: Numbers, parent: int, name: str, draft: Inode) -> Inode:
    """A new inode like `draft`, under a number of its own and this one name. Exists, NotFound (the parent is gone)."""
    name_id = entry_id(parent, name)
    while True:
        inode = replace(draft, ino=numbers.take(), names=(name_id,))
        token = new_token()
        try:
            touched = engine.batch([claim(name_id, inode.ino, token), touch_alive(parent, draft.ctime_ns)])
        except Duplicate:
            if resolve(engine, name_id).inode is not None:
                raise Exists(name) from None
            continue
        if not touched and not alive(engine, parent, draft.ctime_ns):
            release(engine, name_id, token)
            raise NotFound(name)
        try:
            engine.insert(INODES, inode_document(inode), STAMP)
        except Duplicate:
            continue  # fenced: somebody took the claim over; this number is burnt
        return inode


def make_root(engine: Engine, home: str, owner: str, uid: int, gid: int) -> int:
    """The root directory of a new home; its inode number."""
    now_ns = engine.now_us() * 1000
    root = Inode(
        ino=Numbers(engine).take(),
        home=home,
        kind=Kind.DIR,
        names=(ROOT_NAME,),
        mode=0o700,
        uid=uid,
        gid=gid,
        atime_ns=now_ns,
        mtime_ns=now_ns,
        ctime_ns=now_ns,
        created_ns=now_ns,
        owner=owner,
    )
    engine.insert(INODES, inode_document(root), STAMP)
    return root.ino
