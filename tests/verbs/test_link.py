"""link: several names of one file."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def test_names_are_equal_and_counted(place) -> None:
    Path("a").write_text("text")
    os.link("a", "b")
    assert os.path.samestat(os.stat("a"), os.stat("b"))
    assert os.stat("a").st_nlink == 2
    Path("b").write_text("changed")
    os.unlink("a")
    assert (os.stat("b").st_nlink, Path("b").read_text()) == (1, "changed")


def test_the_file_s_ctime_and_the_folder_s_times_move(place, moves) -> None:
    Path("a").touch()
    os.mkdir("d")
    with moves("a", "ctime"), moves("d", "mtime", "ctime"):
        os.link("a", "d/b")


def test_links_and_pipes_have_several_names_too(place) -> None:
    os.mkfifo("pipe")
    os.symlink("x", "link")
    os.link("pipe", "pipe 2")
    os.link("link", "link 2", follow_symlinks=False)
    assert (os.stat("pipe 2").st_nlink, os.lstat("link 2").st_nlink) == (2, 2)


def test_a_file_has_a_thousand_names_and_not_one_more(place, refused) -> None:
    Path("0").touch()
    for number in range(1, 1000):
        os.link("0", str(number))
    with refused(errno.EMLINK):
        os.link("0", "one more")
    assert os.stat("0").st_nlink == 1000


def test_what_cannot_be_linked(place, refused) -> None:
    os.mkdir("d")
    Path("a").touch()
    Path("b").touch()
    with refused(errno.EPERM):
        os.link("d", "e")
    with refused(errno.EEXIST):
        os.link("a", "b")
    with refused(errno.ENOENT):
        os.link("nothing", "c")
    with refused(errno.ENOTDIR):
        os.link("a", "b/c")
    with refused(errno.ENAMETOOLONG):
        os.link("a", "x" * 256)


def test_both_folders_have_to_allow_it(place, as_user) -> None:
    os.mkdir("closed", 0o700)
    os.mkdir("read", 0o755)
    os.mkdir("open", 0o777)
    Path("a").touch()
    os.chown("a", 65534, 65534)
    assert as_user(lambda: os.link("a", "closed/b")) == errno.EACCES
    assert as_user(lambda: os.link("a", "read/b")) == errno.EACCES
    assert as_user(lambda: os.link("a", "open/b")) == 0
