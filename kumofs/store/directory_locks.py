"""Locks of the directory store, across threads and processes: flock on a small fixed set of files.

`key` serialises "look at the condition, then rename" per key; `folders` keeps a folder from being removed between the
moment a writer saw it and its rename into it, and makes sure that a folder which is seen is durable. A lock dies with
its process. Order: a key first, then folders; never two keys.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

DEADLINE_SECONDS = 30.0
"""A holder that was stopped must not hold others for ever."""
FIRST_PAUSE_SECONDS = 0.0005
LAST_PAUSE_SECONDS = 0.02


class Locks:
    """The lock files under one directory; they are made when first needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def key(self, key: str) -> Iterator[None]:
        """Alone with a key (and those few that share its lock file). OSError ETIMEDOUT."""
        with self._held(f"{sha256(key.encode()).digest()[0]:02x}", fcntl.LOCK_EX):
            yield

    @contextmanager
    def folders(self, *, change: bool) -> Iterator[None]:
        """Among others who only look at folders, or alone where folders are made or removed. OSError ETIMEDOUT."""
        with self._held("folders", fcntl.LOCK_EX if change else fcntl.LOCK_SH):
            yield

    @contextmanager
    def _held(self, name: str, mode: int) -> Iterator[None]:
        # a fresh descriptor each time: flock belongs to it, so threads of one process exclude each other too
        fd = os.open(self._directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            acquire(fd, mode)
            yield
        finally:
            os.close(fd)


def acquire(fd: int, mode: int) -> None:
    """flock within the deadline. OSError ETIMEDOUT."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            fcntl.flock(fd, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "another process holds a lock and does not go on") from None
            time.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE_SECONDS)
        else:
            return
