"""A stream: the upload of a large new file that goes on while the file is still being written, part by part.

Parts are sent as soon as the writing has passed them; what is changed in a part afterwards is counted, and such a part is
sent again at the end. Nothing rests on it: the staged file has all bytes, and where anything is doubtful the stream is given
up and the file is sent as any other.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Condition
from typing import NamedTuple

from kumofs.errors import StagingUnavailable
from kumofs.model import Inode, ObjectRecord

PART_BYTES = 8 << 20
SENDERS = 3
"""Parts of a stream that are sent at a time, and are in memory."""

Send = Callable[[int, bytes], str]
"""Writes the part of a number (from 1); its etag."""


class Sent(NamedTuple):
    """A part as the store has it: its etag, its length, and the changes of it that came before."""

    etag: str
    length: int
    changes: int


class Stream:
    """One upload. `inode` is the file as it was before `claimed` was; `data` names the write that it will be. Thread-safe."""

    def __init__(self, inode: Inode, claimed: ObjectRecord, upload_id: str, data: str, note: Path) -> None:
        self.inode = inode
        self.claimed = claimed
        self.upload_id = upload_id
        self.data = data
        self.note = note
        self._changes: Counter[int] = Counter()
        self._sent: dict[int, Sent] = {}
        self._next = 0
        self._busy = 0
        self._ended = False
        self._turn = Condition()

    def has_next(self, written: int) -> bool:
        """Whether there is something to send now, where the file is written so far."""
        return not self._ended and (self._next + 1) * PART_BYTES <= written

    def note_change(self, start: int, end: int) -> None:
        """Bytes [start, end) are others from now on, or are not there any more."""
        with self._turn:
            for number in range(start // PART_BYTES, -(-end // PART_BYTES)):
                self._changes[number] += 1

    def send_next(self, send: Send, path: Path, written: int) -> bool:
        """Send the next part, where the file is written so far. False: there is none yet, or never will be."""
        with self._turn:
            if not self.has_next(written):
                return False
            number = self._next
            self._next += 1
            self._busy += 1
        try:
            self._send(send, path, number, PART_BYTES)
        finally:
            with self._turn:
                self._busy -= 1
                self._turn.notify_all()
        return True

    def stop(self) -> None:
        """Begin to send nothing any more: the rest is for the commit."""
        self._ended = True

    def end(self) -> None:
        """The same; returns when nothing is being sent."""
        with self._turn:
            self._ended = True
            self._turn.wait_for(lambda: not self._busy)

    def rest(self, send: Send, path: Path, size: int) -> list[tuple[int, str]]:
        """Send what the store does not have, as it is now, once the stream has ended; all parts of a file of that size."""
        lengths = [min(PART_BYTES, size - start) for start in range(0, size, PART_BYTES)]
        missing = [number for number, length in enumerate(lengths) if not self._has(number, length)]
        with ThreadPoolExecutor(SENDERS) as threads:
            list(threads.map(lambda number: self._send(send, path, number, lengths[number]), missing))
        return [(number + 1, self._sent[number].etag) for number in range(len(lengths))]

    def _has(self, number: int, length: int) -> bool:
        sent = self._sent.get(number)
        return sent is not None and (sent.length, sent.changes) == (length, self._changes[number])

    def _send(self, send: Send, path: Path, number: int, length: int) -> None:
        with self._turn:
            changes = self._changes[number]
        body = read_part(path, number * PART_BYTES, length)
        self._sent[number] = Sent(send(number + 1, body), length, changes)


def read_part(path: Path, start: int, length: int) -> bytes:
    """Bytes of the staged file. StagingUnavailable where it has not so many, or is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            body = os.pread(fd, length, start)
        finally:
            os.close(fd)
    except OSError as problem:
        raise StagingUnavailable(f"the staged file cannot be read: {problem.strerror}") from problem
    if len(body) != length:
        raise StagingUnavailable("the staged file became shorter while it was sent")
    return body
