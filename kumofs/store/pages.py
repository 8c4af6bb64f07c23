"""Pages: memory for the bodies of large answers, whole pages of the machine, used again while any of it is in use.

To be given new memory costs a reader of a large file as much as to have it filled: the kernel clears each page, and a
`bytearray` clears it once more (a tenth of the daemon's CPU and more; docs/decisions/0015). It begins at a page, so the disk
can take it without a copy. When the last piece comes back all of it goes to the system: a daemon that rests holds none.
"""

from __future__ import annotations

import ctypes
import mmap
import threading
import weakref
from contextlib import suppress

LEAST_BYTES = 1 << 20
"""Smaller ones are plain memory: to keep them is not worth it."""
POOLED_MAX_BYTES = 8 << 20
"""A larger one is not kept for others."""
KEPT_MAX_BYTES = 64 << 20
"""What waits for its next use."""


class Pages:
    """The memory that waits, by its size. Thread-safe; it comes back in whatever thread forgets it."""

    def __init__(self) -> None:
        # of a thread that holds it: the collector may run there, and find a piece that nobody uses
        self._lock = threading.RLock()
        self._waiting: dict[int, list[mmap.mmap]] = {}
        self._waiting_bytes = 0
        self._used = 0

    def take(self, length: int) -> memoryview:
        """So many bytes, with whatever is in them. They come back when no view of them is left."""
        if length < LEAST_BYTES:
            return memoryview(bytearray(length))
        size = pooled_size(length)
        with self._lock:
            memory = self._take(size)
            self._used += 1
        array = (ctypes.c_ubyte * length).from_buffer(memory)
        weakref.finalize(array, self._came_back, memory).atexit = False
        return memoryview(array).cast("B")

    @property
    def waiting_bytes(self) -> int:
        """What waits for its next use."""
        return self._waiting_bytes

    def _take(self, size: int) -> mmap.mmap:
        if waiting := self._waiting.get(size):
            self._waiting_bytes -= size
            return waiting.pop()
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with suppress(OSError):  # a kernel that has none
            memory.madvise(mmap.MADV_HUGEPAGE)
        return memory

    def _came_back(self, memory: mmap.mmap) -> None:
        with self._lock:
            self._used -= 1
            if not self._used:
                self._waiting.clear()
                self._waiting_bytes = 0
            elif (size := len(memory)) <= POOLED_MAX_BYTES and self._waiting_bytes + size <= KEPT_MAX_BYTES:
                self._waiting.setdefault(size, []).append(memory)
                self._waiting_bytes += size


def pooled_size(length: int) -> int:
    """The size of the piece that has so many bytes: a power of two, where it may be used again."""
    return 1 << (length - 1).bit_length() if length <= POOLED_MAX_BYTES else length


PAGES = Pages()
"""Those of this process."""
