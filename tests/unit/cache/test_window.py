"""Reading from a store that is not local: few requests, one per range, bounded memory, never a short or empty answer."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from kumofs.cache.reader import Reader
from kumofs.cache.window import BLOCK_MAX_BYTES, FIRST_BYTES, SMALL_BYTES, Memory
from kumofs.errors import DamagedFile, PreconditionFailed, StoreUnavailable
from kumofs.model import Content
from kumofs.store.directory import DirectoryStore
from kumofs.store.protocol import Capabilities

KERNEL_BYTES = 128 << 10
MIB = 1 << 20


class FarStore(DirectoryStore):
    """A directory that is reached by requests only: they are counted, may be held up, fail, or break off."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[tuple[int, int]] = []
        self.open_gate = threading.Event()
        self.open_gate.set()
        self.fails: Exception | None = None
        self.breaks_off = False

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, local_files=False)

    def get(self, key: str, start: int = 0, length: int | None = None, if_match: str | None = None) -> bytes:
        self.asked.append((start, length or 0))
        assert self.open_gate.wait(60)
        if self.fails is not None:
            raise self.fails
        body = super().get(key, start, length, if_match)
        return body[:-1] if self.breaks_off else body


Kept = tuple[FarStore, Content, bytes]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[[int], Kept]]:
    """Put an object of some size into a far store."""
    store = FarStore(tmp_path / "store")

    def put(size: int) -> Kept:
        body = os.urandom(size)
        info = store.put("ada/file", body)
        return store, Content("ada/file", info.etag, None, size, "data"), body

    yield put
    store.close()


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def in_order(reader: Reader, size: int) -> Iterator[bytes]:
    for offset in range(0, size, KERNEL_BYTES):
        yield reader.read(offset, KERNEL_BYTES)


def test_opening_asks_nothing_and_a_small_file_is_one_request(keep) -> None:
    store, content, body = keep(SMALL_BYTES)
    reader = Reader(store, content, Memory())
    assert store.asked == []
    assert reader.read_now(0, 10) is None
    assert reader.read(5000, 100) == body[5000:5100]
    assert bytes(reader.read_now(0, 2 * SMALL_BYTES)) == body
    assert reader.read(SMALL_BYTES, 10) == b""
    assert store.asked == [(0, SMALL_BYTES)]


def test_reading_in_order_takes_few_and_growing_requests(keep) -> None:
    size = 40 * MIB + 123
    store, content, body = keep(size)
    reader = Reader(store, content, Memory())
    assert b"".join(in_order(reader, size)) == body
    lengths = [length for _, length in sorted(store.asked)]
    assert sum(lengths) == size  # every byte once
    assert lengths[0] == FIRST_BYTES and max(lengths) == BLOCK_MAX_BYTES
    assert len(lengths) <= 14


def test_what_comes_next_is_fetched_ahead(keep) -> None:
    store, content, body = keep(4 * MIB)
    reader = Reader(store, content, Memory())
    reader.read(0, KERNEL_BYTES)
    assert len(store.asked) == 1  # a look at the head of a file fetches no more
    reader.read(KERNEL_BYTES, KERNEL_BYTES)
    eventually(lambda: reader.read_now(FIRST_BYTES, KERNEL_BYTES) == body[FIRST_BYTES : FIRST_BYTES + KERNEL_BYTES])


def test_who_has_read_long_has_much_fetched_ahead_by_several_requests_at_once(keep) -> None:
    store, content, _ = keep(64 * MIB)
    reader = Reader(store, content, Memory())
    for offset in range(0, 2 * MIB, KERNEL_BYTES):
        reader.read(offset, KERNEL_BYTES)
    eventually(lambda: sum(length for _, length in store.asked) >= 10 * MIB)
    eventually(lambda: reader.read_now(4 * MIB, MIB) is not None)
    store.open_gate.clear()
    before = len(store.asked)
    reader.read(6 * MIB, MIB)  # which is here
    eventually(lambda: len(store.asked) >= before + 2)  # while none of them is answered
    store.open_gate.set()
    assert sum(length for _, length in store.asked) <= 35 * MIB + BLOCK_MAX_BYTES


