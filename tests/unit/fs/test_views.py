"""Views of one inode that overtake each other: the older one never replaces the newer, whatever the clocks say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kumofs.catalog.contents import commit_content
from kumofs.catalog.create import create, make_root
from kumofs.catalog.documents import inode_of
from kumofs.catalog.inodes import change_attributes, read_inode, set_tags, set_xattrs
from kumofs.catalog.link import link
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.sqlite import SqliteEngine
from kumofs.catalog.unlink import unlink
from kumofs.fs.tree import older
from kumofs.model import Content, Inode, Kind

DRAFT = Inode(0, "h", Kind.FILE, (), 0o644, 0, 0, 1, 1, 1, 1, "o")


@pytest.mark.parametrize("revision", ["rev", "nrev", "arev"])
def test_a_view_with_a_lower_revision_is_older_whatever_the_clocks_say(revision: str) -> None:
    known = replace(DRAFT, rev=3, nrev=3, arev=3, changed_us=1000)
    before, after = replace(known, **{revision: 2, "changed_us": 9999}), replace(known, **{revision: 4, "changed_us": 1})
    assert older(before, known)
    assert not older(after, known)


def test_the_same_view_is_not_older() -> None:
    known = replace(DRAFT, rev=3, nrev=3, arev=3, changed_us=1000)
    assert not older(replace(known, changed_us=1), known)


def test_every_change_that_a_program_sees_makes_what_was_read_before_older(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "c.db")
    root = make_root(engine, "h", "o", 0, 0)
    numbers = Numbers(engine)
    file = create(engine, numbers, root, "f", DRAFT)

    def seen(ino: int) -> Inode:
        found = read_inode(engine, ino)
        assert found is not None
        return found

    changes = {
        "chmod": (file.ino, lambda: change_attributes(engine, file.ino, {"mode": 0o600})),
        "tags": (file.ino, lambda: set_tags(engine, file.ino, ("t",), 2)),
        "no tags": (file.ino, lambda: set_tags(engine, file.ino, (), 2)),
        "xattrs": (file.ino, lambda: set_xattrs(engine, seen(file.ino), (("user.a", b"b"),), 2)),
        "content": (file.ino, lambda: commit_content(engine, seen(file.ino), Content("k", "e", None, 1, "d"), {"mtime_ns": 5})),
        "link": (file.ino, lambda: link(engine, file.ino, root, "g", 3)),
        "unlink": (file.ino, lambda: unlink(engine, root, "g", 4)),
        "a name more in the directory": (root, lambda: create(engine, numbers, root, "x", DRAFT)),
        "a name less in the directory": (root, lambda: unlink(engine, root, "x", 5)),
    }
    for what, (ino, change) in changes.items():
        before = seen(ino)
        change()
        after = seen(ino)
        assert older(before, after), what
        assert not older(after, before), what
    engine.close()


def test_documents_from_before_have_no_revision_of_attributes(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "c.db")
    root = make_root(engine, "h", "o", 0, 0)
    engine.update("inodes", root, unset=("arev",))
    doc = engine.get("inodes", root)
    assert doc is not None
    assert inode_of(doc).arev == 0
    assert change_attributes(engine, root, {"mode": 0o755}).arev == 1
    engine.close()
