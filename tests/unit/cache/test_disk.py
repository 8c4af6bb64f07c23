"""The cache on disk: what was kept is read without the store, whatever is damaged is not, and it keeps to its bounds."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kumofs.cache import disk, whole
from kumofs.cache.disk import DiskCache
from kumofs.cache.eviction import Room
from kumofs.cache.kept import GRAIN_BYTES, HEADER_BYTES, Kept
from kumofs.cache.reader import Reader
from kumofs.cache.window import Memory
from kumofs.cache.write_behind import QUEUE_MAX_BYTES, WriteBehind
from kumofs.errors import StoreUnavailable
from kumofs.model import Content
from kumofs.store.directory import DirectoryStore
from kumofs.store.directory_copying import write_all
from kumofs.store.protocol import Capabilities

MIB = 1 << 20
NO_FLOOR = 0


class Origin:
    """Where bytes come from; what it was asked is noted."""

    def __init__(self, body: bytes, data: str = "data") -> None:
        self.body = body
        self.content = Content("ada/file", '"etag"', None, len(body), data)
        self.asked: list[tuple[int, int]] = []

    def fetch(self, start: int, length: int) -> bytes:
        self.asked.append((start, length))
        return self.body[start : start + length]

    def read(self, cache: DiskCache, start: int = 0, end: int | None = None) -> None:
        """Reads from the cache, and what comes is right."""
        end = len(self.body) if end is None else end
        assert cache.read(self.content, start, end, self.fetch) == self.body[start:end]
        cache.flush()


def make_cache(directory: Path, bytes_max: int = 256 * MIB, **bounds: int) -> DiskCache:
    return DiskCache(Room(directory / "cache", bytes_max, **{"floor_bytes": NO_FLOOR, **bounds}))


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DiskCache]:
    made = make_cache(tmp_path)
    yield made
    made.close()


def file_of(cache: DiskCache, origin: Origin) -> Path:
    return Kept(cache.room.directory, origin.content).path


@pytest.mark.parametrize("size", [1, 4096, GRAIN_BYTES, GRAIN_BYTES + 1, 3 * MIB + 5])
def test_what_was_read_is_read_again_without_the_store(cache: DiskCache, tmp_path: Path, size: int) -> None:
    origin = Origin(os.urandom(size))
    origin.read(cache)
    origin.read(cache)
    origin.read(cache, size // 2)
    cache.close()
    origin.read(make_cache(tmp_path))
    assert origin.asked == [(0, size)]
    assert file_of(cache, origin).stat().st_mode & 0o777 == 0o600
    assert cache.room.directory.stat().st_mode & 0o777 == 0o700


def test_only_what_is_missing_is_asked_and_by_one_request(cache: DiskCache) -> None:
    origin = Origin(os.urandom(10 * GRAIN_BYTES))
    for grain in (0, 1, 4, 9):
        origin.read(cache, grain * GRAIN_BYTES, (grain + 1) * GRAIN_BYTES)
    origin.asked.clear()
    origin.read(cache)
    assert origin.asked == [(2 * GRAIN_BYTES, 7 * GRAIN_BYTES)]
    origin.read(cache, 100, 9 * GRAIN_BYTES + 7)
    assert len(origin.asked) == 1


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 6 * GRAIN_BYTES),
    ranges=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=12),
    seed=st.integers(0, 1 << 30),
)
def test_any_ranges_in_any_order(size: int, ranges: list[tuple[float, float]], seed: int) -> None:
    origin, whole = Origin(random.Random(seed).randbytes(size)), set()
    with tempfile.TemporaryDirectory() as place:
        cache = make_cache(Path(place))
        for one, other in ranges:
            start, end = sorted((int(one * size), int(other * size)))
            if start == end:
                continue
            grains = set(range(start // GRAIN_BYTES, -(-end // GRAIN_BYTES)))
            origin.asked.clear()
            origin.read(cache, start, end)
            assert bool(origin.asked) == bool(grains - whole)
            for first, length in origin.asked:
                last = first + length
                top = -(-size // GRAIN_BYTES) if last == size else last // GRAIN_BYTES
                whole |= set(range(-(-first // GRAIN_BYTES), top))
        cache.close()


def test_other_content_is_another_file(cache: DiskCache) -> None:
    old, new = Origin(os.urandom(5000), "one"), Origin(os.urandom(5000), "two")
    for origin in (old, new, old, new):
        origin.read(cache)
    changed = Origin(os.urandom(5000), "one")  # the same write by its name, and not by its etag
    changed.content = replace(changed.content, etag='"other"')
    changed.read(cache)
    assert [len(origin.asked) for origin in (old, new, changed)] == [1, 1, 1]
    moved = Origin(old.body, "one")
    moved.content = replace(old.content, key="ada/renamed", version="2")
    moved.read(cache)
    assert moved.asked == []


# --- damage


def flip(path: Path, place: int) -> None:
    body = bytearray(path.read_bytes())
    body[place] ^= 0x10
    path.write_bytes(body)


def swap_grains(path: Path) -> None:
    """Bytes and checksums of two grains."""
    body = bytearray(path.read_bytes())
    sums = SIZE + HEADER_BYTES
    for one, other, length in ((0, GRAIN_BYTES, GRAIN_BYTES), (sums, sums + 4, 4)):
        body[one : one + length], body[other : other + length] = body[other : other + length], body[one : one + length]
    path.write_bytes(body)


def become_link(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


def become_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_another(path: Path) -> None:
    """A good file of another content, of the same length."""
    other = Origin(os.urandom(SIZE), "other")
    kept = Kept(path.parent, other.content)
    kept.write(0, other.body, 1 << 40)
    kept.path.replace(path)


SIZE = 5 * GRAIN_BYTES + 100
DAMAGES: dict[str, Callable[[Path], object]] = {
    "first byte": lambda path: flip(path, 0),
    "last byte": lambda path: flip(path, SIZE - 1),
    "mark": lambda path: flip(path, SIZE),
    "identity": lambda path: flip(path, SIZE + HEADER_BYTES - 1),
    "checksum": lambda path: flip(path, SIZE + HEADER_BYTES),
    "last checksum": lambda path: flip(path, SIZE + HEADER_BYTES + 4 * 6 - 1),
    "grains swapped": swap_grains,
    "empty": lambda path: os.truncate(path, 0),
    "cut in the bytes": lambda path: os.truncate(path, GRAIN_BYTES + 1),
    "cut behind the bytes": lambda path: os.truncate(path, SIZE),
    "cut in the checksums": lambda path: os.truncate(path, SIZE + HEADER_BYTES + 5),
    "longer": lambda path: os.truncate(path, 2 * SIZE),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "zeros where bytes were": lambda path: path.write_bytes(bytes(SIZE) + path.read_bytes()[SIZE:]),
    "noise": lambda path: path.write_bytes(os.urandom(path.stat().st_size)),
    "link": become_link,
    "pipe": become_pipe,
    "another content's": become_another,
    "removed": lambda path: path.unlink(),
    "folder": become_folder,
    "directory gone": lambda path: shutil.rmtree(path.parent),
    "directory is a file": lambda path: (shutil.rmtree(path.parent), path.parent.write_bytes(b"x")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_never_read_and_heals(cache: DiskCache, damage: str) -> None:
    origin = Origin(os.urandom(SIZE))
    origin.read(cache)
    DAMAGES[damage](file_of(cache, origin))
    origin.asked.clear()
    for start, end in ((0, SIZE), (1, 2), (SIZE - 1, SIZE), (GRAIN_BYTES - 1, GRAIN_BYTES + 1)):
        origin.read(cache, start, end)
    assert origin.asked
    if damage in ("folder", "directory is a file"):
        return  # what is not ours is left alone
    origin.read(cache)
    origin.asked.clear()
    origin.read(cache)
    assert origin.asked == []


def test_a_link_is_not_followed_when_something_is_kept(cache: DiskCache, tmp_path: Path) -> None:
    origin, mine = Origin(os.urandom(SIZE)), tmp_path / "mine"
    mine.write_bytes(b"not to be written over")
    file_of(cache, origin).symlink_to(mine)
    origin.read(cache)
    origin.read(cache)
    assert mine.read_bytes() == b"not to be written over"


# --- bounds


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = make_cache(tmp_path, 2 * MIB)
    origins = [Origin(os.urandom(64 << 10), f"{number}") for number in range(100)]
    kept_all = origins[0]
    for age, origin in enumerate(origins):
        origin.read(cache)
        if file_of(cache, origin).exists():
            os.utime(file_of(cache, origin), (age + 1, age + 1))
        kept_all.read(cache)  # in use all the time; a use is noted
        assert cache.room.usage().used_bytes <= 2 * MIB
    assert kept_all.asked == [(0, 64 << 10)]
    there = [file_of(cache, origin).exists() for origin in origins[1:]]
    assert there == sorted(there)  # the old ones are gone, the new ones there
    assert 16 <= sum(there) <= 32


def test_two_mounts_keep_within_one_bound(tmp_path: Path) -> None:
    caches = [make_cache(tmp_path, 4 * MIB) for _ in range(2)]
    for number in range(160):
        Origin(os.urandom(64 << 10), f"{number}").read(caches[number % 2])
        assert caches[0].room.usage().used_bytes <= 4 * MIB
    assert caches[0].room.usage().used_bytes > 2 * MIB


def test_files_are_bounded_too(tmp_path: Path) -> None:
    cache = make_cache(tmp_path, files_max=64)
    for number in range(200):
        Origin(b"small", f"{number}").read(cache)
        assert cache.room.usage().files <= 64


def test_a_file_larger_than_half_of_the_cache_leaves_the_rest_in_place(tmp_path: Path) -> None:
    cache = make_cache(tmp_path, 4 * MIB)
    small, large = Origin(os.urandom(1000), "small"), Origin(os.urandom(8 * MIB), "large")
    small.read(cache)
    for start in range(0, 8 * MIB, MIB // 2):
        large.read(cache, start, start + MIB // 2)
    small.read(cache)
    assert len(small.asked) == 1
    assert MIB < cache.room.usage().used_bytes <= 3 * MIB


def test_what_is_to_stay_free_stays_free(tmp_path: Path) -> None:
    origin = Origin(os.urandom(64 << 10))
    free = shutil.disk_usage(tmp_path).total
    cache = make_cache(tmp_path, floor_bytes=free)
    origin.read(cache)
    assert not cache.warm(origin.content, 0, 64 << 10, origin.fetch)
    assert cache.room.usage() == (0, 0, 0)
    roomy = make_cache(tmp_path)
    origin.read(roomy)
    assert roomy.room.usage().files == 1
    cache.room.look_after()  # others have filled the disk
    assert roomy.room.usage().files == 0


def test_clearing_removes_everything_under_whoever_reads(cache: DiskCache) -> None:
    origins = [Origin(os.urandom(5000), f"{number}") for number in range(3)]
    for origin in origins:
        origin.read(cache)
    (cache.room.directory / "left").symlink_to("nowhere")
    assert cache.room.clear().files == 4
    assert os.listdir(cache.room.directory) == []
    for origin in origins:
        origin.read(cache)
    assert cache.room.usage().files == 3


# --- writing


def test_a_full_queue_keeps_nobody_waiting() -> None:
    gate, done = threading.Event(), []
    behind = WriteBehind(lambda: None, queue_max_bytes=100)
    assert behind.add(60, lambda: gate.wait(60))
    assert not behind.add(60, lambda: done.append(1))
    assert behind.add(40, lambda: done.append(2))
    gate.set()
    behind.close()
    assert done == [2]
    assert not behind.add(1, lambda: done.append(3))


def test_large_pieces_go_past_the_kernels_cache_unless_the_disk_is_too_slow_for_that(
    cache: DiskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct, origin = [], Origin(os.urandom(4 * MIB))
    monkeypatch.setattr(disk, "write_direct", lambda fd, view, at: (direct.append(at), write_all(fd, view, at)))
    origin.read(cache, 0, 2 * MIB)
    assert direct == [0]
    gate = threading.Event()
    assert cache._behind.add(QUEUE_MAX_BYTES * 7 // 8, gate.wait)
    assert cache._behind.is_pressed
    assert cache.warm(origin.content, 2 * MIB, 4 * MIB, origin.fetch)
    gate.set()
    cache.flush()
    assert direct == [0]
    origin.read(cache)
    assert origin.asked == [(0, 2 * MIB), (2 * MIB, 2 * MIB)]


def test_a_fault_of_the_store_is_told_and_keeps_nothing(cache: DiskCache) -> None:
    origin = Origin(os.urandom(5000))

    def fails(start: int, length: int) -> bytes:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        cache.read(origin.content, 0, 5000, fails)
    origin.read(cache)
    assert cache.read(origin.content, 0, 5000, fails) == origin.body


def test_what_was_uploaded_becomes_a_cached_file(cache: DiskCache, tmp_path: Path) -> None:
    origin, staged = Origin(os.urandom(SIZE)), tmp_path / "staged"
    staged.write_bytes(origin.body)
    assert cache.adopt(origin.content, staged)
    assert not staged.exists()
    cache.flush()
    origin.read(cache)
    assert origin.asked == []
    staged.write_bytes(origin.body[:-1])  # not that content
    other = Origin(origin.body, "other")
    assert cache.adopt(other.content, staged)
    cache.flush()
    other.read(cache)
    assert other.asked == [(0, SIZE)]


def test_what_cannot_be_taken_over_is_left_to_its_owner(cache: DiskCache, tmp_path: Path) -> None:
    origin, staged = Origin(os.urandom(SIZE)), tmp_path / "staged"
    staged.write_bytes(origin.body)
    shutil.rmtree(cache.room.directory)
    assert not cache.adopt(origin.content, staged)
    assert staged.read_bytes() == origin.body


# --- below the windows


class FarStore(DirectoryStore):
    """A directory that is reached by requests only."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[tuple[int, int]] = []

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, local_files=False)

    def get(self, key: str, start: int = 0, length: int | None = None, if_match: str | None = None) -> bytes:
        self.asked.append((start, length or 0))
        return super().get(key, start, length, if_match)


