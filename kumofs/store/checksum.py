"""CRC-32, as zlib and `x-amz-checksum-crc32` have it, by isal: the same numbers in a sixth of the time (9.5 GB/s in grains of
16 KiB against 1.5, on a machine with vector instructions for it)."""

from __future__ import annotations

from isal.isal_zlib import crc32

__all__ = ["crc32", "crc32_at_once"]

HELD_BYTES = 4096


def crc32_at_once(view: memoryview, value: int) -> int:
    """The same, of some KiB, without letting go of the interpreter's lock, which all do for more than 5 KiB at once.

    To take it again costs more than such a checksum, for this thread and for the event loop: in one read of a file there are
    thousands.
    """
    for place in range(0, len(view), HELD_BYTES):
        value = crc32(view[place : place + HELD_BYTES], value)
    return value
