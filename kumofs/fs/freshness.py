"""Freshness: directories in memory and the kernel are brought from what they were last told of a node to what it is."""

from __future__ import annotations

import logging

import trio

from kumofs.errors import CatalogUnavailable, StaleHandle
from kumofs.fs.drive import Drive
from kumofs.fs.node import Node
from kumofs.fs.reading import hold_bytes
from kumofs.model import name_of, parent_of

log = logging.getLogger(__name__)

LOOK_SHARE = 0.4
"""Of the time that a program waits for its answer: the catalog may say nothing for so long, and the file still opens."""


async def look_closely(drive: Drive, node: Node) -> None:
    """Close-to-open: what another mount has closed is read here by who opens it now, whatever the feed has brought so far.

    The kernel forgets a size and times that are not true any more before it goes on. Where the file was renamed, replaced
    or removed and nobody here has it open, StaleHandle makes the kernel look the name up once more. A catalog that cannot
    be asked changes nothing: what is known is true enough until it can.
    """
    if node.staged is not None:
        return
    lost: list[str] = []
    try:
        with trio.fail_after(drive.deadline_s * LOOK_SHARE):
            await drive.tree.refresh(node)
            lost = [name_id for name_id in node.linked if name_id not in node.inode.names]
            for name_id in lost:
                await find_successor(drive, node, name_id)
    except (CatalogUnavailable, trio.TooSlowError) as problem:
        log.warning("inode %d is opened as it was last seen: %s", node.ino, str(problem) or "the catalog says nothing")
        return
    if not node.opens and (lost or not node.inode.names):
        raise StaleHandle(f"inode {node.ino} is not what its name stands for any more")
    if node.told not in (None, node.shown):
        await drive.kernel.forget_attributes(node.ino)


async def find_successor(drive: Drive, node: Node, name_id: str) -> None:
    """A name was taken from the node by another mount: see what it stands for now."""
    node.lose(name_id)
    directory = drive.tree.find(parent_of(name_id))
    if directory is not None:
        successor = await drive.tree.look_again(directory, name_of(name_id))
        if successor is not None:
            bring_up(drive, successor)
    drive.kernel.forget_entry(parent_of(name_id), name_of(name_id))


def bring_up(drive: Drive, node: Node) -> None:
    """Tell the directories in memory and the kernel what they do not know of a node yet."""
    inode = node.inode
    node.listed += 1  # between two names it is still the same node
    for name_id in set(node.linked) - set(inode.names):
        drop_name(drive, node, name_id)
    for name_id in set(inode.names) - set(node.linked):
        add_name(drive, node, name_id)
    node.listed -= 1
    reader = node.reader
    if reader is not None and inode.content is not None and not reader.reads(inode.content):
        if node.opens:
            hold_bytes(drive, node)
        else:
            node.close_reader()
    pages_stale = node.staged is None and node.kernel_data not in (None, node.data)
    if pages_stale or node.told not in (None, node.shown):
        drive.kernel.forget_inode(node.ino, bytes_too=pages_stale)
    drive.tree.drop_unused(node)


def drop_name(drive: Drive, node: Node, name_id: str) -> None:
    """A name does not stand for the node any more, by somebody else's doing."""
    directory = drive.tree.find(parent_of(name_id))
    node.lose(name_id)
    drive.kernel.forget_entry(parent_of(name_id), name_of(name_id))
    if directory is not None:
        drive.tree.drop_name(directory, name_of(name_id), node.ino)


def add_name(drive: Drive, node: Node, name_id: str) -> None:
    """A name stands for the node, by somebody else's doing."""
    node.gain(name_id)
    directory = drive.tree.find(parent_of(name_id))
    if directory is None:
        return
    before = (directory.children or {}).get(name_of(name_id))
    drive.tree.add_name(directory, name_of(name_id), node)
    if before != node.ino:
        drive.kernel.forget_entry(directory.ino, name_of(name_id))
