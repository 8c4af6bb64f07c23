"""Orphans: files without names that this mount has let go of. Their bytes go at once, their documents after a while.

The document stays for `GRACE_S` so that the feed of other mounts sees that the names are gone.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence

import trio

from kumofs.catalog.port import Engine
from kumofs.errors import KumofsError
from kumofs.fs.lots import dealt, first_of
from kumofs.offload import Lane
from kumofs.staging.reclaim import reclaim, reclaim_many, strip, strip_many
from kumofs.store.protocol import Store

log = logging.getLogger(__name__)

GRACE_S = 10.0
MANY_MIN, MANY_MAX = 4, 100
"""So many go together; SQLite is written to for about 5 ms at a time then."""
LOTS = 8
"""Where the store does not delete many at once, they are shared out: the objects of a lot go one after the other."""
GIVE_WAY_S, GIVE_WAY_MAX_S = 0.05, 1.0
"""Who removes a folder writes to the catalog as well, and waits for whoever else does: so the bytes go in a pause, or in lots."""
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
        self._stripping = trio.Lock()

    def add(self, ino: int) -> None:
        """Nobody here has the inode open, and it has no name."""
        if len(self._full) < WAITING_MAX:
            self._full.append(ino)
        self._arrived.set()

    async def run(self) -> None:
        """Reclaim for ever."""
        while True:
            while self._full:
                await self._give_way()
                await self._strip_waiting()
            await self._reclaim_due()
            with trio.move_on_after(1.0 if self._stripped else math.inf):
                await self._arrived.wait()
            self._arrived = trio.Event()

    async def strip_all(self) -> None:
        """Free the bytes of everything that waits; the documents stay for their while."""
        await self._strip_waiting()  # and what is under way already
        while self._full:
            await self._strip_waiting()

    async def _give_way(self) -> None:
        """Wait until nothing more comes for a moment, or many wait."""
        until_s, before = trio.current_time() + GIVE_WAY_MAX_S, 0
        while before < len(self._full) < MANY_MAX and trio.current_time() < until_s:
            before = len(self._full)
            await trio.sleep(GIVE_WAY_S)

    async def _strip_waiting(self) -> None:
        async with self._stripping, trio.open_nursery() as nursery:
            waiting = first_of(self._full, MANY_MAX)
            lots = 1 if self._store.capabilities.many_at_once and len(waiting) >= MANY_MIN else LOTS
            for lot in dealt(waiting, lots):
                nursery.start_soon(self._strip, lot)

    async def _strip(self, inos: Sequence[int]) -> None:
        if len(inos) >= MANY_MIN:
            await self._try_many(strip_many, strip, inos)
        else:
            for ino in inos:
                await self._try(strip, ino)
        self._note_stripped(inos)

    def _note_stripped(self, inos: Sequence[int]) -> None:
        due_s = trio.current_time() + GRACE_S
        self._stripped.extend((due_s, ino) for ino in inos)

    async def _reclaim_due(self) -> None:
        while self._stripped and self._stripped[0][0] <= trio.current_time():
            due = first_of(self._stripped, MANY_MAX, lambda each: each[0] <= trio.current_time())
            await self._try_many(reclaim_many, reclaim, [ino for _, ino in due])

    async def _try_many(
        self,
        step: Callable[[Engine, Store, Sequence[int]], object],
        single: Callable[[Engine, Store, int], object],
        inos: Sequence[int],
    ) -> None:
        try:
            await self._lane.run_in_thread(step, self._engine, self._store, inos)
        except KumofsError as problem:
            log.info("%d orphans are seen to one by one: %s", len(inos), problem)
            for ino in inos:
                await self._try(single, ino)

    async def _try(self, step: Callable[[Engine, Store, int], object], ino: int) -> None:
        try:
            await self._lane.run_in_thread(step, self._engine, self._store, ino)
        except KumofsError as problem:
            log.warning("orphan %d is left to the background pass: %s", ino, problem)
