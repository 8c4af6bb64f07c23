"""Copying between open files in bounded memory: by the kernel (which shares blocks where it can), else by hand."""

from __future__ import annotations

import errno
import os

from kumofs.model import Bytes

KERNEL_BYTES = 1 << 30
"""Most bytes asked of one copy_file_range."""
HAND_BYTES = 1 << 20
"""Memory of a copy by hand."""
NOT_BY_KERNEL = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.ETXTBSY, errno.EPERM})


def copy_range(source: int, start: int, length: int, target: int, at: int) -> int:
    """Copy [start, start+length) of one file to `at` in another; how many bytes there were, fewer at the end. OSError.

    Holes are skipped, not written: the target must be empty there. Its size is made to fit.
    """
    end = min(start + length, os.fstat(source).st_size)
    offset = start
    while offset < end:
        data, hole = next_data(source, offset, end)
        copied = copy_data(source, data, hole - data, target, at + data - start)
        if copied < hole - data:  # somebody cut the source meanwhile
            end = data + copied
        offset = hole
    done = max(0, end - start)
    if os.fstat(target).st_size < at + done:
        os.ftruncate(target, at + done)
    return done


def next_data(fd: int, offset: int, end: int) -> tuple[int, int]:
    """The next [data, hole) within [offset, end); all of it where the file system does not tell."""
    try:
        data = os.lseek(fd, offset, os.SEEK_DATA)
        if data >= end:
            return end, end
        return data, min(end, os.lseek(fd, data, os.SEEK_HOLE))
    except OSError as problem:
        if problem.errno == errno.ENXIO:  # only a hole is left
            return end, end
        return offset, end


def copy_data(source: int, start: int, length: int, target: int, at: int) -> int:
    """Copy bytes, holes as zeros; how many there were. OSError."""
    done = 0
    while done < length:
        try:
            step = os.copy_file_range(source, target, min(KERNEL_BYTES, length - done), start + done, at + done)
        except OSError as problem:
            if problem.errno not in NOT_BY_KERNEL:
                raise
            step = 0
        if not step:  # the end, or a file system that answers nothing: reading tells
            return done + copy_by_hand(source, start + done, length - done, target, at + done)
        done += step
    return done


def copy_by_hand(source: int, start: int, length: int, target: int, at: int) -> int:
    """Copy bytes through memory; how many there were. OSError."""
    done = 0
    while done < length:
        body = os.pread(source, min(HAND_BYTES, length - done), start + done)
        if not body:
            break
        write_all(target, body, at + done)
        done += len(body)
    return done


def write_all(fd: int, body: Bytes, at: int = 0) -> None:
    """Write all bytes at an offset. OSError."""
    view = memoryview(body)
    done = 0
    while done < len(view):
        done += os.pwrite(fd, view[done:], at + done)


def read_all(fd: int, start: int, length: int) -> bytes:
    """Bytes [start, start+length), fewer at the end. OSError."""
    body = os.pread(fd, length, start)
    if len(body) in (0, length):
        return body
    pieces = [body]
    done = len(body)
    while done < length and (body := os.pread(fd, length - done, start + done)):
        pieces.append(body)
        done += len(body)
    return b"".join(pieces)
