"""Filling: what was never written to a staged file is brought in from the content that the writing began from, or laid over
what is read of it."""

from __future__ import annotations

from kumofs.cache.reader import Reader
from kumofs.model import Bytes, Content
from kumofs.staging.ranges import Range
from kumofs.staging.staged import StagedFile
from kumofs.store.protocol import Store

FILL_BYTES = 8 << 20

Found = tuple[int, Bytes]
"""Bytes of a content, and where they begin."""


def fill_gaps(store: Store, staged: StagedFile, content: Content | None, start: int, end: int) -> None:
    """Make [start, end) of a staged file complete. `content`: the same data as its base, wherever it lies now.

    PreconditionFailed where the base is not in the store any more; DamagedFile, StoreUnavailable.
    """
    gaps = staged.gaps(start, end)
    if not gaps or content is None:
        return
    reader = reader_of(store, staged, content)
    try:
        for first, last in gaps:
            fill(staged, reader, first, last)
    finally:
        if reader is not staged.base_reader:
            reader.close()


def reader_of(store: Store, staged: StagedFile, content: Content) -> Reader:
    """What the base was opened as, where that still reads these bytes; else the content is opened where it lies now."""
    base = staged.base_reader
    if base is not None and base.reads(content):
        return base
    return Reader(store, content)


def read_ranges(reader: Reader, ranges: list[Range]) -> list[Found]:
    """Those bytes of a content. What `Reader.read` raises."""
    return [(start, reader.read(start, end - start)) for start, end in ranges]


def overlaid(staged: StagedFile, offset: int, length: int, found: list[Found]) -> bytes:
    """Bytes of a staged file, with what was `found` in its base where nothing was written to this moment.

    Where the gaps are is asked first: a commit in its thread may fill them meanwhile, and what is no gap is there by then.
    """
    end = min(offset + length, staged.size)
    gaps = staged.gaps(offset, end)
    body = bytearray(staged.read(offset, length).ljust(max(0, end - offset), b"\0"))
    for first, last in gaps:
        start, piece = next(each for each in found if each[0] <= first < each[0] + len(each[1]))
        body[first - offset : last - offset] = piece[first - start : last - start]
    return bytes(body)


def fill(staged: StagedFile, reader: Reader, start: int, end: int) -> None:
    """One gap: within the kernel where both files are local, else in pieces."""
    if reader.copy_into(staged.fd, start, end):
        staged.note_filled(start, end)
        return
    for offset in range(start, end, FILL_BYTES):
        staged.fill(offset, reader.read(offset, min(FILL_BYTES, end - offset)))
