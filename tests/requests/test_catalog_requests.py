"""How many requests each operation makes of MongoDB, as upper bounds that are what was measured: growing is a failure.

A request is a command sent; the asking for the server's time, once a minute, is not counted.
Needs a server that tests may fill: KUMOFS_TEST_MONGODB=mongodb://127.0.0.1:PORT
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
import trio
from pymongo.monitoring import CommandListener

from kumofs.catalog.claims import read_inode
from kumofs.catalog.clean_names import Taken, clean_names
from kumofs.catalog.create import create, make_root
from kumofs.catalog.inodes import change_attributes, changed_since, lookup, set_tags
from kumofs.catalog.link import link
from kumofs.catalog.mongo import MongoEngine
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.rename import rename
from kumofs.catalog.rmdir import rmdir
from kumofs.catalog.unlink import take_name, unlink
from kumofs.fs.tree import Tree
from kumofs.model import Inode, Kind, entry_id
from kumofs.offload import Lane
from kumofs.staging.area import StagingArea
from kumofs.staging.commit import Outcome, commit, put_claimed
from kumofs.staging.commit_new import Claimed, Sent, claim_new, commit_new
from kumofs.staging.staged import StagedFile
from kumofs.store.directory import DirectoryStore

SERVER = os.environ.get("KUMOFS_TEST_MONGODB", "")
CLOCK = {"hello", "isMaster", "ismaster"}

pytestmark = pytest.mark.skipif(not SERVER, reason="NOT TESTED: requests need KUMOFS_TEST_MONGODB=mongodb://127.0.0.1:PORT")


class Counter(CommandListener):
    """The names of the commands that were sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def started(self, event: Any) -> None:
        if event.command_name not in CLOCK:
            self.sent.append(event.command_name)

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass


class Drive:
    """A root with files in a catalog whose requests are counted."""

    def __init__(self, database: Any, counter: Counter) -> None:
        self.engine = MongoEngine(database)
        self.database = database
        self.counter = counter
        self.numbers = Numbers(self.engine)
        self.root = make_root(self.engine, "h", "o", 0, 0)

    def make(self, parent: int, name: str, kind: Kind = Kind.FILE) -> Inode:
        return create(self.engine, self.numbers, parent, name, Inode(0, "h", kind, (), 0o755, 0, 0, 1, 1, 1, 1, "o"))

    def requests(self, act: Callable[[], object]) -> list[str]:
        self.counter.sent.clear()
        act()
        return list(self.counter.sent)


@pytest.fixture
def drive() -> Iterator[Drive]:
    counter, name = Counter(), f"requests_{secrets.token_hex(4)}"
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(SERVER, event_listeners=[counter], timeoutMS=20_000)
    made = Drive(client[name], counter)
    yield made
    client.drop_database(name)
    made.engine.close()


def test_names(drive: Drive) -> None:
    engine, root = drive.engine, drive.root
    folder = drive.make(root, "d", Kind.DIR).ino
    drive.make(root, "taken")
    drive.make(root, "empty", Kind.DIR)
    file = drive.make(root, "a")

    def at(name: str, parent: int = root) -> str:
        return entry_id(parent, name)

    verbs: list[tuple[str, int, Callable[[], object]]] = [
        ("cold lookup", 2, lambda: lookup(engine, root, "a")),
        ("cold lookup of nothing", 1, lambda: lookup(engine, root, "nothing")),
        ("create", 3, lambda: drive.make(root, "x")),
        ("mkdir", 3, lambda: drive.make(root, "y", Kind.DIR)),
        ("link", 4, lambda: link(engine, file.ino, root, "l", 2)),
        ("chmod", 1, lambda: change_attributes(engine, file.ino, {"mode": 0o600})),
        ("tag", 1, lambda: set_tags(engine, file.ino, ("t",), 2)),
        ("rename in one folder", 7, lambda: rename(engine, at("x"), at("z"), 2)),
        ("rename to another folder", 8, lambda: rename(engine, at("z"), at("z", folder), 2)),
        ("rename over a file in another folder", 12, lambda: rename(engine, at("z", folder), at("taken"), 2)),
        ("rename of a folder to another folder", 13, lambda: rename(engine, at("y"), at("y", folder), 2)),
        ("unlink", 5, lambda: unlink(engine, root, "taken", 2)),
        ("rmdir", 8, lambda: rmdir(engine, root, "empty", 2)),
        ("a poll of the feed", 1, lambda: changed_since(engine, "h", 0)),
    ]
    grown = {}
    for title, most, act in verbs:
        sent = drive.requests(act)
        if len(sent) > most:
            grown[title] = (len(sent), most, sent)
    assert not grown