def test_windows_come_from_the_disk_after_a_remount(cache: DiskCache, tmp_path: Path) -> None:
    store, body = FarStore(tmp_path / "store"), os.urandom(20 * MIB + 77)
    info = store.put("ada/file", body)
    content = Content("ada/file", info.etag, None, len(body), "data")

    def read_all(step: int) -> bytes:
        reader = Reader(store, content, Memory(disk=cache))
        pieces = [reader.read(offset, step) for offset in range(0, len(body), step)]
        reader.close()
        cache.flush()
        return b"".join(pieces)

    assert read_all(128 << 10) == body
    cold = len(store.asked)
    assert read_all(100_000) == body
    assert len(store.asked) <= cold + 1  # one block ahead may be on its way while the reader is closed
    reader = Reader(store, content, Memory(disk=cache))
    assert reader.read(13 * MIB + 5, 4096) == body[13 * MIB + 5 : 13 * MIB + 5 + 4096]
    assert len(store.asked) <= cold + 1


def test_a_seek_fetches_whole_grains_and_no_more(cache: DiskCache, tmp_path: Path) -> None:
    store, body = FarStore(tmp_path / "store"), os.urandom(8 * MIB)
    info = store.put("ada/file", body)
    content = Content("ada/file", info.etag, None, len(body), "data")
    reader = Reader(store, content, Memory(disk=cache))
    for offset in (5 * MIB + 4096, 2 * MIB, 7 * MIB - 100):
        assert reader.read(offset, 4096) == body[offset : offset + 4096]
    grain = GRAIN_BYTES
    assert store.asked == [(5 * MIB, grain), (2 * MIB, grain), (7 * MIB - grain, 2 * grain)]


