"""Invalidation: the kernel is told to forget, from a thread of its own, never from a handler.

Telling may wait for a request that is under way, so it must not hold up the event loop that answers it.
"""

from __future__ import annotations

import logging
import queue
import threading

import pyfuse3

from kumofs.fs.attributes import fuse_number
from kumofs.offload import Lane

log = logging.getLogger(__name__)

WAITING_MAX = 50_000
"""Beyond that the rest is dropped: the kernel forgets by itself after its timeout."""

THREADS = 8
"""Openings that wait at a time for the kernel to forget attributes, which takes some microseconds."""

Order = tuple[int, bytes | None, bool]


class Invalidation:
    """The `Kernel` of a drive."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._lane = Lane(THREADS)
        self._orders: queue.Queue[Order | None] = queue.Queue(WAITING_MAX)
        self._thread = threading.Thread(target=self._work, name="invalidation", daemon=True)
        self._thread.start()

    def forget_entry(self, parent: int, name: str) -> None:
        """The name stands for something else now."""
        self._put((parent, name.encode(), False))

    def forget_inode(self, ino: int, *, bytes_too: bool) -> None:
        """The attributes (and the bytes) have changed."""
        self._put((ino, None, bytes_too))

    async def forget_attributes(self, ino: int) -> None:
        """The attributes have changed; returns when the kernel has forgotten them."""
        await self._lane.run_in_thread(self._tell, (ino, None, False))

    def close(self) -> None:
        """No more orders; a thread that waits for the kernel ends with the mount."""
        self._put(None)

    def _put(self, order: Order | None) -> None:
        try:
            self._orders.put_nowait(order)
        except queue.Full:
            log.warning("too many changes by others at once: some are seen only after the kernel's timeout")

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            self._tell(order)

    def _tell(self, order: Order) -> None:
        ino, name, bytes_too = order
        try:
            number = fuse_number(ino, self._root)
            if name is None:
                pyfuse3.invalidate_inode(number, attr_only=not bytes_too)
            else:
                pyfuse3.invalidate_entry(number, pyfuse3.FileNameT(name))
        except OSError:
            pass  # ENOENT: the kernel does not remember it
        except Exception:
            log.exception("invalidation failed")
