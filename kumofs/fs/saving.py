"""Saving: a node's staged bytes become its committed content: in the background after close, at once for fsync.

`closed` is what a close does: it journals the bytes, which then survive this process, and puts the file into the outbox.
A failed upload is noted, and tried again by the outbox, at unmount, and by the next mount.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kumofs.cache.reader import Reader
from kumofs.catalog.inodes import read_inode
from kumofs.errors import CatalogUnavailable, KumofsError
from kumofs.fs.drive import Drive
from kumofs.fs.node import Node
from kumofs.fs.reading import hold_bytes
from kumofs.model import name_of, parent_of
from kumofs.offload import to_the_end
from kumofs.staging.commit import Committed, Outcome, commit
from kumofs.staging.conflict import keep_both
from kumofs.staging.journal import read_record
from kumofs.staging.staged import StagedFile

log = logging.getLogger(__name__)


async def closed(drive: Drive, node: Node) -> None:
    """A program closed the file. Write-through: saves, and raises why it cannot; else the bytes are kept to be sent."""
    staged = node.staged
    if staged is None or not node.inode.names:
        return
    if drive.write_through:
        await save(drive, node)
        return
    try:
        if not staged.journalled:
            staged.journal(durable=False)
    finally:
        drive.outbox.add(node)  # also where the disk is full, and the program told: on their way the bytes need no journal


async def save(drive: Drive, node: Node) -> None:
    """Bring what is staged into store and catalog; nothing to do is success. Raises why it cannot be done."""
    if node.staged is not None:
        await to_the_end(save_staged, drive, node)


async def save_staged(drive: Drive, node: Node) -> None:
    """The same, under the node's lock, whoever still waits for it."""
    async with node.lock:
        staged = node.staged
        if staged is None or not node.inode.names:
            return
        try:
            drive.access.may_write()
            done = await committed(drive, node, staged)
            await conclude(drive, node, staged, done)
        except KumofsError as problem:
            await keep_for_later(drive, node, staged, problem)
            raise


async def committed(drive: Drive, node: Node, staged: StagedFile) -> Committed:
    """Bring the bytes into store and catalog: one of many new files together with the others."""
    if len(drive.outbox) > 1 and node.inode.content is None and staged.base is None and staged.stream is None:
        inode = await drive.first_commits.commit(staged)
        if inode is not None:
            return Committed(Outcome.COMMITTED, inode)
    return await drive.uploads.run_in_thread(commit, drive.engine, drive.store, staged)


async def conclude(drive: Drive, node: Node, staged: StagedFile, done: Committed) -> None:
    """Note what became of the bytes."""
    if done.inode is not None:
        drive.tree.adopt(done.inode)
    if done.outcome is Outcome.CONFLICT and done.inode is not None:
        await save_beside(drive, node, staged, done)
    elif done.outcome is Outcome.UNLINKED:
        drive.outbox.discard(node)
        return  # open files live on in the staging area; the last close discards them
    reader = None
    if done.outcome is Outcome.COMMITTED:
        reader = reader_of(drive, node, staged, done)
        staged.forget(heir_of(drive, staged, done))
    drive.outbox.discard(node)
    node.staged = None
    node.close_reader()
    node.reader = reader
    if node.opens:
        hold_bytes(drive, node)
    note_kernel(drive, node, done)
    if done.inode is not None and done.inode.moved_us:
        drive.moved.add(node.ino)
    drive.tree.drop_unused(node)


def reader_of(drive: Drive, node: Node, staged: StagedFile, done: Committed) -> Reader | None:
    """What whoever has the file open reads on from, whatever others do to it meanwhile: where the store lies on this machine
    the staged file has become the object, or is as good."""
    content = done.inode.content if done.inode is not None else None
    local = drive.store.capabilities.local_files
    if not local or not node.opens or content is None or content.data != staged.data or staged.gaps(0, staged.size):
        return None
    return Reader(drive.store, content, fd=os.dup(staged.fd))


