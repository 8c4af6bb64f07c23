"""Whole files: one that is read here and there is fetched whole, once that is worth it, and then read from the disk.

A small request costs its way to the store and back, and a program may make thousands in one file (a database, the index of a
mailbox, a disk image). Nobody knows beforehand how many. So, as with skis that one rents until the rent has come to what they
cost: small requests, until the time that went by with them is what the whole file would take; then it is fetched in the
background, by several requests at once. That costs at most about twice what a prophet would have paid.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from kumofs.cache.disk import DiskCache, Fetch
from kumofs.errors import KumofsError
from kumofs.model import Content

log = logging.getLogger(__name__)

PIECE_BYTES = 8 << 20
AT_ONCE = 4
"""Pieces of one file on their way; one file at a time, others wait for their turn."""
COUNT_MIN = 16
"""Fewer small requests than this say nothing."""
BYTES_PER_S = 512 << 20
"""How quickly a whole file is taken to come: near servers do that, and to be wrong with a far one costs what it costs to have
begun early."""


class Scattered:
    """What small requests of one file have cost so far. Its caller holds a lock."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._count = 0
        self._spent_s = 0.0

    def add(self, took_s: float) -> bool:
        """One more; whether with it, and not before, the whole file is worth fetching."""
        was = self._is_worth_it
        self._count += 1
        self._spent_s += took_s
        return self._is_worth_it and not was

    @property
    def _is_worth_it(self) -> bool:
        return self._count >= COUNT_MIN and self._spent_s * BYTES_PER_S >= self._size_bytes


class WholeFiles:
    """Fetches whole files into the cache on disk. Thread-safe."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="whole")
        self._ended = False

    def begin(self, disk: DiskCache, content: Content, fetch: Fetch, wanted: Callable[[], bool]) -> None:
        """Fetch all of a content, as long as it is `wanted`."""
        coming = Coming(disk, content, fetch, lambda: not self._ended and wanted())
        with suppress(RuntimeError):  # closed meanwhile
            for _ in range(AT_ONCE):
                self._threads.submit(coming.fetch_pieces)

    def close(self) -> None:
        """Fetch no more than the pieces that are on their way."""
        self._ended = True
        self._threads.shutdown(wait=False, cancel_futures=True)


class Coming:
    """One file on its way; several threads take its pieces in order."""

    def __init__(self, disk: DiskCache, content: Content, fetch: Fetch, wanted: Callable[[], bool]) -> None:
        self._disk = disk
        self._content = content
        self._fetch = fetch
        self._wanted = wanted
        self._lock = threading.Lock()
        self._next = 0

    def fetch_pieces(self) -> None:
        """Take pieces until there are none, or they are not wanted, or cannot be had or kept."""
        try:
            while self._wanted():
                with self._lock:
                    start, self._next = self._next, self._next + PIECE_BYTES
                if start >= self._content.size:
                    return
                if not self._disk.warm(self._content, start, min(self._content.size, start + PIECE_BYTES), self._fetch):
                    break
        except KumofsError as problem:
            log.debug("a file that is read here and there is not fetched whole: %s", problem)
        with self._lock:
            self._next = self._content.size
