"""Orphans: files without names that this mount has let go of. Their bytes go at once, their documents after a while.

The document stays for `GRACE_S` so that the feed of other mounts sees that the names are gone.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable

import trio

from kumofs.catalog.port import Engine
from kumofs.errors import KumofsError
from kumofs.offload import Lane
from kumofs.staging.reclaim import reclaim, strip
from kumofs.store.protocol import Store

log = logging.getLogger(__name__)

GRACE_S = 10.0
WAITING_MAX = 100_000
"""More orphans than this are left to the background pass."""


class Orphans:
    """Reclaims what was unlinked and is not open any more, in the background."""

    def __init__(self, engine: Engine, store: Store, lane: Lane) -> None:
        self._engine = engine
        self._store = store
        self._lane = lane
        self._full: deque[int] = deque()
        self._stripped: deque[tuple[float, int]] = deque()
        self._arrived = trio.Event()

    def add(self, ino: int) -> None:
        """Nobody here has the inode open, and it has no name."""
        if len(self._full) < WAITING_MAX:
            self._full.append(ino)
        self._arrived.set()

    async def run(self) -> None:
        """Reclaim for ever."""
        while True:
            await self.strip_all()
            await self._reclaim_due()
            with trio.move_on_after(1.0 if self._stripped else math.inf):
                await self._arrived.wait()
            self._arrived = trio.Event()

    async def strip_all(self) -> None:
        """Free the bytes of everything that waits; the documents stay for their while."""
        while self._full:
            ino = self._full.popleft()
            await self._try(strip, ino)
            self._stripped.append((trio.current_time() + GRACE_S, ino))

    async def _reclaim_due(self) -> None:
        while self._stripped and self._stripped[0][0] <= trio.current_time():
            await self._try(reclaim, self._stripped.popleft()[1])

    async def _try(self, step: Callable[[Engine, Store, int], object], ino: int) -> None:
        try:
            await self._lane.run_in_thread(step, self._engine, self._store, ino)
        except KumofsError as problem:
            log.warning("orphan %d is left to the background pass: %s", ino, problem)
