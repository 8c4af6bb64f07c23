"""Filling: what was never written to a staged file is brought in from the content that the writing began from."""

from __future__ import annotations

from kumofs.cache.reader import Reader
from kumofs.model import Content
from kumofs.staging.ranges import Range
from kumofs.staging.staged import StagedFile
from kumofs.store.protocol import Store

FILL_BYTES = 8 << 20


def fill_gaps(store: Store, staged: StagedFile, content: Content | None, start: int, end: int) -> None:
    """Make [start, end) of a staged file complete. `content`: the same data as its base, wherever it lies now.

    PreconditionFailed where the base is not in the store any more; DamagedFile, StoreUnavailable.
    """
    gaps = staged.gaps(start, end)
    if not gaps or content is None:
        return
    kept = staged.base_reader
    if kept is not None and (kept.is_local or kept.content.key == content.key):
        fill_from(staged, kept, gaps)
        return
    # the object lies under another key by now: its file was renamed, and the key has followed
    reader = Reader(store, content)
    try:
        fill_from(staged, reader, gaps)
    finally:
        reader.close()


def fill_from(staged: StagedFile, reader: Reader, gaps: list[Range]) -> None:
    """Fill the gaps from one reader."""
    for first, last in gaps:
        fill(staged, reader, first, last)


def fill(staged: StagedFile, reader: Reader, start: int, end: int) -> None:
    """One gap: within the kernel where both files are local, else in pieces."""
    if reader.copy_into(staged.fd, start, end):
        staged.note_filled(start, end)
        return
    for offset in range(start, end, FILL_BYTES):
        staged.fill(offset, reader.read(offset, min(FILL_BYTES, end - offset)))
