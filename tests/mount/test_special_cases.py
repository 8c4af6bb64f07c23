"""What is rare, and still met: sparse files, files of no bytes, long and deep names, names that differ in case."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

LONG = bool(os.environ.get("KUMOFS_TEST_LONG"))
FALLOCATED = 1 << 30 if LONG else 16 << 20


def test_a_sparse_file_is_as_long_as_it_says_and_zero_in_between(folder: Path) -> None:
    with open(folder / "a", "wb") as file:
        file.seek((1 << 30) - 1)
        file.write(b"x")
    with open(folder / "a", "rb") as file:
        assert os.fstat(file.fileno()).st_size == 1 << 30
        for offset in (0, 1 << 20, 512 << 20):
            assert os.pread(file.fileno(), 100, offset) == bytes(100)
        assert os.pread(file.fileno(), 100, (1 << 30) - 3) == b"\0\0x"


@pytest.mark.timeout(1200)
def test_posix_fallocate_gives_the_length_and_keeps_what_is_there(folder: Path, capsys) -> None:
    with open(folder / "a", "w+b") as file:
        file.write(b"begin")
        file.flush()
        begun = time.monotonic()
        os.posix_fallocate(file.fileno(), 0, FALLOCATED)
        if LONG:
            with capsys.disabled():
                print(f"\nposix_fallocate of {FALLOCATED >> 20} MiB: {time.monotonic() - begun:.0f} s")
    with open(folder / "a", "rb") as file:
        assert os.fstat(file.fileno()).st_size == FALLOCATED
        assert file.read(8) == b"begin\0\0\0"
        assert os.pread(file.fileno(), 4096, FALLOCATED - 4096) == bytes(4096)


def test_a_file_of_no_bytes_is_an_object_too(folder: Path, shared_world) -> None:
    (folder / "a").touch()
    os.mknod(folder / "b")
    shared_world[0].upload()
    for name in ("a", "b"):
        assert (folder / name).read_bytes() == b""
        assert os.getxattr(folder / name, "user.kumo.key").endswith(name.encode())


def test_sixteen_folders_deep_with_names_of_255_bytes(mounted) -> None:
    world, drive = mounted
    name = "é" * 127 + "x"

    def reach(make: bool) -> int:
        fd = os.open(drive, os.O_RDONLY)
        for _ in range(16):
            if make:
                os.mkdir(name, dir_fd=fd)
            below = os.open(name, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
        return fd

    fd = reach(make=True)
    file = os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    os.write(file, b"deep")
    os.close(file)
    os.rename(name, "short", src_dir_fd=fd, dst_dir_fd=fd)
    os.rename("short", name, src_dir_fd=fd, dst_dir_fd=fd)
    os.close(fd)
    world.umount()
    world.mount()
    fd = reach(make=False)
    file = os.open(name, os.O_RDONLY, dir_fd=fd)
    assert os.read(file, 10) == b"deep"
    assert os.listdir(fd) == [name]
    os.close(file)
    os.close(fd)


def test_names_that_differ_in_case_or_in_composition_are_different(folder: Path) -> None:
    names = ["readme", "README", "Readme", "\u00e9", "e\u0301"]
    for name in names:
        (folder / name).write_text(name)
    assert sorted(os.listdir(folder)) == sorted(names)
    for name in names:
        assert (folder / name).read_text() == name
