"""The feed: one indexed query a second tells the mount what others changed; it forgets, refreshes and invalidates.

Other mounts may stamp a change some time before it is to be seen, so each poll looks back over the last one by `overlap_s`.
"""

from __future__ import annotations

import logging
from typing import Protocol

import trio

from kumofs.catalog.inodes import changed_since
from kumofs.errors import CatalogUnavailable
from kumofs.fs.drive import Drive
from kumofs.fs.node import Node
from kumofs.fs.orphans import GRACE_S
from kumofs.fs.tree import older, still_readable
from kumofs.model import Inode, name_of, parent_of

log = logging.getLogger(__name__)

POLL_S = 1.0
OVERLAP_S = 2.0
"""From stamp to sight: the errors of two hosts' estimates of the server's clock (milliseconds, half a round trip at worst), and
the way of the write, which stamps again what took more than a second."""
OVERLAP_LOCAL_S = 0.25
"""One host's clock: only a transaction lies between stamp and sight."""
PAGE = 10_000


class Kernel(Protocol):
    """What the kernel remembers and has to forget."""

    def forget_entry(self, parent: int, name: str) -> None:
        """The name stands for something else now."""
        ...

    def forget_inode(self, ino: int, *, bytes_too: bool) -> None:
        """The attributes (and the bytes) have changed."""
        ...


async def follow(drive: Drive, kernel: Kernel) -> None:
    """Follow the feed for ever."""
    since_us = drive.engine.now_us()
    overlap_us = int((OVERLAP_LOCAL_S if drive.engine.quick else OVERLAP_S) * 1e6)
    seen_at = trio.current_time()
    while True:
        await trio.sleep(POLL_S)
        try:
            since_us = await catch_up(drive, kernel, since_us, overlap_us)
        except CatalogUnavailable as problem:
            log.warning("changes of others are not seen for now: %s", problem)
            continue
        now = trio.current_time()
        if now - seen_at > GRACE_S / 2:
            drive.tree.unload_all()  # an unlinked file's document may have come and gone unseen
        seen_at = now


async def catch_up(drive: Drive, kernel: Kernel, since_us: int, overlap_us: int) -> int:
    """One poll; the instant up to which changes have been seen."""
    after_us = since_us - overlap_us
    while True:
        found = await drive.catalog.run(changed_since, drive.engine, drive.access.home, after_us, PAGE)
        for inode in found:
            apply(drive, kernel, inode)
        if found:
            after_us = found[-1].changed_us
        if len(found) < PAGE:
            return max(since_us, after_us)


def apply(drive: Drive, kernel: Kernel, inode: Inode) -> None:
    """Bring one inode into the tree as the catalog has it."""
    node = drive.tree.find(inode.ino)
    if node is None:
        if inode.names:
            apply_new(drive, kernel, inode)
        return
    known = node.inode
    inode = still_readable(node, inode)
    if older(inode, known) or inode == known:
        return
    node.inode = inode
    if node.staged is None and known.content != inode.content:
        node.close_reader()
    for name_id in set(known.names) - set(inode.names):
        directory = drive.tree.find(parent_of(name_id))
        if directory is not None:
            drive.tree.drop_name(directory, name_of(name_id), inode.ino)
        kernel.forget_entry(parent_of(name_id), name_of(name_id))
    for name_id in set(inode.names) - set(known.names):
        add_name(drive, kernel, node, name_id)
    if looks(known) != looks(inode):
        kernel.forget_inode(inode.ino, bytes_too=known.content != inode.content)


def apply_new(drive: Drive, kernel: Kernel, inode: Inode) -> None:
    """An inode that was not known: it matters where one of its directories is in memory."""
    for name_id in inode.names:
        directory = drive.tree.find(parent_of(name_id)) if "/" in name_id and name_id[0] != "/" else None
        if directory is not None and (directory.children is not None or directory.partial is not None):
            add_name(drive, kernel, drive.tree.adopt(inode), name_id)
    node = drive.tree.find(inode.ino)
    if node is not None:
        drive.tree.drop_unused(node)


def add_name(drive: Drive, kernel: Kernel, node: Node, name_id: str) -> None:
    """A name stands for the node, by somebody else's doing."""
    directory = drive.tree.find(parent_of(name_id))
    if directory is None:
        return
    before = (directory.children or {}).get(name_of(name_id))
    drive.tree.add_name(directory, name_of(name_id), node)
    if before != node.ino:
        kernel.forget_entry(directory.ino, name_of(name_id))


def looks(inode: Inode) -> tuple[object, ...]:
    """What a program sees of an inode's attributes."""
    return (
        inode.mode,
        inode.uid,
        inode.gid,
        inode.size,
        inode.mtime_ns,
        inode.ctime_ns,
        inode.atime_ns,
        len(inode.names),
        inode.content,
    )