def test_a_file_that_is_read_here_and_there_long_enough_is_fetched_whole(
    cache: DiskCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "GENEROUS", 1 << 50)  # any time is long enough: the number of requests decides
    store, body = FarStore(tmp_path / "store"), os.urandom(24 * MIB + 77)
    info = store.put("ada/file", body)
    content = Content("ada/file", info.etag, None, len(body), "data")
    reader = Reader(store, content, Memory(disk=cache))
    places = [(5 + 2 * number) * 512 * 1024 + 100 for number in range(whole.COUNT_MIN)]
    for offset in places[:-1]:
        assert reader.read(offset, 4096) == body[offset : offset + 4096]
    assert len(store.asked) == len(places) - 1
    reader.read(places[-1], 4096)
    wait_until(lambda: sum(length for _, length in store.asked) >= len(body))
    wait_until(lambda: cache.warm(content, 0, len(body), nothing))
    reader.close()


def nothing(start: int, length: int) -> bytes:
    raise StoreUnavailable("not everything is kept yet")


def wait_until(check: Callable[[], bool], patience_s: float = 30.0) -> None:
    until_s = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(StoreUnavailable):
            if check():
                return
        assert time.monotonic() < until_s
        time.sleep(0.02)


class Slow:
    """Gives zeros, a piece of a file in `took_s`, and notes where they began."""

    def __init__(self, took_s: float = 0.0) -> None:
        self.asked: list[int] = []
        self._took_s = took_s

    def __call__(self, start: int, length: int) -> bytes:
        self.asked.append(start)
        time.sleep(self._took_s)
        return bytes(length)


