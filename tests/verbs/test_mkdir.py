"""mkdir: new folders."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def test_mode_owner_and_the_mask(place, as_user) -> None:
    os.mkdir("open", 0o777)
    assert as_user(lambda: (os.umask(0o027), os.mkdir("open/mine", 0o777))) == 0
    made = os.stat("open/mine")
    assert (stat.S_IMODE(made.st_mode), made.st_uid, made.st_gid) == (0o750, 65534, 65534)


def test_the_parent_s_times_move(place, moves) -> None:
    os.mkdir("d")
    with moves("d", "mtime", "ctime"):
        os.mkdir("d/e")


def test_the_parent_counts_its_folders(place) -> None:
    os.mkdir("d")
    assert os.stat("d").st_nlink == 2
    os.mkdir("d/e")
    Path("d/file").touch()
    assert os.stat("d").st_nlink == 3
    os.rename("d/e", "e")
    assert os.stat("d").st_nlink == 2


def test_a_set_group_id_folder_hands_its_group_down(place, as_user) -> None:
    os.mkdir("d")
    os.chown("d", 0, 12345)
    os.chmod("d", 0o2777)
    assert as_user(lambda: (os.mkdir("d/e"), open("d/a", "w"))) == 0
    assert (os.stat("d/e").st_gid, os.stat("d/a").st_gid) == (12345, 12345)
    assert os.stat("d/e").st_mode & stat.S_ISGID
    assert not os.stat("d/a").st_mode & stat.S_ISGID


def test_what_cannot_be_made(place, refused, as_user) -> None:
    os.mkdir("d", 0o755)
    Path("file").touch()
    with refused(errno.EEXIST):
        os.mkdir("d", 0o755)
    with refused(errno.EEXIST):
        os.mkdir("file")
    with refused(errno.ENOENT):
        os.mkdir("nothing/below")
    with refused(errno.ENOTDIR):
        os.mkdir("file/below")
    with refused(errno.ENAMETOOLONG):
        os.mkdir("x" * 256)
    assert as_user(lambda: os.mkdir("d/e")) == errno.EACCES


def test_255_bytes_are_a_name(place) -> None:
    os.mkdir("é" * 127 + "x")
    assert os.listdir(".") == ["é" * 127 + "x"]
