"""Large pieces past the kernel's cache: all bytes arrive, wherever they lie and whatever the file system says to it."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kumofs.cache import direct
from kumofs.cache.direct import LEAST_BYTES, write_direct, written_direct

SIZE = 3 * LEAST_BYTES + 1234


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    assert not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT
    os.close(fd)


@pytest.fixture
def pages() -> memoryview:
    """Memory that begins at a page, with something in it."""
    memory = mmap.mmap(-1, SIZE)
    memory[:] = os.urandom(SIZE)
    return memoryview(memory)


@pytest.mark.parametrize(("skipped", "at"), [(0, 0), (0, 8192), (1, 0), (4096, 4096), (0, 5), (SIZE - 5, 77)])
def test_all_bytes_arrive_wherever_they_lie(fd: int, pages: memoryview, skipped: int, at: int) -> None:
    write_direct(fd, pages[skipped:], at)
    assert os.pread(fd, SIZE, at) == pages[skipped:]


def test_pages_go_past_the_kernels_cache_where_the_disk_has_that(fd: int, pages: memoryview) -> None:
    aligned = pages[:LEAST_BYTES]
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_DIRECT)
        fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    except OSError:
        assert written_direct(fd, aligned, 0) == 0
        pytest.skip("the temporary directory's file system has no O_DIRECT: that nothing is written so was checked")
    assert written_direct(fd, aligned, 0) == LEAST_BYTES
    assert os.pread(fd, LEAST_BYTES, 0) == aligned


def test_what_is_not_taken_so_goes_by_the_cache(fd: int, pages: memoryview, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite

    def picky(fd: int, view: memoryview, at: int) -> int:
        if not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            return pwrite(fd, view, at)
        if at:
            raise OSError(errno.EINVAL, "no more of this")
        return pwrite(fd, view[:8192], at)

    monkeypatch.setattr(direct.os, "pwrite", picky)
    write_direct(fd, pages, 0)
    assert os.pread(fd, SIZE, 0) == pages


def test_a_full_disk_is_said(fd: int, pages: memoryview, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, view: memoryview, at: int) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(direct.os, "pwrite", full)
    with pytest.raises(OSError, match="no space left"):
        write_direct(fd, pages, 0)
