"""Open files outlive their names, whatever becomes of these."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest


def test_an_unlinked_open_file_is_read_and_written_on(folder: Path) -> None:
    (folder / "a").write_bytes(b"before ")
    with open(folder / "a", "r+b") as file:
        os.unlink(folder / "a")
        file.seek(0, os.SEEK_END)
        file.write(b"and after")
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        assert file.read() == b"before and after"
        assert os.fstat(file.fileno()).st_nlink == 0
        os.ftruncate(file.fileno(), 6)
        assert os.fstat(file.fileno()).st_size == 6
    assert os.listdir(folder) == []


def test_a_file_renamed_over_is_read_and_written_on(folder: Path) -> None:
    (folder / "old").write_bytes(b"old")
    (folder / "new").write_bytes(b"new")
    with open(folder / "old", "r+b") as file:
        os.rename(folder / "new", folder / "old")
        file.seek(3)
        file.write(b" goes on")
        file.flush()
        file.seek(0)
        assert file.read() == b"old goes on"
    assert (folder / "old").read_bytes() == b"new"


def test_a_file_renamed_while_it_is_written_has_everything_under_its_new_name(folder: Path) -> None:
    with open(folder / "a", "wb") as file:
        file.write(b"one ")
        file.flush()
        os.rename(folder / "a", folder / "b")
        file.write(b"two")
    assert (folder / "b").read_bytes() == b"one two"
    assert os.listdir(folder) == ["b"]


def test_an_unlinked_name_is_free_while_the_file_is_open(folder: Path) -> None:
    (folder / "a").write_bytes(b"first")
    with open(folder / "a", "rb") as first:
        os.unlink(folder / "a")
        (folder / "a").write_bytes(b"second")
        assert first.read() == b"first"
    assert (folder / "a").read_bytes() == b"second"


def test_a_directory_removed_while_it_is_open_is_empty(folder: Path) -> None:
    (folder / "d").mkdir()
    fd = os.open(folder / "d", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.rmdir(folder / "d")
        assert os.listdir(fd) == []
        with pytest.raises(FileNotFoundError):
            os.mkdir("e", dir_fd=fd)
    finally:
        os.close(fd)


@pytest.mark.timeout(600)
def test_five_thousand_files_are_open_at_once(folder: Path) -> None:
    count = 5_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 500:
        pytest.skip(f"this machine lets a process open only {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 500), hard))
    fds: list[int] = []
    try:
        (folder / "one").write_bytes(b"shared")
        for number in range(count):
            if number % 5:
                fds.append(os.open(folder / "one", os.O_RDONLY))
            else:
                fds.append(os.open(folder / f"{number}", os.O_RDWR | os.O_CREAT))
                os.pwrite(fds[-1], b"%d" % number, 0)
        for number, fd in enumerate(fds):
            assert os.pread(fd, 10, 0) == (b"shared" if number % 5 else b"%d" % number)
    finally:
        for fd in fds:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(os.listdir(folder)) == count // 5 + 1
