"""rename: one atomic step, its rules and its flags."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
C = ctypes.CDLL(None, use_errno=True)


def rename2(old: str, new: str, flags: int) -> None:
    if C.renameat2(-100, old.encode(), -100, new.encode(), flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def test_it_replaces_a_file_and_an_empty_folder(place) -> None:
    Path("a").write_text("a")
    Path("b").write_text("b")
    os.mkdir("d")
    Path("d/inner").touch()
    os.mkdir("e")
    os.rename("a", "b")
    os.rename("d", "e")
    assert (Path("b").read_text(), os.listdir("e"), sorted(os.listdir("."))) == ("a", ["inner"], ["b", "e"])


def test_the_inode_stays_and_its_ctime_moves(place, moves) -> None:
    Path("a").write_text("a")
    ino = os.stat("a").st_ino
    os.link("a", "witness")
    with moves("witness", "ctime"):
        os.rename("a", "b")
    assert os.stat("b").st_ino == ino


def test_both_folders_times_move(place, moves) -> None:
    os.mkdir("d")
    os.mkdir("e")
    Path("d/a").touch()
    with moves("d", "mtime", "ctime"), moves("e", "mtime", "ctime"):
        os.rename("d/a", "e/a")


def test_what_is_replaced_has_one_name_less_and_a_new_ctime(place, moves) -> None:
    Path("a").touch()
    Path("b").touch()
    os.link("b", "c")
    with moves("c", "ctime"):
        os.rename("a", "b")
    assert os.stat("c").st_nlink == 1


def test_onto_another_name_of_the_same_file_does_nothing(place) -> None:
    Path("a").write_text("text")
    os.link("a", "b")
    os.rename("a", "b")
    assert (sorted(os.listdir(".")), os.stat("a").st_nlink, Path("b").read_text()) == (["a", "b"], 2, "text")


def test_noreplace(place, refused) -> None:
    Path("a").write_text("a")
    Path("b").write_text("b")
    with refused(errno.EEXIST):
        rename2("a", "b", RENAME_NOREPLACE)
    rename2("a", "c", RENAME_NOREPLACE)
    assert (Path("b").read_text(), Path("c").read_text()) == ("b", "a")


def test_exchange_is_not_offered_and_changes_nothing(place, refused) -> None:
    Path("a").write_text("a")
    Path("b").write_text("b")
    with refused(errno.EINVAL):
        rename2("a", "b", RENAME_EXCHANGE)
    assert (Path("a").read_text(), Path("b").read_text()) == ("a", "b")


def test_what_cannot_be(place, refused) -> None:
    os.mkdir("d")
    os.mkdir("full")
    Path("full/a").touch()
    Path("file").touch()
    os.mkdir("other")
    with refused(errno.ENOTEMPTY):
        os.rename("d", "full")
    with refused(errno.EISDIR):
        os.rename("file", "other")
    with refused(errno.ENOTDIR):
        os.rename("d", "file")
    with refused(errno.EINVAL):
        os.rename("full", "full/inside")
    with refused(errno.ENOENT):
        os.rename("nothing", "x")
    with refused(errno.ENAMETOOLONG):
        os.rename("file", "x" * 256)
    with refused(errno.EXDEV):
        os.rename("file", "/dev/shm/kumofs-test-never-made")


def test_in_a_sticky_folder_only_the_owners_may(place, as_user) -> None:
    os.mkdir("d")
    os.chmod("d", 0o1777)
    for name in ("mine", "theirs", "new"):
        Path("d", name).touch()
    os.chown("d/mine", 65534, 65534)
    assert as_user(lambda: os.rename("d/theirs", "d/x")) == errno.EPERM
    assert as_user(lambda: os.rename("d/mine", "d/theirs")) == errno.EPERM
    assert as_user(lambda: os.rename("d/mine", "d/y")) == 0
    os.chown("d", 65534, 65534)
    assert as_user(lambda: os.rename("d/theirs", "d/x")) == 0


def test_both_folders_have_to_allow_it(place, as_user) -> None:
    os.mkdir("open", 0o777)
    os.mkdir("read", 0o755)
    Path("open/a").touch()
    Path("read/b").touch()
    assert as_user(lambda: os.rename("open/a", "read/a")) == errno.EACCES
    assert as_user(lambda: os.rename("read/b", "open/b")) == errno.EACCES
    assert as_user(lambda: os.rename("open/a", "open/c")) == 0


def test_a_folder_moves_with_everything_in_it(place) -> None:
    os.makedirs("d/e/f")
    Path("d/e/f/a").write_text("deep")
    os.mkdir("g")
    os.rename("d/e", "g/h")
    assert (Path("g/h/f/a").read_text(), os.listdir("d")) == ("deep", [])
    assert os.path.samestat(os.stat("g/h/.."), os.stat("g"))
