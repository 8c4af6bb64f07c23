"""Inode numbers: never used again, handed out in blocks so that a create does not wait for a counter."""

from __future__ import annotations

from threading import Lock

from kumofs.catalog.port import Engine
from kumofs.catalog.schema import COUNTERS
from kumofs.errors import Duplicate

BLOCK = 256
"""Numbers per block. What is left of a block when its mount ends is lost: 2**55 blocks are enough."""
FIRST = 16
"""The first number given out; 1 is what FUSE calls the root of every mount."""


class Numbers:
    """Hands out inode numbers; thread-safe, one per mount."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._next = self._end = 0

    def take(self) -> int:
        """A number that no inode has or had."""
        with self._lock:
            if self._next == self._end:
                self._next = take_block(self._engine)
                self._end = self._next + BLOCK
            self._next += 1
            return self._next - 1


def take_block(engine: Engine) -> int:
    """The first number of a block that nobody else gets."""
    while True:
        doc = engine.update(COUNTERS, "ino", inc={"next": BLOCK})
        if doc is not None:
            return int(doc["next"]) - BLOCK
        try:
            engine.insert(COUNTERS, {"_id": "ino", "next": FIRST})
        except Duplicate:
            continue
