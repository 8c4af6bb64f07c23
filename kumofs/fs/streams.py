"""Files that are worth streaming, as writers tell of them; few, and the newest are left out where there are too many."""

from __future__ import annotations

import math

import trio

from kumofs.fs.node import Node

WAITING_MAX = 16


class Streams:
    """A queue of nodes. Touched on the event loop only."""

    def __init__(self) -> None:
        self._tell, self._hear = trio.open_memory_channel[Node](math.inf)
        self._waiting: set[Node] = set()

    def add(self, node: Node) -> None:
        """The file may be streamed."""
        if node not in self._waiting and len(self._waiting) < WAITING_MAX:
            self._waiting.add(node)
            self._tell.send_nowait(node)

    async def next(self) -> Node:
        """The next of them, once there is one."""
        node = await self._hear.receive()
        self._waiting.discard(node)
        return node
