"""Windows: committed bytes of a store that is not local, fetched by ranges ahead of whoever reads, kept in memory.

Below them is the cache on disk, where there is one: a block comes from there, as far as it is there, instead of the store.

The kernel asks for 128 KiB at a time; a request to the store for each would be slow. So

- a file of up to `SMALL_BYTES` is fetched whole;
- a larger one by blocks: `FIRST_BYTES` at its beginning, then twice the block before, up to `BLOCK_MAX_BYTES`, where the
  reading goes on at a block's end; what was asked and no more after a seek
  (in whole grains, where they are cached on disk), until there were so many of these that the whole file is fetched (`whole`);
- as much as was read in one go so far is fetched ahead, in the background, and four times as much from `SURE_BYTES` on, up to
  `AHEAD_MAX_BYTES`: several blocks at once, for one connection to a far store carries but a part of what the line does;
- who needs bytes that somebody is fetching waits for these: one request per range, however many read the file;
- all blocks of a process together are bounded; the least recently used go first.

How long the next block is, and how much is fetched ahead, follows from the block before it and from nothing else, so several
programs may read several places of one file at their own pace.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from kumofs.cache.disk import DiskCache, Fetch
from kumofs.cache.kept import GRAIN_BYTES
from kumofs.cache.origin import fetch
from kumofs.cache.whole import Coming, Scattered, WholeFiles
from kumofs.errors import KumofsError
from kumofs.model import Bytes, Content
from kumofs.store.protocol import Store

log = logging.getLogger(__name__)

SMALL_BYTES = 1 << 20
FIRST_BYTES = 256 << 10
BLOCK_MAX_BYTES = 4 << 20
AHEAD_MAX_BYTES = 32 << 20
SURE_BYTES = 1 << 20
SURE_FACTOR = 4
"""Who has read so much in one go has so many times as much fetched ahead, others as much as they read."""
NEAR_BYTES = 512 << 10
"""Reads of one program arrive a little out of order: up to this far behind a block's end (and no farther than the block is
long) they still go on from it."""
MEMORY_MAX_BYTES = 96 << 20
AHEAD_MAX = 16
"""Blocks fetched in the background at a time; more are not begun."""
BLOCKS_PER_READER = 3
"""What a sequential reader keeps at least: the block it reads, the one before and the one after."""


class Block:
    """Bytes [start, end) of a file, here or on their way. `body` is None until they are here, and stays so if they failed.

    `run`: where the reading began that this block goes on with.
    """

    __slots__ = ("body", "end", "ended", "owner", "run", "sequential", "start")

    def __init__(self, owner: Window, start: int, end: int, *, run: int | None = None) -> None:
        self.owner = owner
        self.start = start
        self.end = end
        self.sequential = run is not None
        self.run = start if run is None else run
        self.body: Bytes | None = None
        self.ended = threading.Event()

    def __len__(self) -> int:
        return self.end - self.start

    def wait(self) -> Bytes | None:
        """The bytes, once whoever fetches them has ended; None: that failed."""
        self.ended.wait()
        return self.body


class Memory:
    """All blocks of a process, least recently used first, and the threads that fetch ahead. `lock` guards every block."""

    def __init__(self, bytes_max: int = MEMORY_MAX_BYTES, disk: DiskCache | None = None) -> None:
        self.lock = threading.Lock()
        self.disk = disk
        """Where blocks come from before the store is asked."""
        self.whole_files = WholeFiles()
        self.held_bytes = 0
        self._bytes_max = bytes_max
        self._blocks: OrderedDict[Block, None] = OrderedDict()
        self._readers: set[Window] = set()
        self._ahead = 0
        self._threads = ThreadPoolExecutor(AHEAD_MAX, thread_name_prefix="ahead")

    def block_max_bytes(self) -> int:
        """How long a block may be, so that all readers together find room. Called with the lock held."""
        return max(FIRST_BYTES, min(BLOCK_MAX_BYTES, self._share_bytes() // BLOCKS_PER_READER))

    def ahead_max_bytes(self) -> int:
        """How much may be fetched ahead of one reader: its share without what it reads and has just read. With the lock held."""
        return max(FIRST_BYTES, min(AHEAD_MAX_BYTES, self._share_bytes() - 2 * self.block_max_bytes()))

    def _share_bytes(self) -> int:
        return self._bytes_max // max(1, len(self._readers))

    def add(self, block: Block) -> None:
        """Make room for a block that is about to be fetched. Called with the lock held."""
        if block.sequential:  # many small files, which may wait for their readers, take no share from a large one
            self._readers.add(block.owner)
        self._blocks[block] = None
        self.held_bytes += len(block)
        if self.held_bytes > self._bytes_max:
            for old in [old for old in self._blocks if old.ended.is_set()]:
                old.owner.drop(old)
                if self.held_bytes <= self._bytes_max:
                    break

    def touch(self, block: Block) -> None:
        """Somebody used the block. Called with the lock held."""
        if block in self._blocks:
            self._blocks.move_to_end(block)

    def remove(self, block: Block) -> None:
        """The block is not kept any more. Called with the lock held."""
        if block in self._blocks:
            del self._blocks[block]
            self.held_bytes -= len(block)

    def forget(self, reader: Window) -> None:
        """A reader is done. Called with the lock held."""
        self._readers.discard(reader)

    @property
    def may_go_ahead(self) -> bool:
        """Whether one more block may be fetched in the background. Called with the lock held."""
        return self._ahead < AHEAD_MAX

    def go_ahead(self, block: Block) -> None:
        """Fetch a block in the background. Called with the lock held."""
        self._ahead += 1
        self._threads.submit(self._fetch_ahead, block)

    def _fetch_ahead(self, block: Block) -> None:
        try:
            block.owner.fetch(block)
        except KumofsError as problem:
            log.debug("reading ahead failed, who needs the bytes will ask again: %s", problem)
        finally:
            with self.lock:
                self._ahead -= 1


SHARED = Memory()
"""The memory of this process's one mount."""


