"""Direct: large pieces go to the disk past the kernel's cache (O_DIRECT).

Who reads a large file has its bytes in the kernel's pages of the mount already. A second copy in the pages of the cache's
file takes their room, and costs more CPU than everything else that is done to keep a block (docs/decisions/0015).
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from kumofs.store.directory_copying import write_all

ALIGNED_BYTES = 4096
"""What place, length and memory must be multiples of: the sector of a modern disk. The last part of a file is not."""
LEAST_BYTES = 1 << 20
"""For less, it is not worth to wait for the disk."""


def write_direct(fd: int, view: memoryview, at: int) -> None:
    """Write all bytes at an offset; by the kernel's cache where memory or file system do not have it otherwise. OSError.

    The descriptor is the caller's alone: whoever else wrote to it meanwhile would do so in the same way.
    """
    done = written_direct(fd, view[: len(view) // ALIGNED_BYTES * ALIGNED_BYTES], at) if len(view) >= LEAST_BYTES else 0
    write_all(fd, view[done:], at + done)


def written_direct(fd: int, view: memoryview, at: int) -> int:
    """How much of it could be written so; what is wrong with the rest, writing it otherwise will tell."""
    done, flags = 0, fcntl.fcntl(fd, fcntl.F_GETFL)
    with suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_DIRECT)
        while done < len(view):
            done += os.pwrite(fd, view[done:], at + done)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags)
    return done
