"""The first commits of many files at once, and what of them is left to the commit of one."""

from __future__ import annotations

from kumofs.catalog.claims import read_inode
from kumofs.catalog.contents import commit_content, insert_claim, moved_inodes, read_object
from kumofs.catalog.create import create
from kumofs.catalog.unlink import unlink
from kumofs.model import Content, Inode, Kind, ObjectState
from kumofs.staging.commit import put_claimed
from kumofs.staging.commit_new import Sent, claim_new, commit_new
from kumofs.staging.staged import StagedFile
from tests.unit.staging.conftest import Home


def begin(home: Home, *paths: str) -> list[StagedFile]:
    """New files that hold their own paths."""
    files = []
    for path in paths:
        draft = Inode(0, "h", Kind.FILE, (), 0o644, 0, 0, 1, 1, 1, 1, "o")
        staged = StagedFile(home.area, create(home.engine, home.numbers, *home.at(path), draft).ino, None)
        staged.write(0, path.encode())
        files.append(staged)
    return files


def put(home: Home, files: list[StagedFile]) -> list[Sent]:
    """Claim and put all of them."""
    sent = []
    for staged, claimed in zip(files, claim_new(home.engine, files), strict=True):
        assert claimed is not None
        info = put_claimed(home.engine, home.store, staged, *claimed)
        assert info is not None
        sent.append(Sent(staged, claimed, info))
    return sent


def test_all_of_them_are_under_the_keys_of_their_names(home: Home) -> None:
    home.make("d", Kind.DIR)
    files = begin(home, "a", "d/b", "d/c")
    done = commit_new(home.engine, put(home, files))
    assert [inode is not None and inode.ino for inode in done] == [staged.ino for staged in files]
    assert home.objects() == {"h/a": b"a", "h/d/b": b"d/b", "h/d/c": b"d/c"}
    assert [record["state"] for record in home.engine.scan("objects")] == ["live"] * 3
    assert moved_inodes(home.engine, "h") == []


def test_a_key_that_somebody_has_is_left_and_the_others_are_claimed(home: Home) -> None:
    files = begin(home, "a", "b", "c")
    insert_claim(home.engine, "h/b", 4711)
    assert [claimed is not None for claimed in claim_new(home.engine, files)] == [True, False, True]
    held = read_object(home.engine, "h/b")
    assert held is not None and held.ino == 4711


def test_a_key_beside_one_that_is_its_prefix_is_given_up(home: Home) -> None:
    home.make("d", Kind.DIR)
    files = begin(home, "d/x", "e", "f")
    insert_claim(home.engine, "h/d", 4711)
    insert_claim(home.engine, "h/e/below", 4712)
    assert [claimed is not None for claimed in claim_new(home.engine, files)] == [False, False, True]
    assert [record["_id"] for record in home.engine.scan("objects")] == ["h/d", "h/e/below", "h/f"]


def test_a_file_without_a_name_or_with_content_is_left(home: Home) -> None:
    files = begin(home, "a", "b", "c")
    unlink(home.engine, home.root, "a", 2)
    inode = read_inode(home.engine, files[1].ino)
    assert inode is not None
    commit_content(home.engine, inode, Content("h/b", "etag", None, 1, "theirs"))
    claims = claim_new(home.engine, [*files, StagedFile(home.area, 4711, None)])
    assert [claimed is not None for claimed in claims] == [False, False, True, False]
    assert read_object(home.engine, "h/c") is not None


def test_what_was_changed_since_its_claim_is_not_committed_and_the_others_are(home: Home) -> None:
    sent = put(home, begin(home, "a", "b", "c"))
    inode = read_inode(home.engine, sent[1].staged.ino)
    assert inode is not None
    commit_content(home.engine, inode, None)
    assert [inode is not None for inode in commit_new(home.engine, sent)] == [True, False, True]
    held = read_object(home.engine, "h/b")
    assert held is not None and held.state is ObjectState.CLAIMED


def test_what_was_renamed_since_its_claim_is_to_follow_its_name(home: Home) -> None:
    sent = put(home, begin(home, "a", "b"))
    home.make("d", Kind.DIR)
    home.move("b", "d/b")
    done = commit_new(home.engine, sent)
    assert all(done)
    assert [inode.ino for inode in moved_inodes(home.engine, "h")] == [sent[1].staged.ino]


def test_nothing_is_asked_of_an_engine_for_no_files(home: Home) -> None:
    assert claim_new(home.engine, []) == []
    assert commit_new(home.engine, []) == []
