"""Where a write goes: into the inode's staged file, on the event loop, into the page cache."""

from __future__ import annotations

import logging
import mmap

import trio

from kumofs.cache.reader import Reader
from kumofs.cache.window import SMALL_BYTES
from kumofs.errors import DamagedFile, PreconditionFailed, StoreUnavailable, TooLarge
from kumofs.fs.drive import Drive
from kumofs.fs.freshness import LOOK_SHARE
from kumofs.fs.node import Node
from kumofs.fs.order import coming
from kumofs.fs.reading import ATTEMPTS_MAX, catch_up, has_moved
from kumofs.staging.staged import StagedFile
from kumofs.staging.streaming import may_stream

log = logging.getLogger(__name__)

SETUID = 0o4000
SETGID = 0o2000
GROUP_EXECUTE = 0o010


async def write(drive: Drive, node: Node, offset: int, body: bytes, *, appends: bool = False) -> int:
    """Put bytes at an offset, or at the end if the handle `appends`. NoSpace, TooLarge."""
    drive.access.may_write()
    if offset + len(body) > drive.store.capabilities.object_max_bytes:
        raise TooLarge("the store keeps no object of that size")
    staged = node.staged
    if staged is not None and not node.busy and drive.area.has_room(len(body)):
        return put(drive, node, staged, offset, body, appends=appends)
    with coming(node, offset, len(body)):
        await drive.outbox.wait_room(len(body))
        async with node.lock:
            staged = await staged_for_change(drive, node)
            return put(drive, node, staged, offset, body, appends=appends)


def put(drive: Drive, node: Node, staged: StagedFile, offset: int, body: bytes, *, appends: bool) -> int:
    """Put bytes into the staged file. An appending handle's offset is the size that the kernel believes in, which is not
    the file's where another mount wrote in the last second: then the bytes go to the end, and the kernel forgets its pages.

    Pages of a memory map come through any handle that is open, also an appending one: they begin at a page, and lie below
    the size that the kernel was told.
    """
    believed = node.told.size if node.told is not None else staged.size
    if appends and offset != staged.size and (offset % mmap.PAGESIZE or offset == believed):
        done = staged.write(staged.size, body)
        drive.kernel.forget_inode(staged.ino, bytes_too=True)
        return done
    done = staged.write(offset, body)
    if may_stream(drive.store, staged):
        drive.streams.add(node)
    if node.told is not None and node.told.size < staged.size:
        node.told = node.told._replace(size=staged.size)
    return done


async def truncate(drive: Drive, node: Node, size: int) -> None:
    """Cut, or lengthen with zeros. NoSpace, TooLarge."""
    drive.access.may_write()
    if size > drive.store.capabilities.object_max_bytes:
        raise TooLarge("the store keeps no object of that size")
    async with node.lock:
        staged = await staged_for_change(drive, node, keep_base=size > 0)
        staged.truncate(size)


async def staged_for_change(drive: Drive, node: Node, *, keep_base: bool = True) -> StagedFile:
    """The node's staged file, begun if there is none. The caller holds the node's lock."""
    for _ in range(ATTEMPTS_MAX):
        if node.staged is not None:
            return node.staged
        looked_at = node.inode.content
        try:
            staged = begin(drive, node, keep_base=keep_base)
            await bring_base(drive, staged)
            return staged
        except PreconditionFailed:
            abandon(node)
            await catch_up(drive, node)
        except DamagedFile:
            abandon(node)
            if not await has_moved(drive, node, looked_at):
                raise
    raise DamagedFile(f"inode {node.ino}: the object is not the one that the catalog names")


async def bring_base(drive: Drive, staged: StagedFile) -> None:
    """Fetch a small file's bytes before it is changed, where they would be gone once another mount replaces the object.

    They are needed for the upload anyway. A store that cannot be reached now, or says nothing, is no reason not to take what
    is written: the thread that still asks it then changes nothing here.
    """
    reader = staged.base_reader
    if reader is None or reader.lasts or reader.content.size > SMALL_BYTES:
        return
    try:
        with reader.held(), trio.fail_after(drive.deadline_s * LOOK_SHARE):
            body = await drive.disk.run_in_thread(reader.read, 0, reader.content.size)
    except (StoreUnavailable, trio.TooSlowError) as problem:
        log.warning("inode %d is changed without its bytes, which are not to be had now: %s", staged.ino, problem)
        return
    for start, end in staged.gaps(0, len(body)):
        staged.fill(start, body[start:end])


def abandon(node: Node) -> None:
    """Nothing was written to the staged file yet, and what it began from is not there any more."""
    if node.staged is not None:
        node.staged.forget()
        node.staged = None


def begin(drive: Drive, node: Node, *, keep_base: bool) -> StagedFile:
    """Stage a node from what is committed. PreconditionFailed: the object is not that any more.

    `keep_base` holds on to the committed bytes where they are local, so that the gaps can be filled whatever happens to
    the object meanwhile; not needed where the file begins empty.
    """
    content = node.inode.content
    reader = Reader(drive.store, content) if content is not None and keep_base and content.size else None
    node.staged = StagedFile(drive.area, node.ino, content, reader)
    return node.staged


def loses_privileges(mode: int) -> bool:
    """Whether a change of the file by an ordinary user takes set-user-id or set-group-id away."""
    return bool(mode & SETUID or (mode & SETGID and mode & GROUP_EXECUTE))


def without_privileges(mode: int) -> int:
    """The mode that is left then."""
    return mode & ~(SETUID | (SETGID if mode & GROUP_EXECUTE else 0))
