"""Names that were taken, and what others made of them before their entries went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kumofs.catalog.claims import claim, read_inode, resolve
from kumofs.catalog.clean_names import Taken, clean_names
from kumofs.catalog.create import create, make_root
from kumofs.catalog.inodes import lookup
from kumofs.catalog.link import link
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.rename import rename
from kumofs.catalog.sqlite import SqliteEngine
from kumofs.catalog.unlink import take_name
from kumofs.model import Inode, Kind, entry_id

DRAFT = Inode(0, "h", Kind.FILE, (), 0o644, 0, 0, 1, 1, 1, 1, "o")


class Folder:
    """A root with files."""

    def __init__(self, path: Path) -> None:
        self.engine = SqliteEngine(path)
        self.numbers = Numbers(self.engine)
        self.root = make_root(self.engine, "h", "o", 0, 0)

    def make(self, name: str) -> Inode:
        return create(self.engine, self.numbers, self.root, name, DRAFT)

    def take(self, name: str) -> Taken:
        inode = lookup(self.engine, self.root, name)
        done = take_name(self.engine, inode, entry_id(self.root, name), 7)
        assert done is not None
        return Taken(entry_id(self.root, name), inode.ino, 7)

    def entries(self) -> list[str]:
        return [doc["_id"].split("/")[1] for doc in self.engine.scan("entries")]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "c.db")
    yield made
    made.engine.close()


def test_the_entries_go_and_the_folder_is_changed(folder: Folder) -> None:
    for name in "abc":
        folder.make(name)
    clean_names(folder.engine, [folder.take(name) for name in "ab"])
    assert folder.entries() == ["c"]
    assert read_inode(folder.engine, folder.root).mtime_ns == 7


def test_a_change_of_the_folder_since_then_stays_the_last(folder: Folder) -> None:
    folder.make("a")
    taken = folder.take("a")
    create(folder.engine, folder.numbers, folder.root, "b", replace(DRAFT, ctime_ns=9, mtime_ns=9))
    assert read_inode(folder.engine, folder.root).mtime_ns == 9
    clean_names(folder.engine, [taken])
    assert read_inode(folder.engine, folder.root).mtime_ns == 9


def test_a_view_that_is_old_takes_nothing(folder: Folder) -> None:
    old = folder.make("a")
    rename(folder.engine, entry_id(folder.root, "a"), entry_id(folder.root, "b"), 2)
    assert take_name(folder.engine, old, entry_id(folder.root, "a"), 7) is None
    assert take_name(folder.engine, old, entry_id(folder.root, "other"), 7) is None
    assert lookup(folder.engine, folder.root, "b").ino == old.ino


def test_a_name_that_stands_for_another_file_by_now_stays(folder: Folder) -> None:
    folder.make("a")
    taken = folder.take("a")
    successor = folder.make("a")
    clean_names(folder.engine, [taken])
    assert lookup(folder.engine, folder.root, "a").ino == successor.ino


def test_a_name_under_which_the_file_was_linked_again_stays(folder: Folder) -> None:
    file = folder.make("a")
    link(folder.engine, file.ino, folder.root, "b", 2)
    taken = folder.take("b")
    link(folder.engine, file.ino, folder.root, "b", 2)
    clean_names(folder.engine, [taken])
    assert lookup(folder.engine, folder.root, "b").ino == file.ino


def test_who_is_about_to_link_it_there_again_begins_anew(folder: Folder) -> None:
    file = folder.make("a")
    link(folder.engine, file.ino, folder.root, "b", 2)
    taken = folder.take("b")
    assert resolve(folder.engine, taken.name_id).inode is None
    folder.engine.batch([claim(taken.name_id, file.ino, "token")])
    read_before = read_inode(folder.engine, file.ino)
    clean_names(folder.engine, [taken])
    names = [*read_before.names, taken.name_id]
    assert folder.engine.update("inodes", file.ino, {"nrev": read_before.nrev}, {"names": names}) is None


def test_a_name_that_is_gone_already_is_no_trouble(folder: Folder) -> None:
    folder.make("a")
    folder.make("b")
    taken = [folder.take("a"), folder.take("b")]
    resolve(folder.engine, taken[0].name_id)
    clean_names(folder.engine, taken)
    assert folder.entries() == []
