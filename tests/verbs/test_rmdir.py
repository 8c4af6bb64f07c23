"""rmdir: only what is empty."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def test_it_is_gone_and_the_parent_s_times_move(place, moves) -> None:
    os.makedirs("d/e")
    with moves("d", "mtime", "ctime"):
        os.rmdir("d/e")
    assert os.listdir("d") == []
    assert os.stat("d").st_nlink == 2


def test_what_cannot_be_removed(place, refused, as_user) -> None:
    os.mkdir("d", 0o755)
    os.mkdir("d/e")
    Path("file").touch()
    os.symlink("d/e", "link")
    with refused(errno.ENOTEMPTY):
        os.rmdir("d")
    with refused(errno.ENOTDIR):
        os.rmdir("file")
    with refused(errno.ENOTDIR):
        os.rmdir("link")
    with refused(errno.ENOENT):
        os.rmdir("nothing")
    with refused(errno.EINVAL):
        os.rmdir("d/.")
    with refused(errno.ENOTEMPTY, errno.EEXIST):
        os.rmdir("d/e/..")
    assert as_user(lambda: os.rmdir("d/e")) == errno.EACCES


def test_in_a_sticky_folder_only_the_owners_may(place, as_user) -> None:
    os.mkdir("d")
    os.chmod("d", 0o1777)
    os.mkdir("d/theirs")
    os.mkdir("d/mine")
    os.chown("d/mine", 65534, 65534)
    assert as_user(lambda: os.rmdir("d/theirs")) == errno.EPERM
    assert as_user(lambda: os.rmdir("d/mine")) == 0
