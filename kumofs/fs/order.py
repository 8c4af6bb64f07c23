"""Order: a read that comes after a write to the same pages is answered after it.

The kernel lets go of a page as soon as it is filled, before it sends the write. Where it drops the page meanwhile (as on every
mtime that it hears of) and reads it again, and that read is answered before the write is done, it keeps the old bytes as
the file's, and zeros where the file grew. So whoever waits with a write, for an upload or for room, is noted here.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from kumofs.fs.node import Coming, Node


@contextmanager
def coming(node: Node, offset: int, length: int) -> Iterator[None]:
    """For the block a write to these bytes is on its way."""
    page = mmap.PAGESIZE
    write = Coming(offset // page * page, -(-(offset + length) // page) * page, trio.Event())
    node.coming = (*node.coming, write)
    try:
        yield
    finally:
        node.coming = tuple(each for each in node.coming if each is not write)
        write.done.set()


async def wait_written(node: Node, offset: int, length: int) -> None:
    """Wait for the writes to these pages that came before now."""
    for write in node.coming:
        if write.start < offset + length and offset < write.end:
            await write.done.wait()
