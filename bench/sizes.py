"""How much is done: three scales, and what a single run changes of one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Counts of files and reads, and the size of the big file; `scale` names what they were taken from."""

    scale: str
    files: int
    """Small files, 1–64 KiB; half of them lie in the folder that is renamed."""
    big_bytes: int
    listed: int
    """Files that are listed."""
    entries: int
    """Files after whose listing the daemon's memory is looked at."""
    reads: int
    """Random reads of 4 KiB."""
    tree_files: int
    """Files of the source tree."""


QUICK = Sizes("quick", files=100, big_bytes=32 << 20, listed=300, entries=500, reads=100, tree_files=50)
MIDDLE = Sizes("middle", files=2000, big_bytes=512 << 20, listed=5000, entries=10_000, reads=1000, tree_files=500)
FULL = Sizes("full", files=2000, big_bytes=1 << 30, listed=10_000, entries=100_000, reads=1000, tree_files=1000)
