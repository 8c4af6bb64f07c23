"""Keys that follow names: one after the other, in circles, and past what is not ours."""

from __future__ import annotations

from kumofs.catalog.claims import read_inode
from kumofs.catalog.contents import moved_inodes, note_settled
from kumofs.catalog.link import link
from kumofs.catalog.unlink import unlink
from kumofs.model import Kind
from kumofs.staging.settle import Settled, settle
from tests.unit.staging.conftest import Home


def test_the_object_follows_the_name_with_its_metadata(home: Home) -> None:
    ino = home.make("a")
    before = home.store.head("h/a")
    home.move("a", "b")
    assert settle(home.engine, home.store, ino) is Settled.MOVED
    after = home.store.head("h/b")
    assert home.objects() == {"h/b": b"a"}
    assert (after.metadata, after.content_type) == (before.metadata, before.content_type)
    assert [record["_id"] for record in home.engine.scan("objects")] == ["h/b"]


def test_files_in_each_others_way_are_settled_from_the_end(home: Home) -> None:
    inos = [home.make(name) for name in "abc"]
    home.move("c", "d")
    home.move("b", "c")
    home.move("a", "b")
    settle(home.engine, home.store, inos[0])
    assert home.objects() == {"h/b": b"a", "h/c": b"b", "h/d": b"c"}


def test_two_files_that_changed_names_find_their_keys(home: Home) -> None:
    inos = home.make("a"), home.make("b")
    home.move("a", "t")
    home.move("b", "a")
    home.move("t", "b")
    home.settle_all(*inos)
    assert home.objects() == {"h/b": b"a", "h/a": b"b"}


def test_a_file_and_a_folder_that_changed_names_find_their_keys(home: Home) -> None:
    home.make("d", Kind.DIR)
    inos = home.make("d/x"), home.make("d/y"), home.make("f")
    home.move("d", "t")
    home.move("f", "d")
    home.move("t", "f")
    home.settle_all(*inos)
    assert home.objects() == {"h/f/x": b"d/x", "h/f/y": b"d/y", "h/d": b"f"}


def test_a_suffixed_key_goes_to_its_place_once_that_is_free(home: Home) -> None:
    first = home.make("a")
    home.move("a", "b")
    second = home.make("a")
    assert home.key(second) == f"h/a~{second}.1"
    assert [inode.ino for inode in moved_inodes(home.engine, "h")] == [first, second]
    home.settle_all(second)
    assert home.objects() == {"h/a": b"a", "h/b": b"a"}


def test_what_is_not_ours_is_left_in_place(home: Home) -> None:
    ino = home.make("a")
    home.store.put("h/b", b"somebody else's")
    home.move("a", "b")
    assert settle(home.engine, home.store, ino) is Settled.BLOCKED
    assert home.objects() == {"h/a": b"a", "h/b": b"somebody else's"}
    assert [record["_id"] for record in home.engine.scan("objects")] == ["h/a"]


def test_the_key_follows_the_first_of_several_names(home: Home) -> None:
    ino = home.make("a")
    link(home.engine, ino, home.root, "b", 2)
    unlink(home.engine, home.root, "a", 3)
    assert [inode.ino for inode in moved_inodes(home.engine, "h")] == [ino]
    settle(home.engine, home.store, ino)
    assert home.objects() == {"h/b": b"a"}


def test_the_note_is_taken_away_only_where_nothing_moved_since(home: Home) -> None:
    ino = home.make("a")
    home.move("a", "b")
    (seen,) = moved_inodes(home.engine, "h")
    home.move("b", "c")
    assert not note_settled(home.engine, seen)
    (seen,) = moved_inodes(home.engine, "h")
    assert note_settled(home.engine, seen)
    assert moved_inodes(home.engine, "h") == []
    assert read_inode(home.engine, ino).moved_us == 0
