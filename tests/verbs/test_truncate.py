"""truncate: cutting and lengthening."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def test_cut_and_lengthened_with_zeros(place) -> None:
    Path("a").write_bytes(b"0123456789")
    os.truncate("a", 4)
    os.truncate("a", 8)
    assert Path("a").read_bytes() == b"0123\0\0\0\0"


def test_the_times_move(place, moves) -> None:
    Path("a").write_bytes(b"0123456789")
    with moves("a", "mtime", "ctime"):
        os.truncate("a", 4)


def test_a_great_length_takes_no_room(place) -> None:
    Path("a").touch()
    with open("a", "r+b") as file:
        file.truncate(1 << 30)
        file.seek(1 << 29)
        assert file.read(10) == b"\0" * 10
        file.truncate(3)
    assert Path("a").read_bytes() == b"\0" * 3


def test_it_clears_set_user_id_and_set_group_id(place, as_user) -> None:
    Path("a").write_text("text")
    os.chmod("a", 0o6777)
    assert as_user(lambda: os.truncate("a", 1)) == 0
    assert stat.S_IMODE(os.stat("a").st_mode) == 0o777


def test_what_cannot_be_cut(place, refused, as_user) -> None:
    os.mkdir("d")
    Path("file").touch()
    os.chmod("file", 0o644)
    with refused(errno.EISDIR):
        os.truncate("d", 0)
    with refused(errno.ENOENT):
        os.truncate("nothing", 0)
    with refused(errno.EINVAL):
        os.truncate("file", -1)
    with refused(errno.EFBIG):
        os.truncate("file", 1 << 62)
    with open("file", "rb") as reader, refused(errno.EINVAL):
        os.ftruncate(reader.fileno(), 0)
    assert as_user(lambda: os.truncate("file", 0)) == errno.EACCES
