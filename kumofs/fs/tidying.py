"""Tidying: names that were taken from their files, and whose entries go behind the answers, many at a time.

An entry that is left by a kill, or because the catalog does not answer, is removed by whoever meets it.
"""

from __future__ import annotations

import logging
from collections import deque

import trio

from kumofs.catalog.clean_names import Taken, clean_names
from kumofs.catalog.port import Engine
from kumofs.errors import CatalogUnavailable
from kumofs.fs.lots import first_of
from kumofs.fs.tree import Tree
from kumofs.model import parent_of
from kumofs.offload import Lane

log = logging.getLogger(__name__)

AT_ONCE_MAX = 100
RETRY_S = 1.0
GATHER_S = 0.02
WAITING_MAX = 10_000
"""More than these are left to whoever meets them."""


class Tidying:
    """The names of one mount that wait for it. Touched on the event loop only."""

    def __init__(self, engine: Engine, lane: Lane, tree: Tree) -> None:
        self._tree = tree
        self._engine = engine
        self._lane = lane
        self._waiting: deque[Taken] = deque()
        self._working: list[Taken] = []
        self._arrived = trio.Event()
        self._lock = trio.Lock()

    def add(self, taken: Taken) -> None:
        """A name was taken."""
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append(taken)
        self._arrived.set()

    async def run(self) -> None:
        """Tidy for ever."""
        while True:
            if not await self.tidy_all():
                await trio.sleep(RETRY_S)
            elif not self._waiting:
                self._arrived = trio.Event()
                await self._arrived.wait()
                await trio.sleep(GATHER_S)

    async def tidy_all(self) -> bool:
        """Remove what waits. False: the catalog does not answer, and the rest waits on."""
        async with self._lock:
            while self._waiting:
                lot = self._working = first_of(self._waiting, AT_ONCE_MAX)
                try:
                    told = await self._lane.run(clean_names, self._engine, lot)
                except CatalogUnavailable as problem:
                    log.info("%d names wait to be tidied up: %s", len(lot), problem)
                    self._waiting.extendleft(reversed(lot))
                    return False
                except trio.Cancelled:  # the mount ends, and asks for all of them once more
                    self._waiting.extendleft(reversed(lot))
                    raise
                finally:
                    self._working = []
                for directory, arev in told.items():
                    self._tree.note_told(directory, arev, all_of_it=not self._waits(directory))
        return True

    async def wait_tidy(self, directory: int) -> None:
        """Have everything of a directory removed that waits."""
        if self._waits(directory):
            await self.tidy_all()

    def _waits(self, directory: int) -> bool:
        return any(parent_of(taken.name_id) == directory for taken in (*self._working, *self._waiting))
