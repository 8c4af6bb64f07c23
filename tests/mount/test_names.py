"""Names through a real mount: directories, renames, links, and every name that can be."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from pathlib import Path

import pytest

RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
libc = ctypes.CDLL(None, use_errno=True)


def renameat2(source: Path, target: Path, flags: int) -> int:
    """0, or the errno."""
    done = libc.renameat2(-100, os.fsencode(source), -100, os.fsencode(target), flags)
    return ctypes.get_errno() if done else 0


@pytest.mark.parametrize(
    "name",
    ["a b", "'q\"", "50%", "%41", "#", "a:b", "back\\slash", "new\nline", "conflict", "dot.", "日本語", "é", "e\u0301", "😀",
     "\x01", " ", "-", "~", "x" * 255, "名" * 85, "|?*<>"],
)  # fmt: skip
def test_a_name_comes_back_as_it_was(folder: Path, name: str) -> None:
    (folder / name).write_text(name)
    os.mkdir(folder / "d")
    os.rename(folder / name, folder / "d" / name)
    assert os.listdir(folder / "d") == [name]
    assert (folder / "d" / name).read_text() == name


@pytest.mark.parametrize(("name", "number"), [(b"\xff", errno.EILSEQ), (b"x" * 256, errno.ENAMETOOLONG)])
def test_a_name_that_cannot_be_is_refused(folder: Path, name: bytes, number: int) -> None:
    with pytest.raises(OSError) as caught:
        open(os.path.join(os.fsencode(folder), name), "w")
    assert caught.value.errno == number


def test_rename_replaces_a_file(folder: Path) -> None:
    (folder / "a").write_text("new")
    (folder / "b").write_text("old")
    os.rename(folder / "a", folder / "b")
    assert os.listdir(folder) == ["b"]
    assert (folder / "b").read_text() == "new"


def test_a_replaced_file_that_is_open_is_still_read(folder: Path) -> None:
    (folder / "a").write_text("new")
    (folder / "b").write_text("old")
    with open(folder / "b") as file:
        os.rename(folder / "a", folder / "b")
        assert file.read() == "old"


def test_rename_while_writing(folder: Path) -> None:
    with open(folder / "a.tmp", "w") as file:
        file.write("text")
        os.rename(folder / "a.tmp", folder / "a")
    assert (folder / "a").read_text() == "text"


def test_noreplace_and_exchange(folder: Path) -> None:
    (folder / "a").write_text("a")
    (folder / "b").write_text("b")
    assert renameat2(folder / "a", folder / "b", RENAME_NOREPLACE) == errno.EEXIST
    assert renameat2(folder / "a", folder / "b", RENAME_EXCHANGE) == errno.EINVAL
    assert renameat2(folder / "a", folder / "c", RENAME_NOREPLACE) == 0
    assert sorted(os.listdir(folder)) == ["b", "c"]


def test_a_folder_is_renamed_over_an_empty_one_only(folder: Path) -> None:
    os.makedirs(folder / "a" / "x")
    os.makedirs(folder / "full" / "y")
    os.mkdir(folder / "empty")
    with pytest.raises(OSError) as caught:
        os.rename(folder / "a", folder / "full")
    assert caught.value.errno == errno.ENOTEMPTY
    os.rename(folder / "a", folder / "empty")
    assert os.listdir(folder / "empty") == ["x"]


def test_a_folder_cannot_go_into_itself(folder: Path) -> None:
    os.makedirs(folder / "a" / "b")
    with pytest.raises(OSError) as caught:
        os.rename(folder / "a", folder / "a" / "b" / "c")
    assert caught.value.errno == errno.EINVAL


def test_kinds_do_not_replace_each_other(folder: Path) -> None:
    (folder / "f").touch()
    os.mkdir(folder / "d")
    with pytest.raises(IsADirectoryError):
        os.rename(folder / "f", folder / "d")
    with pytest.raises(NotADirectoryError):
        os.rename(folder / "d", folder / "f")


def test_renaming_a_folder_takes_no_time_whatever_it_holds(folder: Path, shared_world) -> None:
    os.mkdir(folder / "many")
    for number in range(300):
        (folder / "many" / str(number)).touch()
    shared_world[0].upload()
    started = time.monotonic()
    os.rename(folder / "many", folder / "moved")
    took_s = time.monotonic() - started
    assert len(os.listdir(folder / "moved")) == 300
    assert took_s < 5, "a rename that copies 300 objects would take longer"


def test_hard_links_share_everything(folder: Path) -> None:
    (folder / "a").write_text("one")
    os.link(folder / "a", folder / "b")
    (folder / "b").write_text("two")
    assert (folder / "a").read_text() == "two"
    assert (folder / "a").stat().st_ino == (folder / "b").stat().st_ino
    assert (folder / "a").stat().st_nlink == 2
    os.unlink(folder / "a")
    assert (folder / "b").stat().st_nlink == 1
    assert (folder / "b").read_text() == "two"


def test_rename_of_one_link_onto_the_other_leaves_both(folder: Path) -> None:
    (folder / "a").touch()
    os.link(folder / "a", folder / "b")
    os.rename(folder / "a", folder / "b")
    assert sorted(os.listdir(folder)) == ["a", "b"]


def test_symlinks(folder: Path) -> None:
    (folder / "a").write_text("text")
    os.symlink("a", folder / "s")
    assert os.readlink(folder / "s") == "a"
    assert (folder / "s").read_text() == "text"
    os.symlink("nowhere", folder / "dangling")
    assert (folder / "dangling").is_symlink() and not (folder / "dangling").exists()


def test_rmdir_refuses_what_is_not_empty(folder: Path) -> None:
    os.makedirs(folder / "a" / "b")
    with pytest.raises(OSError) as caught:
        os.rmdir(folder / "a")
    assert caught.value.errno == errno.ENOTEMPTY
    os.rmdir(folder / "a" / "b")
    os.rmdir(folder / "a")
    assert os.listdir(folder) == []


def test_unlink_of_a_folder_and_rmdir_of_a_file(folder: Path) -> None:
    os.mkdir(folder / "d")
    (folder / "f").touch()
    with pytest.raises(IsADirectoryError):
        os.unlink(folder / "d")
    with pytest.raises(NotADirectoryError):
        os.rmdir(folder / "f")


def test_a_folder_of_many_lists_each_name_once(folder: Path) -> None:
    names = {f"name {number:05}" for number in range(1500)}
    for name in names:
        os.mknod(folder / name)
    assert sorted(os.listdir(folder)) == sorted(names)


def test_removing_while_listing(folder: Path) -> None:
    for number in range(1200):
        os.mknod(folder / str(number))
    with os.scandir(folder) as listing:
        for entry in listing:
            os.unlink(entry.path)
    assert os.listdir(folder) == []


def test_dots_are_listed(folder: Path) -> None:
    listed = os.popen(f"ls -a '{folder}'").read().split()
    assert listed == [".", ".."]


def test_a_file_and_a_folder_may_take_turns_under_one_name(folder: Path, shared_world) -> None:
    (folder / "x").write_text("file")
    os.rename(folder / "x", folder / "kept")
    os.mkdir(folder / "x")
    (folder / "x" / "inner").write_text("inner")
    assert (folder / "kept").read_text() == "file"
    assert (folder / "x" / "inner").read_text() == "inner"
