"""What is fetched ahead: who comes next finds it, it is bounded, and a store that fails is left alone."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import trio

from kumofs.cache.window import SMALL_BYTES
from kumofs.errors import PreconditionFailed, StoreUnavailable
from kumofs.fs.ahead import FETCHERS, FILES_MAX, REST_S, Ahead
from kumofs.fs.node import Node
from kumofs.fs.tree import Tree
from kumofs.model import ROOT_NAME, Content, Inode, Kind, entry_id
from kumofs.offload import Lane

ROOT = 1
SIZE = 5
FIRST = range(2, 10)
"""What is fetched when files 0 and 1 were read."""
PATIENCE_S = 30.0


class FarStore:
    """A store that is not on this machine. `asked`: the keys, in order; answers wait for `gate`."""

    def __init__(self) -> None:
        self.capabilities = SimpleNamespace(local_files=False)
        self.asked: list[str] = []
        self.answered = 0
        self.fails: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def get(self, key: str, start: int, length: int, etag: str) -> bytes:
        self.asked.append(key)
        try:
            assert self.gate.wait(PATIENCE_S)
            if self.fails is not None:
                raise self.fails
            return b"x" * length
        finally:
            self.answered += 1


class Folder:
    """A folder in memory with files named f000, f001, …"""

    def __init__(self, files: int, size_bytes: int = SIZE) -> None:
        self.store = FarStore()
        self.tree = Tree(None, Lane(4), draft(ROOT, Kind.DIR, ROOT_NAME, None))  # type: ignore[arg-type]
        self.tree.begin_empty(self.tree.root)
        self.files: list[Node] = []
        for place in range(files):
            name = f"f{place:03}"
            content = Content(name, "etag", None, size_bytes, f"data{place}")
            node = self.tree.adopt(draft(10 + place, Kind.FILE, entry_id(ROOT, name), content))
            self.tree.add_name(self.tree.root, name, node)
            self.files.append(node)
        self.ahead = Ahead(self.store, self.tree)  # type: ignore[arg-type]

    async def read(self, *places: int) -> None:
        """A program opens files, one after the other, and there is time to fetch."""
        for place in places:
            node = self.files[place]
            node.opens += 1
            self.ahead.read(node)
            node.opens -= 1
            node.close_reader()
            await self.settled()

    async def settled(self) -> None:
        """Wait until everything that is to be fetched was asked for and, if it may be, answered."""
        with trio.fail_after(PATIENCE_S):
            while self.store.gate.is_set() and self.ahead.on_its_way:
                await trio.sleep(0.001)

    def fetched(self) -> list[int]:
        """Places of the files that were asked for, sorted."""
        return sorted(int(key[1:]) for key in self.store.asked)


def draft(ino: int, kind: Kind, name: str, content: Content | None) -> Inode:
    return Inode(ino, "h", kind, (name,), 0o755, 0, 0, 1, 1, 1, 1, "o", content=content)


def run(folder: Folder, user: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(folder.ahead.run)
            await user()
            nursery.cancel_scope.cancel()

    trio.run(main)


def read(folder: Folder, *places: int) -> None:
    run(folder, lambda: folder.read(*places))


def test_who_comes_next_finds_the_bytes_here() -> None:
    folder = Folder(50)
    read(folder, 0, 1)
    assert folder.fetched() == [*FIRST]
    for place in FIRST:
        reader = folder.files[place].reader
        assert reader is not None
        assert reader.read_now(0, SIZE) == b"x" * SIZE


def test_what_was_replaced_meanwhile_is_not_used() -> None:
    folder = Folder(50)
    read(folder, 0, 1)
    reader = folder.files[2].reader
    assert reader is not None
    old = folder.files[2].inode.content
    assert old is not None
    assert reader.reads(old)
    assert not reader.reads(Content(old.key, "another", None, SIZE, "another write"))
    assert not reader.reads(Content(old.key, old.etag, None, SIZE, "another write of the same bytes"))


def test_who_comes_while_it_is_on_its_way_waits_for_that_request() -> None:
    folder = Folder(50)

    async def user() -> None:
        folder.store.gate.clear()
        await folder.read(0, 1)
        reader = folder.files[2].reader
        assert reader is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, reader.read, 0, SIZE)
            await trio.sleep(0.05)
            folder.store.gate.set()

    run(folder, user)
    assert folder.fetched() == [*FIRST]


def test_large_files_and_those_that_are_open_are_left() -> None:
    large, opened = Folder(30, SMALL_BYTES + 1), Folder(30)
    opened.files[4].opens = 1
    opened.files[5].opening = 1
    read(large, 0, 1)
    read(opened, 0, 1)
    assert large.fetched() == []
    assert opened.fetched() == [2, 3, *FIRST[4:]]


def test_a_store_on_this_machine_has_nothing_to_fetch() -> None:
    folder = Folder(30)
    folder.store.capabilities.local_files = True
    read(folder, *range(10))
    assert folder.fetched() == []
    assert all(node.reader is None for node in folder.files)


def test_what_nobody_came_for_goes() -> None:
    folder = Folder(3 * FILES_MAX)
    read(folder, *(begin + place for begin in range(0, 3 * FILES_MAX, 50) for place in range(6)))
    assert len(folder.store.asked) > FILES_MAX
    assert 0 < sum(node.reader is not None for node in folder.files) <= FILES_MAX


def test_a_store_that_fails_is_left_alone_for_a_while() -> None:
    folder = Folder(100)
    folder.store.fails = StoreUnavailable("not now")
    read(folder, *range(20))
    asked = len(folder.store.asked)
    assert asked <= FETCHERS
    assert REST_S > 1

    folder.store.fails = None
    for reader in [node.reader for node in folder.files if node.reader is not None]:
        assert reader.read(0, SIZE) == b"x" * SIZE, "who needs it asks again"


def test_a_file_that_was_replaced_is_no_failure_of_the_store() -> None:
    folder = Folder(100)
    folder.store.fails = PreconditionFailed("replaced")
    read(folder, *range(20))
    assert len(folder.store.asked) > FETCHERS


def test_ending_waits_for_nothing() -> None:
    folder = Folder(50)
    folder.store.gate.clear()
    read(folder, 0, 1)
    assert folder.store.answered == 0
    folder.store.gate.set()
