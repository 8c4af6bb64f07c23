"""How many requests each operation makes of an S3 server, as upper bounds that are what was measured: growing is a failure.

A request is what goes over the line, of either client, repetitions too. The catalog is SQLite.
Needs a server that tests may fill: KUMOFS_TEST_S3=http://127.0.0.1:PORT
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from kumofs.cache.reader import Reader
from kumofs.catalog.claims import read_inode
from kumofs.catalog.create import create, make_root
from kumofs.catalog.inodes import lookup
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.rename import rename
from kumofs.catalog.sqlite import SqliteEngine
from kumofs.catalog.unlink import unlink
from kumofs.fs.tree import Tree
from kumofs.model import Content, Inode, Kind, entry_id
from kumofs.offload import Lane
from kumofs.staging.area import StagingArea
from kumofs.staging.collect import collect
from kumofs.staging.commit import Outcome, commit
from kumofs.staging.reclaim import reclaim, strip_many
from kumofs.staging.settle import Settled, settle
from kumofs.staging.staged import StagedFile
from kumofs.store.s3 import PART_BYTES, S3Store
from tests.conftest import S3

SMALL = b"small"
COPY_BYTES = 3 << 20
"""Copied by the server."""
LARGE_BYTES = 2 * PART_BYTES + 1
"""Sent in three parts."""

pytestmark = pytest.mark.skipif(not S3, reason="NOT TESTED: requests need KUMOFS_TEST_S3=http://127.0.0.1:PORT")


class Drive:
    """A root in a catalog, and a bucket whose requests are noted: (method, path and query)."""

    def __init__(self, base: Path, store: S3Store) -> None:
        self.engine = SqliteEngine(base / "c.db")
        self.area = StagingArea.open(base, "h")
        self.store = store
        self.numbers = Numbers(self.engine)
        self.root = make_root(self.engine, "h", "o", 0, 0)
        self.sent: list[tuple[str, str]] = []
        self.body_bytes = 0
        """What the bodies of requests had."""
        self.read_bytes = 0
        """What was fetched by those who read ranges."""
        self.note_requests()

    def note_requests(self) -> None:
        """Both clients, just before the line."""
        pool, client = self.store._wire._pool, self.store._client
        send = pool.exchange

        def noted(method: str, target: str, **how: Any) -> Any:
            self.sent.append((method, target))
            self.body_bytes += int(how["headers"].get("Content-Length", 0))
            return send(method, target, **how)

        get = self.store.get

        def counted(*what: Any, **how: Any) -> bytes:
            body = get(*what, **how)
            self.read_bytes += len(body)
            return body

        self.store.get = counted  # type: ignore[method-assign]
        pool.exchange = noted
        client.meta.events.register("before-send.s3", lambda request, **_: self.sent.append((request.method, request.url)))

    def requests(self, act: Callable[[], object]) -> list[tuple[str, str]]:
        self.sent.clear()
        act()
        return list(self.sent)

    def inode(self, name: str) -> Inode:
        found = lookup(self.engine, self.root, name)
        assert found is not None
        return found

    def content(self, name: str) -> Content:
        content = self.inode(name).content
        assert content is not None
        return content

    def make(self, name: str, body: bytes) -> None:
        draft = Inode(0, "h", Kind.FILE, (), 0o644, 0, 0, 1, 1, 1, 1, "o")
        create(self.engine, self.numbers, self.root, name, draft)
        self.write(name, body)

    def write(self, name: str, body: bytes) -> None:
        inode = self.inode(name)
        staged = StagedFile(self.area, inode.ino, inode.content)
        staged.truncate(0)
        staged.write(0, body)
        assert commit(self.engine, self.store, staged).outcome is Outcome.COMMITTED
        staged.forget()

    def move(self, old: str, new: str) -> None:
        rename(self.engine, entry_id(self.root, old), entry_id(self.root, new), 2)

    def change(self, name: str, act: Callable[[StagedFile], object]) -> None:
        """Commit a change of a file; nothing else of it is here."""
        inode = self.inode(name)
        staged = StagedFile(self.area, inode.ino, inode.content)
        act(staged)
        self.body_bytes = self.read_bytes = 0
        assert commit(self.engine, self.store, staged).outcome is Outcome.COMMITTED
        staged.forget()

    def settle(self, name: str) -> None:
        assert settle(self.engine, self.store, self.inode(name).ino) is Settled.MOVED

    def remove(self, name: str) -> None:
        ino = self.inode(name).ino
        unlink(self.engine, self.root, name, 2)
        reclaim(self.engine, self.store, ino)
        assert read_inode(self.engine, ino) is None

    def read(self, name: str, start: int, length: int) -> None:
        with Reader(self.store, self.content(name)).held() as reader:
            assert len(reader.read(start, length)) == length
            reader.close()

    def list(self) -> int:
        root = read_inode(self.engine, self.root)
        assert root is not None
        tree = Tree(self.engine, Lane(4), root)
        trio.run(tree.load, tree.root)
        assert tree.root.children is not None
        return len(tree.root.children)

    def collect(self) -> None:
        found = collect(self.engine, self.store, "h")
        assert not found.damaged
        assert not found.foreign


@pytest.fixture
def drive(tmp_path: Path, open_empty_store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drive]:
    """The objects are taken for old ones: what was written just now is looked at once more on versitygw."""
    monkeypatch.setattr("kumofs.store.s3_headers.JUST_NOW_S", -60)
    with open_empty_store(tmp_path / "store") as store:
        made = Drive(tmp_path, store)
        yield made
        made.engine.close()
        made.area.close()


def grown(drive: Drive, verbs: list[tuple[str, int, Callable[[], object]]]) -> dict[str, object]:
    """What sends more than it may, of verbs done one after the other."""
    found = {}
    for title, most, act in verbs:
        sent = drive.requests(act)
        print(f"{title:40} {len(sent):3}  {', '.join(method + ' ' + target.rpartition('/')[2][:20] for method, target in sent)}")
        if len(sent) > most:
            found[title] = (len(sent), most, sent)
    return found


def test_files(drive: Drive) -> None:
    drive.make("there", SMALL)
    deletion = 1 if drive.store.capabilities.conditional_delete else 2
    verbs: list[tuple[str, int, Callable[[], object]]] = [
        ("a cold lookup", 0, lambda: drive.inode("there")),
        ("a cold listing", 0, drive.list),
        ("create, write, close of a small file", 1, lambda: drive.make("a", SMALL)),
        ("the same, empty", 1, lambda: drive.make("empty", b"")),
        ("rewrite of it", 1, lambda: drive.write("a", b"again")),
        ("rename", 0, lambda: drive.move("a", "b")),
        ("its settling", 4, lambda: drive.settle("b")),
        ("cold read of it", 1, lambda: drive.read("b", 0, 5)),
        ("unlink and reclaim", deletion, lambda: drive.remove("b")),
        ("a file of 3 MiB", 1, lambda: drive.make("c", os.urandom(COPY_BYTES))),
        ("its rename", 0, lambda: drive.move("c", "d")),
        ("its settling by a copy of the server", 8, lambda: drive.settle("d")),
        ("a file of three parts", 6, lambda: drive.make("large", os.urandom(LARGE_BYTES))),
        ("its rewrite", 6, lambda: drive.write("large", os.urandom(LARGE_BYTES))),
        ("cold read of a range of it", 1, lambda: drive.read("large", PART_BYTES, 4096)),
        ("its unlink and reclaim", deletion, lambda: drive.remove("large")),
    ]
    assert not grown(drive, verbs)


def test_changes_of_a_large_file(drive: Drive) -> None:
    """What is sent and fetched for them; the server copies the rest. Numbers are those of a file of 1 GiB as well."""
    size = 96 << 20
    body = bytearray(os.urandom(size))
    drive.make("large", body)
    part, block, more = drive.store.capabilities.part_min_bytes, os.urandom(4096), os.urandom(1 << 20)
    xml = 4096  # the list of parts
    cases: list[tuple[str, int, int, int, Callable[[StagedFile], object]]] = [
        ("an edit of 4 KiB in its middle", 8, part, part, lambda staged: staged.write(size // 2, block)),
        ("an append of 1 MiB", 7, len(more), 0, lambda staged: staged.write(size, more)),
        ("a cut to its half", 5, 0, 0, lambda staged: staged.truncate(size // 2)),
    ]
    for title, most, sent, fetched, act in cases:
        assert not grown(drive, [(title, most, lambda act=act: drive.change("large", act))])
        print(f"{title}: {drive.body_bytes} bytes sent, {drive.read_bytes} fetched")
        assert sent <= drive.body_bytes <= sent + xml
        assert drive.read_bytes <= fetched
        assert not list(drive.area.directory.glob("*.upload"))
    body[size // 2 : size // 2 + len(block)] = block
    content = drive.content("large")
    assert content.size == size // 2
    assert drive.store.get(content.key) == body[: size // 2]


def test_a_pass_over_files_that_are_in_order(drive: Drive) -> None:
    for number in range(50):
        drive.make(f"{number}", SMALL)
    assert not grown(drive, [("gc of 50 files", 3, drive.collect)])


def test_a_folder_of_files_that_is_removed(drive: Drive) -> None:
    """One by one where the server decides the condition of a deletion itself."""
    inos = []
    for number in range(50):
        drive.make(f"{number}", SMALL)
        inos.append(drive.inode(f"{number}").ino)
        unlink(drive.engine, drive.root, f"{number}", 2)
    most = 2 if drive.store.capabilities.many_at_once else 50
    assert not grown(drive, [("50 files", most, lambda: strip_many(drive.engine, drive.store, inos))])
    assert list(drive.store.list()) == []