def test_who_has_read_little_has_no_more_than_that_fetched_ahead(keep) -> None:
    store, content, _ = keep(64 * MIB)
    reader = Reader(store, content, Memory())
    for offset in range(0, MIB // 2, KERNEL_BYTES):
        reader.read(offset, KERNEL_BYTES)
    assert sum(length for _, length in store.asked) < 2 * MIB


def test_what_is_fetched_ahead_is_not_dropped_before_it_is_read(keep) -> None:
    size = 40 * MIB
    store, content, body = keep(size)
    reader = Reader(store, content, Memory())
    for offset in range(0, size, KERNEL_BYTES):
        assert reader.read(offset, KERNEL_BYTES) == body[offset : offset + KERNEL_BYTES]
        time.sleep(0.001)  # so that all that is fetched ahead arrives
    assert sum(length for _, length in store.asked) == size


def test_a_seek_costs_one_small_request(keep) -> None:
    store, content, body = keep(64 * MIB)
    reader = Reader(store, content, Memory())
    for offset in (50 * MIB, 7 * MIB, 33 * MIB, 20 * MIB):
        assert reader.read(offset, 4096) == body[offset : offset + 4096]
    assert store.asked == [(50 * MIB, 4096), (7 * MIB, 4096), (33 * MIB, 4096), (20 * MIB, 4096)]


def test_many_readers_of_one_range_make_one_request(keep) -> None:
    store, content, body = keep(SMALL_BYTES)
    reader = Reader(store, content, Memory())
    store.open_gate.clear()
    with ThreadPoolExecutor(16) as threads:
        reads = [threads.submit(reader.read, number * 1000, 1000) for number in range(16)]
        eventually(lambda: len(store.asked) == 1)
        assert reader.read_now(0, 10) is None  # on its way is not here, and asking does not wait
        store.open_gate.set()
        assert [read.result() for read in reads] == [body[n * 1000 : n * 1000 + 1000] for n in range(16)]
    assert len(store.asked) == 1


def test_several_programs_read_several_places(keep) -> None:
    size = 24 * MIB
    store, content, body = keep(size)
    reader = Reader(store, content, Memory())

    def part(number: int) -> bytes:
        return b"".join(
            reader.read(offset, KERNEL_BYTES) for offset in range(number * 4 * MIB, (number + 1) * 4 * MIB, KERNEL_BYTES)
        )

    with ThreadPoolExecutor(6) as threads:
        assert b"".join(threads.map(part, range(6))) == body
    assert len(store.asked) < 80  # of 192 reads


def test_all_readers_together_keep_to_the_bound(keep) -> None:
    size, bound = 8 * MIB, 12 * MIB
    store, content, body = keep(size)
    memory = Memory(bound)
    readers = [Reader(store, content, memory) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        for read in threads.map(lambda reader: b"".join(in_order(reader, size)), readers):
            assert read == body
    assert memory.held_bytes <= bound
    for reader in readers:
        reader.close()
    eventually(lambda: memory.held_bytes == 0)


def test_small_files_that_wait_for_their_readers_take_no_share_from_a_large_one(keep) -> None:
    store, content, _ = keep(SMALL_BYTES)
    memory = Memory()
    readers = [Reader(store, content, memory) for _ in range(50)]
    for reader in readers:
        reader.read(0, 1)
    with memory.lock:
        assert memory.block_max_bytes() == BLOCK_MAX_BYTES


def test_a_failed_request_is_tried_again_by_the_next_reader(keep) -> None:
    store, content, body = keep(SMALL_BYTES)
    reader = Reader(store, content, Memory())
    store.fails = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        reader.read(0, 100)
    store.fails = None
    assert reader.read(0, 100) == body[:100]


def test_a_replaced_object_is_told(keep) -> None:
    store, content, _ = keep(4 * MIB)
    reader = Reader(store, content, Memory())
    reader.read(0, 100)
    store.put(content.key, b"other bytes")
    with pytest.raises(PreconditionFailed):
        reader.read(3 * MIB, 100)


def test_what_left_the_store_is_read_from_memory_and_else_is_damage(keep) -> None:
    store, content, body = keep(4 * MIB)
    reader = Reader(store, content, Memory())
    reader.read(0, 100)
    store.delete(content.key)
    assert reader.read(0, FIRST_BYTES) == body[:FIRST_BYTES]
    with pytest.raises(DamagedFile):
        reader.read(FIRST_BYTES, 100)
    with pytest.raises(DamagedFile):
        reader.read(0, 2 * FIRST_BYTES)


def test_a_short_answer_is_damage_only_where_the_object_is_short(keep) -> None:
    store, content, _ = keep(5000)
    with pytest.raises(DamagedFile):
        Reader(store, replace(content, size=6000), Memory()).read(0, 6000)
    with pytest.raises(DamagedFile):
        Reader(store, replace(content, size=2 * MIB), Memory()).read(MIB, 100)
    store.breaks_off = True
    with pytest.raises(StoreUnavailable):
        Reader(store, content, Memory()).read(0, 5000)


def test_who_holds_a_reader_reads_on_when_it_is_closed(keep, tmp_path: Path) -> None:
    store, content, body = keep(5000)
    near = DirectoryStore(tmp_path / "store")
    for reader in (Reader(store, content, Memory()), Reader(near, content)):
        with reader.held():
            reader.close()
            assert reader.read(0, 5000) == body
