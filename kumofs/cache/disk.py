"""The cache on disk: clean bytes of stores that are not local, below the windows in memory. It may vanish at any moment.

One directory for all drives of a user of this machine, and for all their mounts: `kept` says why they need no lock. Whatever
is wrong with the disk, a read gets its bytes from the store instead, and a line in the log says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kumofs.cache.direct import write_direct
from kumofs.cache.eviction import Room
from kumofs.cache.kept import NOTHING, Found, Kept
from kumofs.cache.write_behind import WriteBehind
from kumofs.config import Settings, make_private_dir
from kumofs.errors import ConfigError
from kumofs.model import Bytes, Content
from kumofs.store.directory_copying import write_all

log = logging.getLogger(__name__)

NAME = "bytes"
MIB = 1 << 20
ADOPT_MAX_BYTES = 16 << 20
"""An uploaded file up to this size becomes a cached one: to read a larger one once more for its checksums costs too much."""
COMPLAIN_S = 60.0

Fetch = Callable[[int, int], Bytes]
"""Gets (start, length) from the store."""


def room_of(settings: Settings) -> Room:
    """The room that the settings give the cache."""
    bytes_max = None if settings.cache_mib is None else settings.cache_mib * MIB
    return Room(settings.cache_dir / NAME, bytes_max)


def open_disk_cache(settings: Settings) -> DiskCache | None:
    """The cache, or None where the settings or the disk do not want one."""
    if settings.cache_mib == 0:
        return None
    try:
        return DiskCache(room_of(settings))
    except ConfigError as problem:
        log.warning("nothing is cached on disk: %s", problem)
        return None


class DiskCache:
    """The directory of kept contents. `adopt` is for the event loop; all else for threads. ConfigError where it is not ours."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._directory = make_private_dir(room.directory)
        self._behind = WriteBehind(self._look_after)
        self._complained_s = float("-inf")

    def read(self, content: Content, start: int, end: int, fetch: Fetch) -> Bytes:
        """Bytes [start, end): what is kept, and the rest by one request, which is kept soon. Raises what `fetch` raises."""
        return self._read(content, start, end, fetch, self._keep_soon)

    def warm(self, content: Content, start: int, end: int, fetch: Fetch) -> bool:
        """Have [start, end) kept; whether it is, or there was no room. Raises what `fetch` raises."""
        kept: list[bool] = []
        self._read(content, start, end, fetch, lambda *piece: kept.append(self._keep(*piece)))
        return all(kept)

    def adopt(self, content: Content, path: Path) -> bool:
        """Take over a file of exactly the content's bytes, as its one owner: it is gone from `path`. False: nothing was done."""
        if not 0 < content.size <= ADOPT_MAX_BYTES:
            return False
        kept = Kept(self._directory, content)
        try:
            path.rename(kept.path)
        except OSError:  # another file system, or the directory has vanished: a file less in the cache
            return False
        if not self._behind.add(0, partial(self._finish, kept, content.size)):
            kept.path.unlink(missing_ok=True)
        return True

    def flush(self) -> None:
        """Have everything on the disk that is to be kept so far."""
        self._behind.flush()

    def close(self) -> None:
        """The same, and end."""
        self._behind.close()

    def _read(self, content: Content, start: int, end: int, fetch: Fetch, keep: Callable[[Content, int, Bytes], object]) -> Bytes:
        head, tail = self._found(content, start, end)
        first, last = start + len(head), end - len(tail)
        if first == last:
            return head if not tail else head + tail
        body = fetch(first, last - first)
        keep(content, first, body)
        return body if not (head or tail) else b"".join((head, body, tail))

    def _found(self, content: Content, start: int, end: int) -> Found:
        try:
            return Kept(self._directory, content).read(start, end)
        except OSError as problem:
            self._complain(problem)
            return NOTHING

    def _keep_soon(self, content: Content, start: int, body: Bytes) -> None:
        self._behind.add(len(body), partial(self._keep, content, start, body))

    def _keep(self, content: Content, start: int, body: Bytes) -> bool:
        try:
            try:
                return self._kept(content, start, body)
            except FileNotFoundError:  # the directory has vanished, or the file was damaged and is gone now
                make_private_dir(self._directory)
                return self._kept(content, start, body)
        except (OSError, ConfigError) as problem:
            self._complain(problem)
            return False

    def _kept(self, content: Content, start: int, body: Bytes) -> bool:
        room = self.room
        write = write_all if self._behind.is_pressed else write_direct  # a slow disk: the kernel takes it at once
        return room.take(len(body)) and Kept(self._directory, content).write(start, body, room.file_max_bytes, write)

    def _finish(self, kept: Kept, size_bytes: int) -> None:
        try:
            if self.room.take(size_bytes):
                kept.finish()
            else:
                kept.path.unlink(missing_ok=True)
        except FileNotFoundError:
            log.debug("an uploaded file is not cached: the cache was cleared meanwhile")
        except OSError as problem:
            self._complain(problem)

    def _look_after(self) -> None:
        try:
            self.room.look_after()
        except OSError as problem:
            self._complain(problem)

    def _complain(self, problem: Exception) -> None:
        if time.monotonic() > self._complained_s + COMPLAIN_S:
            self._complained_s = time.monotonic()
            log.warning("the cache on disk cannot be used now, the store is asked instead: %s", problem)
