"""The feed against a catalog that fails for a while: what was missed is caught up with, what has vanished is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from kumofs.catalog.create import create
from kumofs.catalog.link import link
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.port import Document
from kumofs.catalog.rename import rename
from kumofs.catalog.schema import INODES
from kumofs.catalog.sqlite import SqliteEngine
from kumofs.catalog.unlink import unlink
from kumofs.errors import CatalogUnavailable, NotFound
from kumofs.fs import feed, naming
from kumofs.fs.drive import Drive
from kumofs.fs.orphans import Orphans
from kumofs.fs.outbox import Outbox
from kumofs.fs.tree import Tree
from kumofs.model import ROOT_NAME, Inode, Kind, entry_id
from kumofs.offload import Lane
from kumofs.sharing.access import Access
from kumofs.staging.area import StagingArea
from kumofs.staging.reclaim import reclaim
from kumofs.store.directory import DirectoryStore

ROOT = 1 << 20
TIMES = ("atime_ns", "mtime_ns", "ctime_ns", "created_ns")


class AwayEngine(SqliteEngine):
    """A catalog whose feed can be cut off."""

    away = False

    def find(self, collection: str, equal: Any, above: Any = None, limit: int = 1000) -> list[Document]:
        if self.away and collection == INODES:
            raise CatalogUnavailable("away")
        return super().find(collection, equal, above, limit)


class NotedKernel:
    """Notes what the kernel is told."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.inodes: list[int] = []

    def forget_entry(self, parent: int, name: str) -> None:
        self.names.append(name)

    def forget_inode(self, ino: int, *, bytes_too: bool) -> None:
        self.inodes.append(ino)

    async def forget_attributes(self, ino: int) -> None:
        self.inodes.append(ino)


def blank(ino: int, kind: Kind, names: tuple[str, ...] = ()) -> Inode:
    return Inode(ino, "ada", kind, names, 0o755, 0, 0, 1, 1, 1, 1, "ada@example.org")


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    engine = AwayEngine(tmp_path / "catalog.db")
    (tmp_path / "store").mkdir()
    store = DirectoryStore(tmp_path / "store")
    area = StagingArea.open(tmp_path / "state", "ada")
    numbers = Numbers(engine)
    doc = {"_id": ROOT, "home": "ada", "kind": "dir", "names": [ROOT_NAME], "owner": "a", "nrev": 0, "rev": 0}
    engine.insert(INODES, {**doc, **dict.fromkeys(("mode", "uid", "gid", "rdev"), 0), **dict.fromkeys(TIMES, 1)}, ("changed_us",))
    lane = Lane(2, quick=True)
    yield Drive(
        engine,
        store,
        area,
        Access("ada", False),
        "ada@example.org",
        "host",
        Tree(engine, lane, blank(ROOT, Kind.DIR, (ROOT_NAME,))),
        numbers,
        Orphans(engine, store, lane),
        lane,
        lane,
        lane,
        NotedKernel(),
        Outbox(area),
    )
    area.close()
    engine.close()


def make(drive: Drive, name: str) -> int:
    """As another mount makes it."""
    return create(drive.engine, drive.numbers, ROOT, name, blank(0, Kind.FILE)).ino


async def until(check: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not check():
            await trio.sleep(0.01)


def test_what_was_missed_is_caught_up_with(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "GRACE_S", 0.2)
    monkeypatch.setattr(feed, "POLL_LOCAL_S", 0.02)

    async def scenario() -> None:
        since_us, tree, engine = drive.engine.now_us(), drive.tree, drive.engine
        gone, _ = make(drive, "gone"), make(drive, "kept")
        await tree.load(tree.root)
        assert set(tree.root.children or {}) == {"gone", "kept"}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed.follow, drive, since_us)
            await trio.sleep(0.1)
            engine.away = True  # type: ignore[attr-defined]
            await trio.sleep(0.5)
            unlink(engine, ROOT, "gone", 5)
            reclaim(engine, drive.store, gone)  # its document goes unseen
            make(drive, "new")
            await trio.sleep(0.2)
            assert "gone" in (tree.root.children or {})
            engine.away = False  # type: ignore[attr-defined]
            await until(lambda: set(tree.root.children or {}) == {"kept", "new"})
            nursery.cancel_scope.cancel()
        assert tree.find(gone) is None
        assert "gone" in drive.kernel.names  # type: ignore[attr-defined]
        with pytest.raises(NotFound):
            await tree.child(tree.root, "gone")

    trio.run(scenario)


def test_more_changes_than_a_page_are_all_seen(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PAGE", 4)
    monkeypatch.setattr(type(drive.engine), "now_us", lambda engine: 1_000_000)  # all in one instant

    async def scenario() -> None:
        await drive.tree.load(drive.tree.root)
        for number in range(23):
            make(drive, f"{number}")
        await feed.catch_up(drive, 1_000_000, 100)
        assert len(drive.tree.root.children or {}) == 23

    trio.run(scenario)


def test_a_rename_within_the_tree_keeps_the_node(drive: Drive) -> None:
    async def scenario() -> None:
        since_us, ino = drive.engine.now_us(), make(drive, "old")
        await drive.tree.load(drive.tree.root)
        rename(drive.engine, entry_id(ROOT, "old"), entry_id(ROOT, "new"), 5, True)
        await feed.catch_up(drive, since_us, 1_000_000)
        assert (await drive.tree.child(drive.tree.root, "new")).ino == ino

    trio.run(scenario)


def test_a_file_first_met_in_a_rename_of_ours_is_shown_under_its_other_names_too(drive: Drive) -> None:
    async def scenario() -> None:
        since_us, tree, engine = drive.engine.now_us(), drive.tree, drive.engine
        make(drive, "a")
        await tree.load(tree.root)
        other = make(drive, "draft")  # another mount makes a file of two names, and replaces ours with it
        link(engine, other, ROOT, "also", 5)
        rename(engine, entry_id(ROOT, "draft"), entry_id(ROOT, "a"), 5, True)
        await naming.rename(drive, ROOT, b"a", ROOT, b"b", may_replace=True)
        await feed.catch_up(drive, since_us, 1_000_000)
        assert tree.root.children == {"b": other, "also": other}

    trio.run(scenario)


def test_a_name_that_came_by_a_listing_and_not_by_the_feed_goes_by_the_feed(drive: Drive) -> None:
    async def scenario() -> None:
        since_us, tree, engine = drive.engine.now_us(), drive.tree, drive.engine
        ino = make(drive, "a")
        tree.remember(await tree.child(tree.root, "a"))
        tree._unload(tree.root)
        rename(engine, entry_id(ROOT, "a"), entry_id(ROOT, "b"), 5, True)
        await tree.load(tree.root)
        assert tree.root.children == {"b": ino}
        rename(engine, entry_id(ROOT, "b"), entry_id(ROOT, "c"), 5, True)
        await feed.catch_up(drive, since_us, 1_000_000)
        assert tree.root.children == {"c": ino}

    trio.run(scenario)
