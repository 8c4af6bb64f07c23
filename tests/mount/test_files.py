"""Files through a real mount: what programs write is what they read."""

from __future__ import annotations

import errno
import mmap
import os
import threading
from pathlib import Path

import pytest


def test_what_is_written_is_read(folder: Path) -> None:
    (folder / "a").write_bytes(b"hello")
    assert (folder / "a").read_bytes() == b"hello"
    assert (folder / "a").stat().st_size == 5


def test_an_object_lies_under_the_path(shared_world, folder: Path) -> None:
    (folder / "a").write_bytes(b"hello")
    shared_world[0].upload()
    assert shared_world[0].store.get(f"ada/{folder.name}/a") == b"hello"


def test_an_empty_file_is_an_object_too(shared_world, folder: Path) -> None:
    (folder / "a").touch()
    shared_world[0].upload()
    assert shared_world[0].store.get(f"ada/{folder.name}/a") == b""


def test_writing_in_the_middle_keeps_the_rest(folder: Path) -> None:
    (folder / "a").write_bytes(b"0123456789" * 1000)
    with open(folder / "a", "r+b") as file:
        file.seek(5000)
        file.write(b"XXXX")
    assert (folder / "a").read_bytes() == b"0123456789" * 500 + b"XXXX456789" + b"0123456789" * 499


def test_appending(folder: Path) -> None:
    for word in ("a", "b", "c"):
        with open(folder / "f", "a") as file:
            file.write(word)
    assert (folder / "f").read_text() == "abc"


def test_a_hole_reads_as_zeros(folder: Path) -> None:
    with open(folder / "a", "wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    assert (folder / "a").read_bytes() == bytes(1 << 20) + b"end"


@pytest.mark.parametrize("size", [0, 3, 10, 100_000])
def test_truncating_by_path(folder: Path, size: int) -> None:
    (folder / "a").write_bytes(b"0123456789")
    os.truncate(folder / "a", size)
    assert (folder / "a").read_bytes() == (b"0123456789" + bytes(100_000))[:size]


def test_truncating_through_a_handle_and_writing_on(folder: Path) -> None:
    with open(folder / "a", "w+b") as file:
        file.write(b"0123456789")
        file.flush()
        os.ftruncate(file.fileno(), 4)
        file.seek(8)
        file.write(b"89")
    assert (folder / "a").read_bytes() == b"0123\0\0\0\x0089"


def test_overwriting_with_o_trunc(folder: Path) -> None:
    (folder / "a").write_bytes(b"long content")
    (folder / "a").write_bytes(b"short")
    assert (folder / "a").read_bytes() == b"short"


def test_reading_while_another_handle_writes(folder: Path) -> None:
    with open(folder / "a", "wb", buffering=0) as writer, open(folder / "a", "rb", buffering=0) as reader:
        writer.write(b"seen")
        assert reader.read() == b"seen"


def test_an_unlinked_file_lives_while_it_is_open(folder: Path) -> None:
    with open(folder / "a", "w+b", buffering=0) as file:
        file.write(b"one")
        os.unlink(folder / "a")
        file.write(b"two")
        file.seek(0)
        assert file.read() == b"onetwo"
        assert os.fstat(file.fileno()).st_nlink == 0
    assert list(folder.iterdir()) == []


def test_an_unlinked_committed_file_is_still_read(folder: Path) -> None:
    (folder / "a").write_bytes(b"here")
    with open(folder / "a", "rb", buffering=0) as file:
        os.unlink(folder / "a")
        assert file.read() == b"here"


def test_memory_mapped_writes_arrive(folder: Path) -> None:
    (folder / "a").write_bytes(bytes(8192))
    with open(folder / "a", "r+b") as file, mmap.mmap(file.fileno(), 8192) as mapped:
        mapped[100:103] = b"map"
        mapped.flush()
    assert (folder / "a").read_bytes()[100:103] == b"map"


def test_a_file_of_several_parts(folder: Path) -> None:
    block = os.urandom(1 << 20)
    with open(folder / "big", "wb") as file:
        for _ in range(64):
            file.write(block)
    with open(folder / "big", "rb") as file:
        assert all(file.read(1 << 20) == block for _ in range(64))
        assert file.read() == b""


def test_many_threads_write_files_of_their_own(folder: Path) -> None:
    def work(number: int) -> None:
        for turn in range(20):
            (folder / f"{number}-{turn}").write_bytes(f"{number}:{turn}".encode() * 100)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{n}-{t}" for n in range(8) for t in range(20))
    assert (folder / "3-7").read_bytes() == b"3:7" * 100


def test_exclusive_creation(folder: Path) -> None:
    (folder / "a").touch()
    with pytest.raises(FileExistsError):
        open(folder / "a", "x")


def test_fsync_returns(folder: Path) -> None:
    with open(folder / "a", "w") as file:
        file.write("x")
        os.fsync(file.fileno())
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def test_times_and_modes_are_kept(folder: Path) -> None:
    path = folder / "a"
    path.write_text("x")
    os.chmod(path, 0o640)
    os.utime(path, ns=(1_000_000_001, 2_000_000_002))
    found = path.stat()
    assert found.st_mode & 0o7777 == 0o640
    assert (found.st_atime_ns, found.st_mtime_ns) == (1_000_000_001, 2_000_000_002)


def test_times_set_while_writing_are_kept(folder: Path) -> None:
    with open(folder / "a", "w") as file:
        file.write("x")
        file.flush()
        os.utime(file.fileno(), ns=(5, 6))
    assert (folder / "a").stat().st_mtime_ns == 6


@pytest.mark.directory_store
def test_statfs_shows_the_disk(folder: Path, shared_world) -> None:
    there, disk = os.statvfs(folder), os.statvfs(shared_world[0].objects)
    assert there.f_namemax == 255
    assert there.f_blocks * there.f_frsize == pytest.approx(disk.f_blocks * disk.f_frsize, rel=0.01)
    assert 0 < there.f_bavail <= there.f_blocks


def test_special_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert (folder / "pipe").is_fifo()
    os.mknod(folder / "plain")
    assert (folder / "plain").read_bytes() == b""


def test_a_file_too_large_is_refused(folder: Path) -> None:
    (folder / "a").touch()
    with pytest.raises(OSError) as caught:
        os.truncate(folder / "a", 1 << 62)
    assert caught.value.errno == errno.EFBIG
