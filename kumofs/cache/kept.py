"""Kept: the bytes of one content in a file on this machine's disk, in grains of 16 KiB, each with its checksum.

    0 ..            the bytes; what was not kept is a hole
    size ..         a mark, and the content's identity: its write, etag and size, hashed
    behind it       four bytes for each grain: its CRC-32, or 0 where it is not kept

A content never changes, and every byte here follows from it: whoever writes a part writes the same. So neither threads nor
two mounts need a lock, and a grain that is there is never stale. Its checksum is written after it, and is computed with the
content's identity and the grain's number, so that no other bytes pass for it. Nothing is synced: what a power cut or a bad
disk left is found when it is read. CRC-32 finds every error of up to 32 bits in a row, and of all others it misses one in
four billion; it is there against accidents, for who may write here may change the files of the drive as well.

Every call opens the file anew: it may be evicted, or damaged, at any moment. OSError is whatever the disk says.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import struct
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from kumofs.model import Bytes, Content
from kumofs.store.checksum import crc32_at_once
from kumofs.store.directory_copying import write_all

log = logging.getLogger(__name__)

GRAIN_BYTES = 16 << 10
"""Small, so that a look at a few bytes of a large file need not fetch much more; a checksum takes 3 µs."""
MARK = b"kumofs kept 1\n\0\0"
HEADER_BYTES = len(MARK) + 32
SUM_BYTES = 4
TOUCH_S = 60.0
"""How exact the time of the last use is, by which is decided what goes first."""
GRAINS_A_STEP = 64
FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


Write = Callable[[int, memoryview, int], None]
"""Writes all bytes to a file, at an offset."""


class Found(NamedTuple):
    """What of a range is kept: bytes at its beginning and at its end; all of them are `head`."""

    head: bytes
    tail: bytes


NOTHING = Found(b"", b"")


class Kept:
    """The file of one content in a directory."""

    def __init__(self, directory: Path, content: Content) -> None:
        identity = f"{content.data}\n{content.etag}\n{content.size}".encode(errors="backslashreplace")
        digest = sha256(identity).digest()
        self.path = directory / digest.hex()[:32]
        self._size = content.size
        self._grains = -(-content.size // GRAIN_BYTES)
        self._header = MARK + digest
        self._seed = int.from_bytes(digest[:4], "little")

    def read(self, start: int, end: int) -> Found:
        """What is kept of [start, end), and true."""
        try:
            fd = self._open(os.O_RDONLY)
        except FileNotFoundError:
            return NOTHING
        try:
            status = os.fstat(fd)
            first, last = start // GRAIN_BYTES, -(-end // GRAIN_BYTES)
            sums = self._sums(fd, first, last) if self._is_whole(fd, status) else ()
            if not any(sums):
                return NOTHING
            if time.time() - status.st_mtime > TOUCH_S:
                os.utime(fd)
            low = first * GRAIN_BYTES
            body = os.pread(fd, min(last * GRAIN_BYTES, self._size) - low, low)
        finally:
            os.close(fd)
        absent = self._absent(body, first, sums)
        if not absent:
            return Found(body[start - low : end - low], b"")
        head_end, tail_start = absent[0] * GRAIN_BYTES - low, (absent[-1] + 1) * GRAIN_BYTES - low
        return Found(body[start - low : max(head_end, start - low)], body[tail_start : end - low])

    def write(self, start: int, body: Bytes, bytes_max: int, write: Write = write_all) -> bool:
        """Keep the whole grains among bytes [start, start+len(body)). False: the file holds `bytes_max` already.

        `write` writes them; the checksums go by the kernel's cache.
        """
        end = start + len(body)
        first, last = -(-start // GRAIN_BYTES), self._grains if end == self._size else end // GRAIN_BYTES
        if first >= last:
            return True
        low, high = first * GRAIN_BYTES, min(last * GRAIN_BYTES, self._size)
        view = memoryview(body)[low - start : high - start]
        fd = self._open(os.O_RDWR | os.O_CREAT)
        try:
            status = os.fstat(fd)
            if used_bytes(status) + len(view) > bytes_max:
                return False
            sums = self._summed(view, first)
            if not self._is_whole(fd, status):
                self._begin(fd, status.st_size)
            write(fd, view, low)
            write_all(fd, sums, self._place_of_sum(first))
        finally:
            os.close(fd)
        return True

    def finish(self) -> None:
        """The file has all bytes of the content, and nothing else: from now on it is one of ours. OSError where it has not."""
        fd = self._open(os.O_RDWR)
        try:
            status = os.fstat(fd)
            if self._is_whole(fd, status):
                return  # somebody read it meanwhile
            if status.st_size != self._size:
                raise OSError(errno.EINVAL, "not the content's length", str(self.path))
            step = GRAIN_BYTES * GRAINS_A_STEP
            sums = [self._summed(memoryview(os.pread(fd, step, at)), at // GRAIN_BYTES) for at in range(0, self._size, step)]
            write_all(fd, b"".join((self._header, *sums)), self._size)
        finally:
            os.close(fd)

    def _open(self, flags: int) -> int:
        """A regular file, never by way of a link, and without waiting for whoever is at the other end of a pipe."""
        try:
            fd = os.open(self.path, flags | FLAGS, 0o600)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return fd
            os.close(fd)
        except OSError as problem:
            if problem.errno not in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                raise
        self._drop("is no file of ours")
        raise FileNotFoundError(errno.ENOENT, "it was something else", str(self.path))

    def _is_whole(self, fd: int, status: os.stat_result) -> bool:
        """Whether the file is this content's. One that is damaged is dropped; False: it was only begun, or was cut."""
        if status.st_size < self._size + HEADER_BYTES:
            return False
        header = os.pread(fd, HEADER_BYTES, self._size)
        if header == self._header and status.st_size == self._place_of_sum(self._grains):
            return True
        if any(header):
            self._drop("is damaged")
        return False

    def _begin(self, fd: int, size: int) -> None:
        if size:
            log.warning("the cached file %s was cut, or not finished: it is fetched anew", self.path)
            os.ftruncate(fd, 0)
        os.ftruncate(fd, self._place_of_sum(self._grains))
        write_all(fd, self._header, self._size)

    def _drop(self, why: str) -> None:
        log.warning("the cached file %s %s: it is fetched anew", self.path, why)
        self.path.unlink(missing_ok=True)

    def _place_of_sum(self, grain: int) -> int:
        return self._size + HEADER_BYTES + SUM_BYTES * grain

    def _sums(self, fd: int, first: int, last: int) -> tuple[int, ...]:
        found = os.pread(fd, SUM_BYTES * (last - first), self._place_of_sum(first))
        return struct.unpack(f"<{last - first}I", found.ljust(SUM_BYTES * (last - first), b"\0"))

    def _summed(self, view: memoryview, first: int) -> bytes:
        """The checksums of grains that follow each other, as they are in the file."""
        places = range(0, len(view), GRAIN_BYTES)
        sums = [self._sum(view[place : place + GRAIN_BYTES], first + place // GRAIN_BYTES) for place in places]
        return struct.pack(f"<{len(sums)}I", *sums)

    def _sum(self, grain: memoryview, number: int) -> int:
        return crc32_at_once(grain, (self._seed + number) & 0xFFFFFFFF) or 1

    def _absent(self, body: bytes, first: int, sums: tuple[int, ...]) -> list[int]:
        """The grains that were not kept, or are not what was kept; these are forgotten."""
        view = memoryview(body)
        pieces = [view[place * GRAIN_BYTES : (place + 1) * GRAIN_BYTES] for place in range(len(sums))]
        good = [there != 0 and self._sum(pieces[place], first + place) == there for place, there in enumerate(sums)]
        damaged = [first + place for place, there in enumerate(sums) if there != 0 and not good[place]]
        if damaged:
            self._forget(damaged)
        return [first + place for place in range(len(sums)) if not good[place]]

    def _forget(self, grains: list[int]) -> None:
        log.warning("the cached file %s is damaged at %d places: they are fetched anew", self.path, len(grains))
        fd = self._open(os.O_RDWR)
        try:
            for grain in grains:
                write_all(fd, bytes(SUM_BYTES), self._place_of_sum(grain))
        finally:
            os.close(fd)


def used_bytes(status: os.stat_result) -> int:
    """Room that a file takes on the disk, without its holes."""
    return max(512, 512 * status.st_blocks)
