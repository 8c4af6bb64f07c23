"""Where a read comes from: the staged file if the inode is being written, else the committed content."""

from __future__ import annotations

from kumofs.cache.reader import Reader
from kumofs.errors import DamagedFile, KumofsError, PreconditionFailed, StaleHandle
from kumofs.fs.drive import Drive
from kumofs.fs.node import Node
from kumofs.model import Content
from kumofs.offload import to_the_end
from kumofs.staging.commit import roll_forward
from kumofs.staging.filling import fill_gaps
from kumofs.staging.staged import StagedFile

ATTEMPTS_MAX = 5

Body = bytes | bytearray


async def read(drive: Drive, node: Node, offset: int, length: int) -> Body:
    """Bytes [offset, offset+length) as far as the file goes. DamagedFile where the store lost them."""
    drive.access.may_read()
    if node.staged is not None:
        return await read_staged(drive, node, offset, length)
    for _ in range(ATTEMPTS_MAX):
        looked_at = node.inode.content
        try:
            return await checked(drive, node, offset, length, await read_committed(drive, node, offset, length))
        except PreconditionFailed:
            await catch_up(drive, node)
        except DamagedFile:
            if not await has_moved(drive, node, looked_at):
                raise
        if node.staged is not None:
            return await read_staged(drive, node, offset, length)
    raise DamagedFile(f"inode {node.ino}: the object is not the one that the catalog names")


async def checked(drive: Drive, node: Node, offset: int, length: int, body: Body) -> Body:
    """The bytes, unless they end before the kernel believes the file to end: it would fill them up with zeros. StaleHandle.

    So it is where another mount has made the file shorter, and the kernel, which was told, has not asked again yet.
    """
    if node.told is not None and node.staged is None and len(body) < min(length, node.told.size - offset):
        await drive.kernel.forget_attributes(node.ino)
        raise StaleHandle(f"inode {node.ino} has become shorter while it was read: read it again")
    return body


async def read_committed(drive: Drive, node: Node, offset: int, length: int) -> Body:
    """From memory at once, else in a thread."""
    if node.inode.content is None:
        return b""
    if node.reader is None or not node.reader.reads(node.inode.content):
        node.close_reader()
        node.reader = Reader(drive.store, node.inode.content)
    reader = node.reader
    body = reader.read_now(offset, length)
    if body is not None:
        return body
    with reader.held():
        return await drive.disk.run_in_thread(reader.read, offset, length)


async def read_staged(drive: Drive, node: Node, offset: int, length: int) -> bytes:
    """What was written here, and what was not from the content that the writing began from."""
    while (staged := node.staged) is not None:
        end = min(offset + length, staged.size)
        if offset >= end or not staged.gaps(offset, end):
            return staged.read(offset, length)
        looked_at = node.inode.content
        try:
            await to_the_end(fill, drive, node, staged, offset, end)
        except DamagedFile:
            if not await has_moved(drive, node, looked_at):
                raise
        except PreconditionFailed:
            await catch_up(drive, node)
            if node.inode.content == looked_at:
                raise
    return bytes(await read(drive, node, offset, length))


async def fill(drive: Drive, node: Node, staged: StagedFile, start: int, end: int) -> None:
    """Bring a range of the staged file in from what the writing began from, while nobody writes to it."""
    async with node.lock:
        if node.staged is staged:
            now = node.inode.content
            base = now if staged.is_own(now) else staged.base  # it may have moved to another key
            await drive.disk.run_in_thread(fill_gaps, drive.store, staged, base, start, end)


async def has_moved(drive: Drive, node: Node, looked_at: Content | None) -> bool:
    """Whether the bytes are not where we looked because their key has followed a rename, or others were committed."""
    await drive.tree.refresh(node)
    return node.inode.content is not None and node.inode.content != looked_at


async def catch_up(drive: Drive, node: Node) -> None:
    """The store has something else than our catalog view says: look again, and commit for a writer that died midway."""
    await drive.tree.refresh(node)
    inode = await drive.uploads.run_in_thread(roll_forward, drive.engine, drive.store, node.ino)
    if inode is not None:
        drive.tree.adopt(inode)


def hold_bytes(drive: Drive, node: Node) -> bool:
    """Open the committed bytes where they are local, so that they can be read whatever others do to the file meanwhile.

    False: they are not where the catalog says, or cannot be reached.
    """
    if node.reader is None and node.staged is None and node.inode.content is not None:
        try:
            node.reader = Reader(drive.store, node.inode.content)
        except KumofsError:
            return False
    return True
