"""Opening and closing files: the handles."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from itertools import count

from kumofs.errors import Exists, KumofsError, NotFound, StaleHandle
from kumofs.fs import naming, saving, writing
from kumofs.fs.drive import Caller, Drive, decode_name
from kumofs.fs.freshness import look_closely
from kumofs.fs.node import Node
from kumofs.fs.reading import hold_bytes
from kumofs.model import Kind

log = logging.getLogger(__name__)

ATTEMPTS_MAX = 10
UNSAVED = ""
"""The write whose bytes the kernel has of a file that was never saved."""


class OpenFile:
    """One open file of some program. `uid` is who opened it; `keep_cache`: the kernel's pages are still true."""

    __slots__ = ("appends", "keep_cache", "node", "uid", "writable")

    def __init__(self, node: Node, flags: int, uid: int) -> None:
        self.node = node
        self.writable = flags & os.O_ACCMODE != os.O_RDONLY
        self.appends = bool(flags & os.O_APPEND)
        self.uid = uid
        self.keep_cache = False


class OpenFiles:
    """Handles by number; the number goes to the kernel."""

    def __init__(self) -> None:
        self._files: dict[int, OpenFile] = {}
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._files)

    def add(self, file: OpenFile) -> int:
        """Count the file as open; its handle."""
        file.node.opens += 1
        handle = next(self._numbers)
        self._files[handle] = file
        return handle

    def get(self, handle: int) -> OpenFile:
        """The file of a handle. StaleHandle."""
        try:
            return self._files[handle]
        except KeyError:
            raise StaleHandle(f"handle {handle} is not open") from None

    def remove(self, handle: int) -> OpenFile:
        """Count the file as closed."""
        file = self.get(handle)
        del self._files[handle]
        file.node.opens -= 1
        return file


async def open_file(drive: Drive, ino: int, flags: int, caller: Caller) -> OpenFile:
    """Open what exists, as the catalog has it now; O_TRUNC cuts it. StaleHandle: look the name up again."""
    node = drive.tree.node(ino)
    node.opening += 1
    try:
        await look_closely(drive, node)
        if not hold_bytes(drive, node):
            await look_closely(drive, node)  # replaced or removed in this very moment
            hold_bytes(drive, node)  # else whoever reads will be told
        drive.access.may_touch(node.inode)
        file = OpenFile(node, flags, caller.uid)
        if file.writable:
            drive.access.may_write()
        if flags & os.O_TRUNC and file.writable:
            await writing.truncate(drive, node, 0)
    finally:
        node.opening -= 1
    file.keep_cache = node.data is not None and node.kernel_data == node.data
    node.kernel_data = node.data or UNSAVED
    return file


async def create_file(drive: Drive, parent: int, name: bytes, mode: int, flags: int, caller: Caller) -> OpenFile:
    """Make a file and open it; one that somebody else just made is opened, unless O_EXCL."""
    directory, text = drive.tree.directory(parent), decode_name(name)
    for _ in range(ATTEMPTS_MAX):
        try:
            return await make_file(drive, parent, name, mode, flags, caller)
        except Exists:
            if flags & os.O_EXCL:
                raise
        await drive.tree.look_again(directory, text)
        with suppress(NotFound):  # removed again
            node = await naming.lookup(drive, parent, name)
            return await open_file(drive, node.ino, flags, caller)
    raise StaleHandle("the name comes and goes")


async def make_file(drive: Drive, parent: int, name: bytes, mode: int, flags: int, caller: Caller) -> OpenFile:
    """A new file, open. Exists."""
    node = await naming.make(drive, parent, name, Kind.FILE, mode, caller)
    file = OpenFile(node, flags, caller.uid)
    node.kernel_data = UNSAVED
    writing.begin(drive, node, keep_base=False)  # an empty file is an object too
    return file


async def save_empty(drive: Drive, node: Node) -> None:
    """A file made by mknod is never opened for it, and still is an object."""
    writing.begin(drive, node, keep_base=False)
    await saving.closed(drive, node)


async def close_file(drive: Drive, file: OpenFile) -> None:
    """The last program closed the handle: nobody hears of an error any more, so what cannot be saved is kept for later."""
    node = file.node
    if node.opens:
        return
    node.close_reader()
    if not node.inode.names:
        naming.let_go(drive, node)
        return
    if node.staged is not None and node not in drive.outbox:
        try:
            await saving.closed(drive, node)
        except KumofsError as problem:
            log.warning("inode %d stays staged: %s", node.ino, problem)
    if node.staged is not None and not node.opens and not node.busy:
        node.staged.rest()
    if not node.inode.names and not node.opens:
        naming.let_go(drive, node)
    else:
        drive.tree.drop_unused(node)
