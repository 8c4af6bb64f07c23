"""Warming: the bytes of a file, or of all files in a folder, are fetched into the cache on disk before anybody reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import trio

from kumofs.cache.disk import DiskCache
from kumofs.cache.eviction import FILE_SHARE
from kumofs.cache.origin import fetch
from kumofs.catalog.claims import read_inode
from kumofs.catalog.inodes import list_page
from kumofs.errors import DamagedFile, KumofsError, NotFound, PreconditionFailed
from kumofs.fs.drive import Drive
from kumofs.model import Content, Inode, Kind

PIECE_BYTES = 2 << 20
PIECES = 16
"""Fetched at a time, so that many small files do not wait for each other's round trip: 32 MiB of memory at most."""
PAGE = 1000


@dataclass(slots=True)
class Progress:
    """How far it is. `failed` pieces could not be fetched, the last because of `problem`; `full`: there is no room for all."""

    files: int = 0
    files_max: int = 0
    size_bytes: int = 0
    bytes_max: int = 0
    failed: int = 0
    problem: str | None = None
    full: bool = False


async def warm(drive: Drive, cache: DiskCache, ino: int) -> AsyncIterator[Progress]:
    """Fetch what a file or folder has that is not cached yet. First everything is counted. NotFound, CatalogUnavailable."""
    progress = Progress()
    async for inode in files(drive, ino):
        progress.files_max += 1
        progress.bytes_max += inode.size
        if progress.files_max % PAGE == 0:
            yield progress
    room = room_of_all = (await drive.disk.run_in_thread(cache.room.usage)).bytes_max
    pieces: list[tuple[Inode, int]] = []
    async for inode in files(drive, ino):
        if inode.size > min(room, room_of_all // FILE_SHARE):
            progress.full = True
            continue
        room -= inode.size
        progress.files += 1
        for start in range(0, inode.size, PIECE_BYTES):
            pieces.append((inode, start))
            if len(pieces) == PIECES:
                await fetch_all(drive, cache, pieces, progress)
                pieces.clear()
                yield progress
    await fetch_all(drive, cache, pieces, progress)
    yield progress


async def files(drive: Drive, ino: int) -> AsyncIterator[Inode]:
    """The committed files in a folder, and in the folders in it, as the catalog has them; or the one file. NotFound."""
    top = await drive.catalog.run(read_inode, drive.engine, ino)
    if top is None:
        raise NotFound("it has been removed")
    drive.access.may_touch(top)
    folders = [ino] if top.kind is Kind.DIR else []
    if top.kind is Kind.FILE and top.content is not None:
        yield top
    while folders:
        folder = folders.pop()
        after: str | None = ""
        while after is not None:
            page = await drive.catalog.run(list_page, drive.engine, folder, after, PAGE)
            for _, inode in page.found:
                if inode.kind is Kind.DIR:
                    folders.append(inode.ino)
                elif inode.kind is Kind.FILE and inode.content is not None:
                    yield inode
            after = page.after
            await trio.lowlevel.checkpoint()


async def fetch_all(drive: Drive, cache: DiskCache, pieces: list[tuple[Inode, int]], progress: Progress) -> None:
    """Fetch pieces side by side; those that cannot be are counted."""
    async with trio.open_nursery() as nursery:
        for inode, start in pieces:
            nursery.start_soon(fetch_one, drive, cache, inode, start, progress)


async def fetch_one(drive: Drive, cache: DiskCache, inode: Inode, start: int, progress: Progress) -> None:
    """Fetch one piece. A file that was moved in the store meanwhile is looked for once more; one that was changed is done."""
    content = inode.content
    assert content is not None
    end = min(start + PIECE_BYTES, content.size)
    try:
        drive.access.may_read()
        try:
            kept = await fetch_piece(drive, cache, content, start, end)
        except (DamagedFile, PreconditionFailed):
            now = await drive.catalog.run(read_inode, drive.engine, inode.ino)
            if now is not None and now.content == content:
                raise
            kept = True
            if now is not None and now.content is not None and now.content.data == content.data:
                kept = await fetch_piece(drive, cache, now.content, start, end)
        progress.full = progress.full or not kept
    except KumofsError as problem:
        progress.failed += 1
        progress.problem = str(problem) or type(problem).__name__
    progress.size_bytes += end - start


async def fetch_piece(drive: Drive, cache: DiskCache, content: Content, start: int, end: int) -> bool:
    """Fetch [start, end) of a content in a thread; whether it is kept."""
    return await drive.disk.run_in_thread(cache.warm, content, start, end, partial(fetch, drive.store, content))