class Window:
    """One content of one file. `read` is called in threads, `read_now` on the event loop; both at any time.

    They may give a view, which keeps a whole block: it is for who passes the bytes on at once.
    """

    def __init__(self, store: Store, content: Content, memory: Memory = SHARED) -> None:
        self._store = store
        self._content = content
        self._memory = memory
        self._blocks: list[Block] = []  # in order, never overlapping
        self._closed = False
        self._scattered = Scattered()
        self._coming: Coming | None = None

    def read_now(self, offset: int, length: int) -> Bytes | None:
        """Bytes [offset, offset+length) if all of them are here; never waits."""
        end, pieces = offset + length, []
        with self._memory.lock:
            while offset < end:
                block = self._find(offset)
                if block is None or block.body is None:
                    return None
                self._memory.touch(block)
                pieces.append(memoryview(block.body)[offset - block.start : end - block.start])
                offset = min(end, block.end)
            self._go_ahead(end)
        return joined(pieces)

    def read(self, offset: int, length: int) -> Bytes:
        """Bytes [offset, offset+length), which must lie in the file. PreconditionFailed, DamagedFile, StoreUnavailable."""
        end, pieces = offset + length, []
        while offset < end:
            block, mine = self._block_at(offset, end)
            body = self.fetch(block) if mine else block.wait()
            if body is None:
                continue  # whoever fetched it failed; now it is ours to try
            pieces.append(memoryview(body)[offset - block.start : end - block.start])
            offset = min(end, block.end)
        with self._memory.lock:
            self._go_ahead(end)
        return joined(pieces)

    def close(self) -> None:
        """Keep nothing any more; what is being read is still read."""
        with self._memory.lock:
            self._closed = True
            for block in list(self._blocks):
                self.drop(block)
            self._memory.forget(self)

    def drop(self, block: Block) -> None:
        """Do not keep a block. Called with the lock held."""
        self._memory.remove(block)
        if block in self._blocks:
            self._blocks.remove(block)

    def fetch(self, block: Block) -> Bytes:
        """Get a block's bytes from the store and hand them to all who wait for them."""
        scattered = not block.sequential and self._content.size > SMALL_BYTES
        try:
            block.body = self._get(block.start, len(block), self._ask_scattered if scattered else self._ask)
        except BaseException:
            with self._memory.lock:
                self.drop(block)
            raise
        finally:
            block.ended.set()
        return block.body

    def _note_scattered(self, took_s: float) -> None:
        memory = self._memory
        if memory.disk is None:
            return
        with memory.lock:
            self._scattered.add(took_s)
            if not self._is_worth(self._content.size, memory.whole_files.bytes_per_s):
                return
            if self._coming is None:
                self._coming = Coming(memory.disk, self._content, self._ask, self._is_worth)
        memory.whole_files.begin(self._coming)

    def _is_worth(self, left_bytes: int, bytes_per_s: float) -> bool:
        return not self._closed and self._scattered.is_worth(left_bytes, bytes_per_s)

    def _place(self, offset: int) -> int:
        """The place of the last block that begins at an offset or before it; -1 for none."""
        return bisect_right(self._blocks, offset, key=lambda block: block.start) - 1

    def _find(self, offset: int) -> Block | None:
        place = self._place(offset)
        return self._blocks[place] if place >= 0 and offset < self._blocks[place].end else None

    def _block_at(self, offset: int, end: int) -> tuple[Block, bool]:
        """The block that has a byte, and whether the caller has to fetch it."""
        with self._memory.lock:
            block = self._find(offset)
            if block is not None:
                self._memory.touch(block)
                return block, False
            return self._begin(offset, end), True

    def _begin(self, offset: int, end: int) -> Block:
        place = self._place(offset) + 1
        before = self._blocks[place - 1] if place else None
        block = self._planned(before, offset, end)
        if place < len(self._blocks):
            block.end = min(block.end, self._blocks[place].start)
        if not self._closed:
            self._blocks.insert(place, block)
            self._memory.add(block)
        return block

    def _planned(self, before: Block | None, offset: int, end: int) -> Block:
        block = self._wanted(before, offset, end)
        if self._memory.disk is not None:  # which keeps whole grains
            block.start = max(block.start // GRAIN_BYTES * GRAIN_BYTES, before.end if before is not None else 0)
            block.end = min(self._content.size, -(-block.end // GRAIN_BYTES) * GRAIN_BYTES)
        return block

    def _wanted(self, before: Block | None, offset: int, end: int) -> Block:
        size = self._content.size
        if size <= SMALL_BYTES:
            return Block(self, 0, size)
        if offset == 0:
            return Block(self, 0, min(size, max(FIRST_BYTES, end)), run=0)
        if before is not None and offset - before.end <= min(NEAR_BYTES, len(before)):
            length = min(2 * len(before), self._memory.block_max_bytes())
            return Block(self, before.end, min(size, max(before.end + length, end)), run=before.run)
        return Block(self, offset, end)

    def _go_ahead(self, position: int) -> None:
        """Have fetched what a reader who has come to `position` will ask for, and drop what lies behind him."""
        place = self._place(position - 1)
        block = self._blocks[place] if place >= 0 else None
        if block is None or self._closed or not block.sequential or position > block.end:
            return
        self._drop_behind(place)
        run_bytes = position - block.run
        likely_bytes = run_bytes if run_bytes < SURE_BYTES else SURE_FACTOR * run_bytes
        wanted = min(self._content.size, position + min(likely_bytes, self._memory.ahead_max_bytes()))
        while block.end < wanted:
            after = self._find(block.end)
            if after is None:
                if not self._memory.may_go_ahead:
                    return
                after = self._begin(block.end, block.end + 1)
                self._memory.go_ahead(after)
            block = after

    def _drop_behind(self, place: int) -> None:
        # who reads one block may still ask for the end of the block before, not for what lies in front of that
        if place < 2:
            return
        last, before, block = self._blocks[place - 2 : place + 1]
        if last.end == before.start and before.end == block.start and last.ended.is_set():
            self.drop(last)

    def _get(self, start: int, length: int, ask: Fetch) -> Bytes:
        disk = self._memory.disk
        return ask(start, length) if disk is None else disk.read(self._content, start, start + length, ask)

    def _ask(self, start: int, length: int) -> Bytes:
        return fetch(self._store, self._content, start, length)

    def _ask_scattered(self, start: int, length: int) -> Bytes:
        began_s = time.monotonic()
        body = self._ask(start, length)
        self._note_scattered(time.monotonic() - began_s)
        return body


def joined(pieces: list[memoryview]) -> Bytes:
    """One buffer of all pieces, without a copy where it is one piece."""
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
