"""Eviction: the bound of the cache's directory, on bytes, on files, and on what stays free on its disk.

Nothing is remembered of single files: a sweep looks through the directory and removes what was used longest ago (a file's
mtime is its last use) where less than two steps, a thirty-second of the bound each, are free, until four are. After each step
that is added comes the next sweep, so two mounts keep within one bound without a word. Files that are in use may be removed
like others: whoever reads them asks the store.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kumofs.cache.kept import used_bytes

log = logging.getLogger(__name__)

BYTES_MAX = 10 << 30
DISK_SHARE = 0.1
"""The bound where none is set: of the room that the cache has or could have, but not over `BYTES_MAX`."""
FLOOR_BYTES = 1 << 30
FLOOR_SHARE = 0.05
"""What stays free on the disk for others: the lesser of the two."""
FILES_MAX = 250_000
"""A sweep is then some 50 MiB and a few seconds of a thread."""
FILE_SHARE = 2
"""Part of the bound that one file may take: a film that is larger leaves the rest in place."""
STEPS = 32
OVERHEAD_BYTES = 4096
"""What a file takes beside its bytes, at most."""
SWEEP_AGAIN_S = 10.0
LOOK_S = 1.0
"""How often, at most, it is looked what others have left free on the disk, unless it could run out."""


class Usage(NamedTuple):
    """How full the cache is: files, bytes on the disk, and how many it may have now."""

    files: int
    used_bytes: int
    bytes_max: int


class File(NamedTuple):
    """One file, in the order in which they go."""

    used_ns: int
    size_bytes: int
    name: str


class Room:
    """The room of a directory. `bytes_max` None: by the disk. Thread-safe; no call is for the event loop."""

    def __init__(
        self, directory: Path, bytes_max: int | None, floor_bytes: int | None = None, files_max: int = FILES_MAX
    ) -> None:
        self.directory = directory
        self._bytes_max = bytes_max
        self._floor_bytes = floor_bytes
        self._files_max = files_max
        self._lock = threading.Lock()
        self._left_bytes = self._left_files = self._spare_bytes = 0
        self._bound_bytes = 0
        self._swept_s = self._looked_s = float("-inf")

    @property
    def file_max_bytes(self) -> int:
        """What one file may take, as of the last sweep."""
        return self._bound_bytes // FILE_SHARE

    def take(self, more_bytes: int) -> bool:
        """Count so much as added; sweeps where it is time. False: there is no room. OSError."""
        more_bytes += OVERHEAD_BYTES
        with self._lock:
            if not self._fits(more_bytes) and (self._may_fit(more_bytes) or time.monotonic() > self._swept_s + SWEEP_AGAIN_S):
                self._sweep(more_bytes)
            if not self._fits(more_bytes):
                return False
            self._left_bytes -= more_bytes
            self._spare_bytes -= more_bytes
            self._left_files -= 1
            return True

    def look_after(self) -> None:
        """Make room where others have filled the disk. OSError."""
        with self._lock:
            free, floor = self._free_and_floor()
            if free < floor and self.directory.is_dir():
                self._sweep()

    def usage(self) -> Usage:
        """As it is now; nothing is changed. OSError, but a directory that is not there is empty."""
        return self._usage(self._files())

    def clear(self) -> Usage:
        """Remove everything; what that was."""
        files = self._files()
        found = self._usage(files)
        for file in files:
            (self.directory / file.name).unlink(missing_ok=True)
        return found

    def _usage(self, files: list[File]) -> Usage:
        used = sum(file.size_bytes for file in files)
        return Usage(len(files), used, self._bound(used))

    def _fits(self, more_bytes: int) -> bool:
        if self._spare_bytes < more_bytes or time.monotonic() > self._looked_s + LOOK_S:
            free, floor = self._free_and_floor()
            self._spare_bytes, self._looked_s = free - floor, time.monotonic()
        return min(self._left_bytes, self._spare_bytes) >= more_bytes and self._left_files > 0

    def _may_fit(self, more_bytes: int) -> bool:
        return more_bytes <= self._bound_bytes // 4

    def _sweep(self, more_bytes: int = 0) -> None:
        files = sorted(self._files())
        used, left = sum(file.size_bytes for file in files), len(files)
        bound = self._bound_bytes = self._bound(used)
        step = max(bound // STEPS, more_bytes if self._may_fit(more_bytes) else 0)
        steps_files = self._files_max // STEPS
        full = used + 2 * step > bound or left + 2 * steps_files > self._files_max
        for file in files if full else ():
            if used + 4 * step <= bound and left + 4 * steps_files <= self._files_max:
                break
            (self.directory / file.name).unlink(missing_ok=True)
            used -= file.size_bytes
            left -= 1
        if left < len(files):
            log.info("%d files were evicted from the cache; it has %d with %d bytes", len(files) - left, left, used)
        self._looked_s = float("-inf")
        self._left_bytes, self._left_files = min(step, bound - used), max(1, steps_files)
        self._swept_s = time.monotonic()

    def _files(self) -> list[File]:
        try:
            with os.scandir(self.directory) as entries:
                return list(self._regular(entries))
        except FileNotFoundError:
            return []

    def _regular(self, entries: Iterator[os.DirEntry[str]]) -> Iterator[File]:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if not stat.S_ISDIR(status.st_mode):
                yield File(status.st_mtime_ns, used_bytes(status), entry.name)

    def _bound(self, used: int) -> int:
        free, floor = self._free_and_floor()
        most = min(BYTES_MAX, int((used + free) * DISK_SHARE)) if self._bytes_max is None else self._bytes_max
        return max(0, min(most, used + free - floor))

    def _free_and_floor(self) -> tuple[int, int]:
        """What is free on the directory's disk, and what has to stay so."""
        place = self.directory
        while not place.is_dir() and place != place.parent:
            place = place.parent
        disk = os.statvfs(place)
        floor = min(FLOOR_BYTES, int(disk.f_blocks * disk.f_frsize * FLOOR_SHARE))
        return disk.f_bavail * disk.f_frsize, floor if self._floor_bytes is None else self._floor_bytes
