"""Whole files: one that is read here and there is fetched whole, once that is worth it, and then read from the disk.

A small request costs its way to the store and back, and a program may make thousands in one file (a database, the index of a
mailbox, a disk image). Nobody knows beforehand how many. So, as with skis, which one rents before one buys them: small
requests at first; then, in the background and by several requests at once, the whole file, where it is taken to come in a few
times the time that went by with them. How quickly files come is measured by the pieces of them. One that turns out to be too
slow is left there, and gone on with when more time was lost: what is fetched for nothing is bounded by what was waited for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from kumofs.cache.disk import DiskCache, Fetch
from kumofs.errors import KumofsError
from kumofs.model import Content

log = logging.getLogger(__name__)

PIECE_FIRST_BYTES = 2 << 20
PIECE_MAX_BYTES = 8 << 20
"""Half of what came, within these: until it is known how quickly a file comes, little of it is asked for."""
AT_ONCE = 4
"""Pieces of one file on their way; one file at a time, others wait for their turn."""
COUNT_MIN = 8
"""Fewer small requests than this say nothing."""
GENEROUS = 8
"""The whole file may take so many times what the small requests took: who has read here and there often will do so again."""
RATE_FIRST_BYTES_S = 1 << 30
"""How quickly files are taken to come before one did: it costs four small pieces to find that out."""


class Scattered:
    """What small requests of one file have cost so far. Who adds holds a lock."""

    def __init__(self) -> None:
        self._count = 0
        self._spent_s = 0.0

    def add(self, took_s: float) -> None:
        """One more."""
        self._count += 1
        self._spent_s += took_s

    def is_worth(self, size_bytes: int, bytes_per_s: float) -> bool:
        """Whether so much should be fetched, at that rate."""
        return self._count >= COUNT_MIN and GENEROUS * self._spent_s * bytes_per_s >= size_bytes


class WholeFiles:
    """Fetches whole files into the cache on disk. Thread-safe."""

    def __init__(self) -> None:
        self.bytes_per_s = float(RATE_FIRST_BYTES_S)
        """How quickly files came lately."""
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="whole")
        self._ended = False

    def begin(self, coming: Coming) -> None:
        """Fetch a file, or go on with it; one that is being fetched already just is."""
        if coming.begin(AT_ONCE):
            with suppress(RuntimeError):  # closed meanwhile
                for _ in range(AT_ONCE):
                    self._threads.submit(self._fetch, coming)

    def close(self) -> None:
        """Fetch no more than the pieces that are on their way."""
        self._ended = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, coming: Coming) -> None:
        try:
            while not self._ended and coming.fetch_piece():
                self.bytes_per_s = coming.bytes_per_s
        finally:
            coming.leave()


class Coming:
    """One file on its way; several threads take its pieces in order. Thread-safe."""

    def __init__(self, disk: DiskCache, content: Content, fetch: Fetch, worth: Callable[[int, float], bool]) -> None:
        """`worth` is asked, with the bytes that are left and the rate at which they come, whether to go on. It takes no lock."""
        self.bytes_per_s = float(RATE_FIRST_BYTES_S)
        self._disk = disk
        self._content = content
        self._fetch = fetch
        self._worth = worth
        self._lock = threading.Lock()
        self._hands = 0
        self._next = 0
        self._came_bytes = 0
        self._began_s = 0.0

    def begin(self, hands: int) -> bool:
        """Whether there is something to do for so many threads: nobody is at it, and there are pieces left."""
        with self._lock:
            if self._hands or self._next >= self._content.size:
                return False
            self._hands, self._came_bytes, self._began_s = hands, 0, time.monotonic()
            return True

    def leave(self) -> None:
        """A thread is done."""
        with self._lock:
            self._hands -= 1

    def fetch_piece(self) -> bool:
        """Fetch the next piece, where there is one and it is worth it; whether to go on."""
        size = self._content.size
        with self._lock:
            start = self._next
            if start >= size or not self._worth(size - start, self.bytes_per_s):
                return False
            self._next = end = min(size, start + self._piece_bytes())
        kept = self._kept(start, end)
        with self._lock:
            self._came_bytes += end - start
            self.bytes_per_s = self._came_bytes / max(1e-6, time.monotonic() - self._began_s)
            if not kept:  # there is no room, or it cannot be had: no other piece would do better
                self._next = size
        return kept

    def _piece_bytes(self) -> int:
        wanted = max(PIECE_FIRST_BYTES, min(PIECE_MAX_BYTES, self._came_bytes // 2))
        return wanted // PIECE_FIRST_BYTES * PIECE_FIRST_BYTES

    def _kept(self, start: int, end: int) -> bool:
        try:
            return self._disk.warm(self._content, start, end, self._fetch)
        except KumofsError as problem:
            log.debug("a file that is read here and there is not fetched whole: %s", problem)
            return False
