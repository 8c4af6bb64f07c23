"""Bounding: how many nodes a mount remembers.

The kernel keeps what it was ever told until it needs the room, and we have to keep a node for each. So when there are more
than `NODES_MAX`, the kernel is asked to forget the oldest that nobody has open; it gives its references back, and they go.
"""

from __future__ import annotations

import trio

from kumofs.fs.drive import Drive
from kumofs.fs.node import Node
from kumofs.model import name_of, parent_of

NODES_MAX = 100_000
KEPT_SHARE = 0.8
"""How much of that is left once the kernel was asked."""
ASKED_AT_A_TIME = 10_000
LOOK_S = 0.2


async def keep_bounded(drive: Drive) -> None:
    """Look after the bound for ever."""
    waiting: list[int] = []
    while True:
        await trio.sleep(LOOK_S)
        if len(drive.tree) <= NODES_MAX * (KEPT_SHARE if waiting else 1):
            waiting.clear()
            continue
        waiting = waiting or oldest_first(drive)
        for ino in waiting[:ASKED_AT_A_TIME]:
            node = drive.tree.find(ino)
            if node is not None and may_go(node):
                for name_id in node.inode.names:
                    drive.kernel.forget_entry(parent_of(name_id), name_of(name_id))
        del waiting[:ASKED_AT_A_TIME]


def oldest_first(drive: Drive) -> list[int]:
    """The inodes that may go, as many as are too many."""
    nodes = drive.tree.nodes()
    found = [node.ino for node in nodes if may_go(node)]
    return found[: len(nodes) - int(NODES_MAX * KEPT_SHARE)]


def may_go(node: Node) -> bool:
    """Whether only the kernel refers to it. A directory stays: programs work in it, and would lose their place."""
    return bool(node.lookups) and not (node.is_dir or node.opens or node.listed or node.staged is not None)
