"""chown: owner and group, and the bits that go with them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def test_owner_and_group_are_kept_apart(place) -> None:
    Path("a").touch()
    os.chown("a", 123, 456)
    os.chown("a", -1, 789)
    os.chown("a", 321, -1)
    assert (os.stat("a").st_uid, os.stat("a").st_gid) == (321, 789)


def test_a_link_itself_can_be_given_away(place) -> None:
    os.symlink("nothing", "link")
    os.lchown("link", 123, 456)
    assert (os.lstat("link").st_uid, os.lstat("link").st_gid) == (123, 456)


def test_the_ctime_moves_and_not_the_mtime(place, moves) -> None:
    Path("a").touch()
    with moves("a", "ctime"):
        os.chown("a", 1, 1)


def test_set_user_id_and_set_group_id_are_cleared(place, as_user) -> None:
    Path("a").touch()
    os.chmod("a", 0o6755)
    os.chown("a", 65534, 65534)
    assert stat.S_IMODE(os.stat("a").st_mode) == 0o755
    os.chmod("a", 0o6755)
    assert as_user(lambda: os.chown("a", -1, 12345), groups=(12345,)) == 0
    assert stat.S_IMODE(os.stat("a").st_mode) == 0o755


def test_a_directory_keeps_its_bits(place) -> None:
    os.mkdir("d")
    os.chmod("d", 0o2755)
    os.chown("d", 1, 1)
    assert stat.S_IMODE(os.stat("d").st_mode) == 0o2755


def test_set_group_id_without_execution_stays(place) -> None:
    Path("a").touch()
    os.chmod("a", 0o2644)
    os.chown("a", 1, 1)
    assert stat.S_IMODE(os.stat("a").st_mode) & 0o644 == 0o644


def test_a_user_may_not_give_files_away_nor_take_them(place, as_user) -> None:
    Path("a").touch()
    assert as_user(lambda: os.chown("a", 65534, -1)) == errno.EPERM
    os.chown("a", 65534, 65534)
    assert as_user(lambda: os.chown("a", 0, -1)) == errno.EPERM
    assert as_user(lambda: os.chown("a", -1, 12345)) == errno.EPERM