def heir_of(drive: Drive, staged: StagedFile, done: Committed) -> Callable[[Path], bool] | None:
    """Who may have the file of what was committed: it holds what would be fetched again else."""
    content = done.inode.content if done.inode is not None else None
    if drive.disk_cache is None or content is None or (content.data, content.size) != (staged.data, staged.size):
        return None
    return partial(drive.disk_cache.adopt, content)


def note_kernel(drive: Drive, node: Node, done: Committed) -> None:
    """What the kernel has of the file is what was committed, or, where somebody else was quicker, is nothing any more."""
    if done.outcome is Outcome.CONFLICT:
        node.kernel_data = None
        drive.kernel.forget_inode(node.ino, bytes_too=True)
        return
    if done.inode is None or done.inode.content is None:
        return
    if node.kernel_data is not None:
        node.kernel_data = done.inode.content.data
    if node.told is not None and node.data == done.inode.content.data:
        now = node.shown  # size and times of our own writes the kernel knows by itself
        node.told = node.told._replace(size=now.size, mtime_ns=now.mtime_ns, ctime_ns=now.ctime_ns)


async def save_beside(drive: Drive, node: Node, staged: StagedFile, done: Committed) -> None:
    """Somebody else changed the file meanwhile: theirs keeps the name, ours is kept beside it."""
    assert done.inode is not None
    ours = await drive.uploads.run_in_thread(keep_both, drive.engine, drive.store, drive.numbers, staged, done.inode, drive.host)
    copy = drive.tree.adopt(ours)
    drive.outbox.discard(node)
    copy.staged, node.staged = staged, None
    drive.conflicts.append(name_of(ours.names[0]))
    directory = drive.tree.find(parent_of(ours.names[0]))
    if directory is not None:
        drive.tree.add_name(directory, name_of(ours.names[0]), copy)
    log.warning("inode %d was changed elsewhere; the version written here is kept as %r", node.ino, name_of(ours.names[0]))
    await closed(drive, copy)


async def keep_for_later(drive: Drive, node: Node, staged: StagedFile, problem: KumofsError) -> None:
    """Journal what could not be saved, so that it survives this mount."""
    staged.error = str(problem) or type(problem).__name__
    drive.outbox.put_off(node, problem)
    log.warning("inode %d is not saved yet: %s", node.ino, staged.error)
    await drive.disk.run_in_thread(staged.journal)


async def keep_all(drive: Drive) -> None:
    """Journal everything staged: whatever happens to this process from here on, the next mount takes it up."""
    for node in drive.tree.nodes():
        if node.staged is not None and node.inode.names:
            try:
                await drive.disk.run_in_thread(node.staged.journal)
            except KumofsError as problem:
                log.error("inode %d cannot be kept: %s", node.ino, problem)


async def sync(drive: Drive, node: Node | None) -> None:
    """fsync: the bytes are in the store, and the catalog survives a power cut."""
    if node is not None:
        await save(drive, node)
        drive.steady.forget(node.ino)
    await drive.catalog.run_in_thread(drive.engine.barrier)


async def replay(drive: Drive) -> int:
    """Take up what an earlier mount staged and could not save; how many files that were. Called before the mount answers."""
    area = drive.area
    found = 0
    for ino in area.journalled():
        record = read_record(area.journal_path(ino))
        if record is None:
            log.error("the journal record of inode %d in %s cannot be read; its bytes are left there", ino, area.directory)
            continue
        staged = StagedFile.restore(area, record)
        try:
            inode = await drive.catalog.run(read_inode, drive.engine, ino)
        except CatalogUnavailable:
            staged.close()
            raise
        if inode is None or not inode.names or inode.home != drive.access.home:
            log.warning("inode %d was removed meanwhile; its staged bytes are dropped", ino)
            staged.forget()
            continue
        node = drive.tree.adopt(inode)
        node.staged = staged
        drive.outbox.add(node)
        found += 1
    area.drop_unjournalled()
    return found
