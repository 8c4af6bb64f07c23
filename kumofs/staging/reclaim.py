"""reclaim: an orphan (an inode without names that nobody has open) loses its content, then its bytes, then its document.

Many at once where the store deletes so: each step is then one round trip for all. What is not as expected is done singly.
"""

from __future__ import annotations

from collections.abc import Sequence

from kumofs.catalog.claims import read_inode
from kumofs.catalog.contents import (
    commit_content,
    commit_contents,
    content_step,
    delete_inode,
    delete_inodes,
    objects_of,
    read_inodes,
)
from kumofs.catalog.port import Engine
from kumofs.model import Content, Inode, Kind, ObjectRecord, ObjectState
from kumofs.staging.free_many import free_keys
from kumofs.staging.keys import free_all
from kumofs.store.protocol import Store


def strip(engine: Engine, store: Store, ino: int) -> Inode | None:
    """Free the bytes of an orphan; its document, or None where it has names or is gone."""
    was: Content | None = None
    while True:
        inode = read_inode(engine, ino)
        if inode is None or not is_orphan(inode):
            return None
        if inode.content is None:
            free_all(engine, store, ino, was)
            return inode
        was = inode.content
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


def strip_many(engine: Engine, store: Store, inos: Sequence[int]) -> None:
    """`strip` of many orphans."""
    whole = [inode for inode in read_inodes(engine, inos).values() if is_orphan(inode) and inode.content is not None]
    now = commit_contents(engine, [content_step(inode, None) for inode in whole])
    etags: dict[ObjectRecord, str] = {}
    for inode in whole:
        if inode.ino in now and now[inode.ino].content is None:
            etags |= own_keys(engine, inode)
    free_keys(engine, store, etags)
    done = {record.ino for record in etags}
    for ino in inos:
        if ino not in done:
            strip(engine, store, ino)


def reclaim_many(engine: Engine, store: Store, inos: Sequence[int]) -> None:
    """`reclaim` of many orphans, which have no bytes any more mostly."""
    found = read_inodes(engine, inos)
    bare = [inode for inode in found.values() if is_orphan(inode) and inode.content is None and not objects_of(engine, inode.ino)]
    delete_inodes(engine, bare)
    for ino in set(found) - {inode.ino for inode in bare}:
        reclaim(engine, store, ino)


def is_orphan(inode: Inode) -> bool:
    """Whether an inode is one that no name leads to any more."""
    return not inode.names and inode.kind is not Kind.DEAD


def own_keys(engine: Engine, inode: Inode) -> dict[ObjectRecord, str]:
    """The key of an inode's content with its etag, where it is the only one that the inode has claimed; else nothing."""
    records = objects_of(engine, inode.ino)
    if inode.content is None or [record.key for record in records] != [inode.content.key]:
        return {}
    return {record: inode.content.etag for record in records if record.state is not ObjectState.DOOMED}
