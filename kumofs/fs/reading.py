"""Where a read comes from: the staged file if the inode is being written, else the committed content."""

from __future__ import annotations

from kumofs.cache.reader import Reader
from kumofs.errors import DamagedFile, KumofsError, PreconditionFailed, StaleHandle
from kumofs.fs.drive import Drive
from kumofs.fs.node import Node
from kumofs.fs.order import wait_written
from kumofs.model import Bytes, Content
from kumofs.staging.commit import roll_forward
from kumofs.staging.filling import Found, overlaid, read_ranges, reader_of
from kumofs.staging.ranges import Range
from kumofs.staging.staged import StagedFile

ATTEMPTS_MAX = 5


async def read(drive: Drive, node: Node, offset: int, length: int) -> Bytes:
    """Bytes [offset, offset+length) as far as the file goes. DamagedFile where the store lost them."""
    drive.access.may_read()
    if node.coming:
        await wait_written(node, offset, length)
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


async def checked(drive: Drive, node: Node, offset: int, length: int, body: Bytes) -> Bytes:
    """The bytes, unless they end before the kernel believes the file to end: it would fill them up with zeros. StaleHandle.

    So it is where another mount has made the file shorter, and the kernel, which was told, has not asked again yet.
    """
    if node.told is not None and node.staged is None and len(body) < min(length, node.told.size - offset):
        await drive.kernel.forget_attributes(node.ino)
        raise StaleHandle(f"inode {node.ino} has become shorter while it was read: read it again")
    return body


async def read_committed(drive: Drive, node: Node, offset: int, length: int) -> Bytes:
    """From memory at once, else in a thread."""
    if node.inode.content is None:
        return b""
    if node.reader is None or not node.reader.reads(node.inode.content):
        node.close_reader()
        node.reader = Reader(drive.store, node.inode.content)
    drive.ahead.read(node)
    reader = node.reader
    await drive.ahead.arrived(reader)
    body = reader.read_now(offset, length)
    if body is not None:
        return body
    with reader.held():
        return await drive.disk.run_in_thread(reader.read, offset, length)


async def read_staged(drive: Drive, node: Node, offset: int, length: int) -> Bytes:
    """What was written here, and what was not from the content that the writing began from. That is not kept in the staged
    file: what is there of it is what will be sent. It waits for no upload either."""
    while (staged := node.staged) is not None:
        gaps = staged.gaps(offset, offset + length)
        if not gaps:
            return staged.read(offset, length)
        looked_at = node.inode.content
        try:
            found = await read_unwritten(drive, node, staged, gaps)
        except DamagedFile:
            if not await has_moved(drive, node, looked_at):
                raise
        except PreconditionFailed:
            await catch_up(drive, node)
            if node.inode.content == looked_at:
                raise
        else:
            if node.staged is staged:
                return overlaid(staged, offset, length, found)
    return await read(drive, node, offset, length)


async def read_unwritten(drive: Drive, node: Node, staged: StagedFile, gaps: list[Range]) -> list[Found]:
    """Ranges of the content that a staged file is to replace."""
    now = node.inode.content
    content = now if staged.is_own(now) else staged.base  # it may have moved to another key
    assert content is not None
    reader = reader_of(drive.store, staged, content)
    with reader.held():
        if staged.base_reader is None:
            staged.base_reader = reader
        elif reader is not staged.base_reader:
            reader.close()  # once it is not held any more
        bodies = [reader.read_now(start, end - start) for start, end in gaps]
        if None not in bodies:
            return [(start, body) for (start, _), body in zip(gaps, bodies, strict=True) if body is not None]
        return await drive.disk.run_in_thread(read_ranges, reader, gaps)


async def has_moved(drive: Drive, node: Node, looked_at: Content | None) -> bool:
    """Whether the bytes are not where we looked because their key has followed a rename, or others were committed.

    StaleHandle where the file has no name any more: whoever took the last one may have freed the bytes, and none are lost.
    """
    await drive.tree.refresh(node)
    if not node.inode.names:
        raise StaleHandle(f"inode {node.ino} was removed elsewhere, and its bytes with it")
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
    content = node.inode.content
    if node.staged is not None or content is None or (node.reader is not None and node.reader.reads(content)):
        return True
    try:
        reader = Reader(drive.store, content)
    except KumofsError:
        return False
    node.close_reader()
    node.reader = reader
    return True
