"""The feed: a few indexed queries a second tell the mount what others changed; it forgets, refreshes and invalidates.

Other mounts may stamp a change some time before it is to be seen, so each poll looks back over the last one by an overlap.
What others changed may come by other ways, too: the answer to a change of our own has it in it. So directories and kernel
are brought up (`freshness`) from what they were last told, not from what the node was before.
"""

from __future__ import annotations

import logging

import trio

from kumofs.catalog.inodes import changed_since, existing
from kumofs.errors import CatalogUnavailable
from kumofs.fs.drive import Drive
from kumofs.fs.freshness import add_name, bring_up
from kumofs.fs.orphans import GRACE_S
from kumofs.fs.tree import vanish
from kumofs.model import Inode

log = logging.getLogger(__name__)

POLL_S = 0.75
POLL_LOCAL_S = 0.5
"""With the query and the kernel's part in it, others' changes are seen within a second."""
OVERLAP_S = 2.0
"""From stamp to sight: the errors of two hosts' estimates of the server's clock (milliseconds, half a round trip at worst), and
the way of the write, which stamps again what took more than a second."""
OVERLAP_LOCAL_S = 0.25
"""One host's clock: only a transaction lies between stamp and sight."""
PAGE = 500
"""Inodes a query: about 10 ms of the event loop with the embedded engine."""


async def follow(drive: Drive, since_us: int) -> None:
    """Follow the feed for ever, from an instant of the engine's clock before anything was read from it."""
    quick = drive.engine.quick
    poll_s, overlap_us = POLL_LOCAL_S if quick else POLL_S, int((OVERLAP_LOCAL_S if quick else OVERLAP_S) * 1e6)
    seen_at = trio.current_time()
    while True:
        await trio.sleep(poll_s)
        try:
            asked_at = trio.current_time()
            since_us = await catch_up(drive, since_us, overlap_us)
            if asked_at - seen_at > GRACE_S / 2:
                await forget_vanished(drive)
            seen_at = asked_at
        except CatalogUnavailable as problem:
            log.warning("changes of others are not seen for now: %s", problem)


async def catch_up(drive: Drive, since_us: int, overlap_us: int) -> int:
    """One poll; the instant up to which changes have been seen."""
    after_us = since_us - overlap_us
    limit = PAGE
    while True:
        found = await drive.catalog.run(changed_since, drive.engine, drive.access.home, after_us, limit)
        for inode in found:
            apply(drive, inode)
        if len(found) < limit:
            return max(since_us, found[-1].changed_us) if found else since_us
        # others may bear the last one's stamp; where all of the page do, only a longer page gets past them
        last_us = found[-1].changed_us - 1
        limit = PAGE if last_us > after_us else 2 * limit
        after_us = max(after_us, last_us)
        await trio.lowlevel.checkpoint()


async def forget_vanished(drive: Drive) -> None:
    """The feed was away for longer than what is unlinked keeps its document: look which inodes are still there."""
    known = [node.ino for node in drive.tree.nodes()]
    for start in range(0, len(known), PAGE):
        some = known[start : start + PAGE]
        there = await drive.catalog.run(existing, drive.engine, some)
        for ino in set(some) - there:
            node = drive.tree.find(ino)
            if node is not None and node is not drive.tree.root:
                vanish(node)
                bring_up(drive, node)
        await trio.lowlevel.checkpoint()


def apply(drive: Drive, inode: Inode) -> None:
    """Bring one inode into the tree as the catalog has it."""
    node = drive.tree.find(inode.ino)
    if node is not None:
        drive.tree.adopt(inode)
        bring_up(drive, node)
    elif inode.names:
        apply_new(drive, inode)


def apply_new(drive: Drive, inode: Inode) -> None:
    """An inode that was not known: it matters where one of its directories is in memory."""
    for name_id in inode.names:
        directory = drive.tree.directory_of(name_id)
        if directory is not None and (directory.children is not None or directory.partial is not None):
            add_name(drive, drive.tree.adopt(inode), name_id)
    node = drive.tree.find(inode.ino)
    if node is not None:
        drive.tree.drop_unused(node)