@pytest.mark.parametrize(("names", "most"), [(100, 2), (1000, 2)])
def test_a_cold_listing(drive: Drive, names: int, most: int) -> None:
    folder = drive.make(drive.root, "d", Kind.DIR).ino
    inodes = [drive.make(folder, "first")]
    entry, inode = drive.engine.get("entries", f"{folder}/first"), drive.engine.get("inodes", inodes[0].ino)
    assert entry is not None
    assert inode is not None
    ids = [(f"{folder}/{number:05}", drive.numbers.take()) for number in range(names - 1)]
    drive.database["entries"].insert_many([{**entry, "_id": id, "inos": [ino]} for id, ino in ids])
    drive.database["inodes"].insert_many([{**inode, "_id": ino, "names": [id]} for id, ino in ids])
    found = read_inode(drive.engine, folder)
    assert found is not None
    listed = found

    async def load() -> int:
        tree = Tree(drive.engine, Lane(4), listed)
        await tree.load(tree.root)
        assert tree.root.children is not None
        return len(tree.root.children)

    counts: list[int] = []
    sent = drive.requests(lambda: counts.append(trio.run(load)))
    assert counts == [names]
    assert len(sent) <= most, sent


def test_content(drive: Drive, tmp_path: Path) -> None:
    store, area = DirectoryStore(tmp_path / "store"), StagingArea.open(tmp_path, "h")
    file = drive.make(drive.root, "f")

    def save(body: bytes) -> list[str]:
        inode = read_inode(drive.engine, file.ino)
        assert inode is not None
        staged = StagedFile(area, file.ino, inode.content)
        staged.truncate(0)
        staged.write(0, body)
        outcomes: list[Outcome] = []
        sent = drive.requests(lambda: outcomes.append(commit(drive.engine, store, staged).outcome))
        assert outcomes == [Outcome.COMMITTED]
        staged.forget()
        return sent

    first, again = save(b"first"), save(b"again")
    assert len(first) <= 8, first
    assert len(again) <= 2, again


def test_unlinking_what_is_known(drive: Drive) -> None:
    folder = drive.make(drive.root, "d", Kind.DIR).ino
    files = [drive.make(folder, f"{number}") for number in range(20)]
    taken: list[Taken] = []

    def take() -> None:
        for inode in files:
            done = take_name(drive.engine, inode, inode.names[0], 2)
            assert done is not None
            taken.append(Taken(inode.names[0], done.ino, 2))

    assert len(drive.requests(take)) == 20
    cleaning = drive.requests(lambda: clean_names(drive.engine, taken))
    assert len(cleaning) <= 4, cleaning
    assert drive.engine.scan("entries", f"{folder}/", f"{folder}0") == []


def test_the_first_content_of_many_files(drive: Drive, tmp_path: Path) -> None:
    store, area = DirectoryStore(tmp_path / "store"), StagingArea.open(tmp_path, "h")
    folder = drive.make(drive.root, "d", Kind.DIR).ino
    files = [StagedFile(area, drive.make(folder, f"{number}").ino, None) for number in range(20)]
    claims: list[Claimed | None] = []
    claiming = drive.requests(lambda: claims.extend(claim_new(drive.engine, files)))
    sent = [
        Sent(staged, claimed, put)
        for staged, claimed in zip(files, claims, strict=True)
        if claimed is not None and (put := put_claimed(drive.engine, store, staged, *claimed)) is not None
    ]
    done: list[Inode | None] = []
    committing = drive.requests(lambda: done.extend(commit_new(drive.engine, sent)))
    assert len([inode for inode in done if inode is not None]) == 20
    assert len(claiming) <= 6, claiming
    assert len(committing) <= 5, committing


def test_opening_where_everything_is_there_already(drive: Drive) -> None:
    sent = drive.requests(lambda: MongoEngine(drive.database))
    assert sent == ["listIndexes"] * 4
