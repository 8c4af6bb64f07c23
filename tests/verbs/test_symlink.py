"""symlink: what links say, and where they lead."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def test_a_link_says_what_it_was_made_with(place) -> None:
    for name, target in (("a", "nowhere/at all"), ("b", "/abs"), ("c", "x" * 4095), ("d", "é")):
        os.symlink(target, name)
        assert os.readlink(name) == target
        assert os.lstat(name).st_size == len(target.encode())


def test_it_leads_to_files_and_folders(place) -> None:
    os.mkdir("d")
    Path("d/a").write_text("text")
    os.symlink("d", "to d")
    os.symlink("to d/a", "to a")
    assert Path("to a").read_text() == "text"
    Path("to d/b").write_text("made through it")
    assert Path("d/b").read_text() == "made through it"


def test_a_chain_is_followed_forty_times(place, refused) -> None:
    Path("0").write_text("end")
    for number in range(1, 42):
        os.symlink(str(number - 1), str(number))
    assert Path("40").read_text() == "end"
    with refused(errno.ELOOP):
        open("41")


def test_a_loop_and_a_dangling_link(place, refused) -> None:
    os.symlink("two", "one")
    os.symlink("one", "two")
    os.symlink("nothing", "dangling")
    with refused(errno.ELOOP):
        os.stat("one")
    with refused(errno.ENOENT):
        os.stat("dangling")


def test_what_cannot_be_made(place, refused, as_user) -> None:
    Path("file").touch()
    with refused(errno.EEXIST):
        os.symlink("x", "file")
    with refused(errno.ENAMETOOLONG):
        os.symlink("x" * 4096, "a")
    with refused(errno.ENAMETOOLONG):
        os.symlink("x", "y" * 256)
    with refused(errno.ENOTDIR):
        os.symlink("x", "file/a")
    with refused(errno.EINVAL):
        os.readlink("file")
    assert as_user(lambda: os.symlink("x", "a")) == errno.EACCES


def test_the_folder_s_times_move(place, moves) -> None:
    os.mkdir("d")
    with moves("d", "mtime", "ctime"):
        os.symlink("x", "d/link")
