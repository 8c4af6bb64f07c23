"""Windows: committed bytes of a store that is not local, fetched by ranges ahead of whoever reads, kept in memory.

Below them is the cache on disk, where there is one: a block comes from there, as far as it is there, instead of the store.

The kernel asks for 128 KiB at a time; a request to the store for each would be slow. So

- a file of up to `SMALL_BYTES` is fetched whole;
- a larger one by blocks: `FIRST_BYTES` at its beginning, then twice the block before, up to `BLOCK_MAX_BYTES`, where the
  reading goes on at a block's end; what was asked and no more after a seek
  (in whole grains, where they are cached on disk), until there were so many of these that the whole file is fetched (`whole`);
- the block after is fetched in the background once the second half of a sequential one is read;
- who needs bytes that somebody is fetching waits for these: one request per range, however many read the file;
- all blocks of a process together are bounded; the least recently used go first.

How long the next block is follows from the block before it and from nothing else, so several programs may read several
places of one file at their own pace.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from kumofs.cache.disk import DiskCache
from kumofs.cache.kept import GRAIN_BYTES
from kumofs.cache.origin import fetch
from kumofs.cache.whole import Scattered, WholeFiles
from kumofs.errors import KumofsError
from kumofs.model import Content
from kumofs.store.protocol import Store

log = logging.getLogger(__name__)

SMALL_BYTES = 1 << 20
FIRST_BYTES = 256 << 10
BLOCK_MAX_BYTES = 8 << 20
NEAR_BYTES = 512 << 10
"""Reads of one program arrive a little out of order: up to this far behind a block's end (and no farther than the block is
long) they still go on from it."""
MEMORY_MAX_BYTES = 96 << 20
AHEAD_MAX = 16
"""Blocks fetched in the background at a time; more are not begun."""
BLOCKS_PER_READER = 3
"""What a sequential reader keeps: the block it reads, the one before and the one after."""


class Block:
    """Bytes [start, end) of a file, here or on their way. `body` is None until they are here, and stays so if they failed."""

    __slots__ = ("body", "end", "ended", "owner", "sequential", "start")

    def __init__(self, owner: Window, start: int, end: int, *, sequential: bool) -> None:
        self.owner = owner
        self.start = start
        self.end = end
        self.sequential = sequential
        self.body: bytes | None = None
        self.ended = threading.Event()

    def __len__(self) -> int:
        return self.end - self.start

    def wait(self) -> bytes | None:
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
        share = self._bytes_max // (BLOCKS_PER_READER * max(1, len(self._readers)))
        return max(FIRST_BYTES, min(BLOCK_MAX_BYTES, share))

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
    """One content of one file. `read` is called in threads, `read_now` on the event loop; both at any time."""

    def __init__(self, store: Store, content: Content, memory: Memory = SHARED) -> None:
        self._store = store
        self._content = content
        self._memory = memory
        self._blocks: list[Block] = []  # in order, never overlapping
        self._closed = False
        self._scattered = Scattered(content.size)

    def read_now(self, offset: int, length: int) -> bytearray | None:
        """Bytes [offset, offset+length) if all of them are here; never waits."""
        end, body = offset + length, bytearray()
        with self._memory.lock:
            while offset < end:
                block = self._find(offset)
                if block is None or block.body is None:
                    return None
                self._memory.touch(block)
                body += memoryview(block.body)[offset - block.start : end - block.start]
                offset = min(end, block.end)
            self._go_ahead(end)
        return body

    def read(self, offset: int, length: int) -> bytes:
        """Bytes [offset, offset+length), which must lie in the file. PreconditionFailed, DamagedFile, StoreUnavailable."""
        end, pieces = offset + length, []
        while offset < end:
            block, mine = self._block_at(offset, end)
            body = self.fetch(block) if mine else block.wait()
            if body is None:
                continue  # whoever fetched it failed; now it is ours to try
            pieces.append(body[offset - block.start : end - block.start])
            offset = min(end, block.end)
        with self._memory.lock:
            self._go_ahead(end)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

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

    def fetch(self, block: Block) -> bytes:
        """Get a block's bytes from the store and hand them to all who wait for them."""
        began_s = time.monotonic()
        try:
            block.body = self._get(block.start, len(block))
        except BaseException:
            with self._memory.lock:
                self.drop(block)
            raise
        finally:
            block.ended.set()
        if not block.sequential and self._content.size > SMALL_BYTES:
            self._note_scattered(time.monotonic() - began_s)
        return block.body

    def _note_scattered(self, took_s: float) -> None:
        memory = self._memory
        with memory.lock:
            worth_it = self._scattered.add(took_s)
        if worth_it and memory.disk is not None:
            memory.whole_files.begin(memory.disk, self._content, self._ask, lambda: not self._closed)

    def _find(self, offset: int) -> Block | None:
        place = bisect_right(self._blocks, offset, key=lambda block: block.start) - 1
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
        place = bisect_right(self._blocks, offset, key=lambda block: block.start)
        before = self._blocks[place - 1] if place else None
        block = self._planned(before, offset, end)
        if place < len(self._blocks):
            block.end = min(block.end, self._blocks[place].start)
        if not self._closed:
            self._blocks.insert(place, block)
            self._memory.add(block)
            self._drop_behind(before, block)
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
            return Block(self, 0, size, sequential=False)
        if offset == 0:
            return Block(self, 0, min(size, max(FIRST_BYTES, end)), sequential=True)
        if before is not None and offset - before.end <= min(NEAR_BYTES, len(before)):
            length = min(2 * len(before), self._memory.block_max_bytes())
            return Block(self, before.end, min(size, max(before.end + length, end)), sequential=True)
        return Block(self, offset, end, sequential=False)

    def _drop_behind(self, before: Block | None, block: Block) -> None:
        # a reader that goes on from `before` has left what lies in front of that one
        if before is None or before.end != block.start:
            return
        last = self._find(before.start - 1)
        if last is not None and last.ended.is_set():
            self.drop(last)

    def _go_ahead(self, position: int) -> None:
        block = self._find(position - 1)
        if block is None or not block.sequential or position - block.start <= len(block) // 2:
            return
        if block.end >= self._content.size or self._find(block.end) is not None or not self._memory.may_go_ahead:
            return
        self._memory.go_ahead(self._begin(block.end, block.end + 1))

    def _get(self, start: int, length: int) -> bytes:
        disk = self._memory.disk
        return self._ask(start, length) if disk is None else disk.read(self._content, start, start + length, self._ask)

    def _ask(self, start: int, length: int) -> bytes:
        return fetch(self._store, self._content, start, length)
