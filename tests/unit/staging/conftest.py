"""A home of one person, without a mount: catalog, store and staging area."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kumofs.catalog.claims import read_inode
from kumofs.catalog.create import create, make_root
from kumofs.catalog.inodes import lookup
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.rename import rename
from kumofs.catalog.sqlite import SqliteEngine
from kumofs.model import Inode, Kind, entry_id
from kumofs.staging.area import StagingArea
from kumofs.staging.commit import commit
from kumofs.staging.settle import settle
from kumofs.staging.staged import StagedFile
from kumofs.store.directory import DirectoryStore


class Home:
    """A catalog, a store and a root directory."""

    def __init__(self, base: Path) -> None:
        self.engine = SqliteEngine(base / "c.db")
        self.store = DirectoryStore(base / "store")
        self.area = StagingArea.open(base, "h")
        self.numbers = Numbers(self.engine)
        self.root = make_root(self.engine, "h", "o", 0, 0)

    def at(self, path: str) -> tuple[int, str]:
        """Directory and last component of a path."""
        *above, name = path.split("/")
        ino = self.root
        for part in above:
            ino = lookup(self.engine, ino, part).ino
        return ino, name

    def make(self, path: str, kind: Kind = Kind.FILE) -> int:
        made = create(self.engine, self.numbers, *self.at(path), Inode(0, "h", kind, (), 0o755, 0, 0, 1, 1, 1, 1, "o"))
        if kind is Kind.FILE:
            staged = StagedFile(self.area, made.ino, None)
            staged.write(0, path.encode())
            commit(self.engine, self.store, staged)
            staged.forget()
        return made.ino

    def move(self, old: str, new: str) -> None:
        rename(self.engine, entry_id(*self.at(old)), entry_id(*self.at(new)), 2)

    def settle_all(self, *inos: int) -> None:
        for _ in range(4):
            for ino in inos:
                settle(self.engine, self.store, ino)

    def key(self, ino: int) -> str:
        return read_inode(self.engine, ino).content.key

    def objects(self) -> dict[str, bytes]:
        return {info.key: self.store.get(info.key) for info in self.store.list("h/")}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.engine.close()
