"""utimensat: times to the nanosecond."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def test_nanoseconds_are_kept(place) -> None:
    Path("a").touch()
    os.utime("a", ns=(1_000_000_001, 2_000_000_003))
    assert (os.stat("a").st_atime_ns, os.stat("a").st_mtime_ns) == (1_000_000_001, 2_000_000_003)


def test_times_before_1970_and_after_2106(place) -> None:
    Path("a").touch()
    for second in (-1, -(1 << 31), (1 << 32) + 5):
        os.utime("a", ns=(second * 10**9, second * 10**9 + 7))
        assert os.stat("a").st_mtime_ns == second * 10**9 + 7


def test_a_link_has_times_of_its_own(place) -> None:
    Path("a").touch()
    os.symlink("a", "link")
    before = os.stat("a").st_mtime_ns
    os.utime("link", ns=(1, 2), follow_symlinks=False)
    assert (os.lstat("link").st_mtime_ns, os.stat("a").st_mtime_ns) == (2, before)


def test_the_ctime_moves(place, moves) -> None:
    Path("a").touch()
    with moves("a", "ctime"):
        os.utime("a", ns=(5, 5))


def test_times_set_while_it_is_written_stay(place) -> None:
    with open("a", "wb") as file:
        file.write(b"text")
        file.flush()
        os.utime(file.fileno(), ns=(5, 6))
    assert os.stat("a").st_mtime_ns == 6


def test_who_may_write_sets_now_and_only_the_owner_any_time(place, as_user) -> None:
    Path("a").touch()
    os.chmod("a", 0o666)
    assert as_user(lambda: os.utime("a")) == 0
    assert as_user(lambda: os.utime("a", ns=(1, 1))) == errno.EPERM
    os.chmod("a", 0o644)
    assert as_user(lambda: os.utime("a")) == errno.EACCES
    os.chown("a", 65534, 65534)
    assert as_user(lambda: os.utime("a", ns=(1, 1))) == 0
