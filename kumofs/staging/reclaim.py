"""reclaim: an orphan (an inode without names that nobody has open) loses its content, then its bytes, then its document."""

from __future__ import annotations

from kumofs.catalog.claims import read_inode
from kumofs.catalog.contents import commit_content, delete_inode, objects_of
from kumofs.catalog.port import Engine
from kumofs.model import Inode, Kind
from kumofs.staging.keys import free_all
from kumofs.store.protocol import Store


def strip(engine: Engine, store: Store, ino: int) -> Inode | None:
    """Free the bytes of an orphan; its document, or None where it has names or is gone."""
    while True:
        inode = read_inode(engine, ino)
        if inode is None or inode.names or inode.kind is Kind.DEAD:
            return None
        if inode.content is None:
            free_all(engine, store, ino)
            return inode
        commit_content(engine, inode, None)  # content away first: that fences whoever is about to commit


def reclaim(engine: Engine, store: Store, ino: int) -> None:
    """Free everything of an orphan; an inode that has names, or is not there, is left alone.

    A key that somebody else is freeing just now, or a change meanwhile, leaves the document to the next pass.
    """
    if strip(engine, store, ino) is None:
        return
    now = read_inode(engine, ino)
    if now is not None and now.content is None and not objects_of(engine, ino):
        delete_inode(engine, now)
