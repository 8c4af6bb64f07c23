"""chmod: the bits, who may set them, what moves."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def test_all_twelve_bits_are_kept(place) -> None:
    os.mkdir("d")
    for mode in (0, 0o111, 0o644, 0o1777, 0o2755, 0o4755, 0o7777):
        os.chmod("d", mode)
        assert stat.S_IMODE(os.stat("d").st_mode) == mode


def test_the_ctime_moves_and_not_the_mtime(place, moves) -> None:
    Path("a").touch()
    with moves("a", "ctime"):
        os.chmod("a", 0o600)


def test_only_the_owner_may(place, as_user) -> None:
    Path("a").touch()
    assert as_user(lambda: os.chmod("a", 0o777)) == errno.EPERM
    os.chown("a", 65534, 65534)
    assert as_user(lambda: os.chmod("a", 0o640)) == 0
    assert stat.S_IMODE(os.stat("a").st_mode) == 0o640


def test_the_owner_outside_the_group_cannot_set_its_set_group_id_bit(place, as_user) -> None:
    Path("a").touch()
    os.chown("a", 65534, 0)
    assert as_user(lambda: os.chmod("a", 0o2755)) == 0
    assert stat.S_IMODE(os.stat("a").st_mode) == 0o755


def test_the_mode_decides_who_may_read_write_and_search(place, as_user) -> None:
    os.mkdir("d")
    Path("d/a").write_text("x")
    os.chmod("d/a", 0o600)
    assert as_user(lambda: open("d/a")) == errno.EACCES
    os.chmod("d/a", 0o644)
    assert as_user(lambda: open("d/a")) == 0
    assert as_user(lambda: open("d/a", "w")) == errno.EACCES
    os.chmod("d", 0o744)
    assert as_user(lambda: os.listdir("d")) == 0
    assert as_user(lambda: open("d/a")) == errno.EACCES


def test_the_group_bits_are_for_supplementary_groups_too(place, as_user) -> None:
    Path("a").write_text("x")
    os.chmod("a", 0o040)
    os.chown("a", 0, 12345)
    assert as_user(lambda: open("a")) == errno.EACCES
    assert as_user(lambda: open("a"), groups=(12345,)) == 0


def test_what_is_not_there(place, refused) -> None:
    Path("file").touch()
    with refused(errno.ENOENT):
        os.chmod("nothing", 0o600)
    with refused(errno.ENOTDIR):
        os.chmod("file/below", 0o600)
