"""unlink: a name goes, the file when nobody has it."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def test_the_other_names_count_one_less_and_the_ctime_moves(place, moves) -> None:
    Path("a").write_text("text")
    os.link("a", "b")
    with moves("b", "ctime"):
        os.unlink("a")
    assert os.stat("b").st_nlink == 1


def test_the_folder_s_times_move(place, moves) -> None:
    os.mkdir("d")
    Path("d/a").touch()
    with moves("d", "mtime", "ctime"):
        os.unlink("d/a")


def test_an_open_file_has_no_name_and_is_read_on(place) -> None:
    Path("a").write_text("text")
    with open("a") as file:
        os.unlink("a")
        assert os.fstat(file.fileno()).st_nlink == 0
        assert file.read() == "text"


def test_every_kind_can_be_removed(place) -> None:
    os.mkfifo("pipe")
    os.symlink("x", "link")
    os.mknod("null", 0o020600, os.makedev(1, 3))
    for name in ("pipe", "link", "null"):
        os.unlink(name)
    assert os.listdir(".") == []


def test_what_cannot_be_removed(place, refused, as_user) -> None:
    os.mkdir("d")
    Path("file").touch()
    with refused(errno.EISDIR):
        os.unlink("d")
    with refused(errno.ENOENT):
        os.unlink("nothing")
    with refused(errno.ENOTDIR):
        os.unlink("file/below")
    with refused(errno.ENAMETOOLONG):
        os.unlink("x" * 256)
    assert as_user(lambda: os.unlink("file")) == errno.EACCES


def test_in_a_sticky_folder_only_the_owners_may(place, as_user) -> None:
    os.mkdir("d")
    os.chmod("d", 0o1777)
    for name in ("mine", "theirs"):
        Path("d", name).touch()
    os.chown("d/mine", 65534, 65534)
    assert as_user(lambda: os.unlink("d/theirs")) == errno.EPERM
    assert as_user(lambda: os.unlink("d/mine")) == 0