def of_size(size: int) -> Content:
    return Content("ada/file", "etag", None, size, "data")


def test_a_file_that_is_closed_meanwhile_is_not_fetched_further(cache: DiskCache) -> None:
    ask = Slow()
    coming = whole.Coming(cache, of_size(40 * MIB), ask, lambda left, rate: len(ask.asked) < 2)
    assert coming.begin(1)
    assert [coming.fetch_piece() for _ in range(3)] == [True, True, False]
    assert ask.asked == [0, whole.PIECE_FIRST_BYTES]


def test_the_quicker_a_file_comes_the_more_of_it_is_asked_for_at_once(cache: DiskCache) -> None:
    ask = Slow()
    coming = whole.Coming(cache, of_size(40 * MIB), ask, lambda left, rate: True)
    assert coming.begin(1)
    while coming.fetch_piece():
        continue
    lengths = [after - before for before, after in itertools.pairwise([*ask.asked, 40 * MIB])]
    assert lengths == [2 * MIB, 2 * MIB, 2 * MIB, 2 * MIB, 4 * MIB, 6 * MIB, 8 * MIB, 8 * MIB, 6 * MIB]


def test_a_file_that_comes_too_slowly_is_left_and_gone_on_with_when_more_time_was_lost(cache: DiskCache) -> None:
    ask, scattered = Slow(took_s=0.1), whole.Scattered()
    for _ in range(whole.COUNT_MIN):
        scattered.add(0.1 / whole.COUNT_MIN / whole.GENEROUS)
    coming = whole.Coming(cache, of_size(8 * MIB), ask, scattered.is_worth)
    assert coming.begin(1) and coming.fetch_piece()  # nothing is known of the line yet
    assert not coming.fetch_piece()  # 6 MiB are left, which takes three times as long as the small requests, and some more
    scattered.add(1.0)
    assert [coming.fetch_piece() for _ in range(4)] == [True, True, True, False]
    coming.leave()
    assert len(ask.asked) == 4 and not coming.begin(1)  # all of it is here


def test_small_reads_of_what_is_on_the_disk_fetch_nothing(cache: DiskCache, tmp_path: Path) -> None:
    store, body = FarStore(tmp_path / "store"), os.urandom(24 * MIB)
    info = store.put("ada/file", body)
    content = Content("ada/file", info.etag, None, len(body), "data")
    assert cache.warm(content, 0, len(body), lambda start, length: body[start : start + length])
    reader = Reader(store, content, Memory(disk=cache))
    for number in range(2 * whole.COUNT_MIN):
        offset = number * 512 * 1024 + 100
        assert reader.read(offset, 4096) == body[offset : offset + 4096]
    assert store.asked == [] and reader._window is not None and reader._window._coming is None
