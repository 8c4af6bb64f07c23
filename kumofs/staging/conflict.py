"""Conflict: somebody else committed other bytes under a file that was being written here. Both are kept.

Theirs keeps the name; ours becomes `name (conflict <date> <host>).ext` beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from secrets import randbelow

from kumofs.catalog.create import create
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.port import Engine
from kumofs.errors import CatalogUnavailable, DamagedFile, Exists, PreconditionFailed
from kumofs.model import NAME_MAX_BYTES, Inode, name_of, parent_of
from kumofs.staging.filling import fill_gaps
from kumofs.staging.staged import StagedFile
from kumofs.store.protocol import Store

COUNTED_MAX = 9
"""Conflict copies of one name and day that are counted. More are drawn: counting would ask the catalog for each once more."""
DRAWN_MAX = 1_000_000_000
ATTEMPTS_MAX = 100


def keep_both(engine: Engine, store: Store, numbers: Numbers, staged: StagedFile, theirs: Inode, host: str) -> Inode:
    """Give staged bytes a new inode beside `theirs`; the staged file then belongs to it and is still to be committed."""
    try:
        fill_gaps(store, staged, staged.base, 0, staged.size)
    except (PreconditionFailed, DamagedFile):
        # what the writing began from is gone: what was not written here is as the other one left it
        content = theirs.content
        fill_gaps(store, staged, content, 0, min(staged.size, content.size if content is not None else 0))
    ours = create_beside(engine, numbers, staged, theirs, host)
    staged.move_to(ours.ino)
    return ours


def create_beside(engine: Engine, numbers: Numbers, staged: StagedFile, theirs: Inode, host: str) -> Inode:
    """A new file beside another, under the first free conflict name."""
    fresh = replace(theirs, names=(), content=None, nrev=0, rev=0, removing=None)
    draft = replace(fresh, mtime_ns=staged.mtime_ns, ctime_ns=staged.changed_ns)
    for attempt in attempts():
        name = conflict_name(name_of(theirs.names[0]), staged.changed_ns, host, attempt)
        try:
            return create(engine, numbers, parent_of(theirs.names[0]), name, draft)
        except Exists:
            continue
    raise CatalogUnavailable(f"it takes no name for a conflict copy of inode {theirs.ino}")


def attempts() -> Iterator[int]:
    """The numbers to try: the first few in order, then any."""
    yield from range(1, COUNTED_MAX + 1)
    for _ in range(ATTEMPTS_MAX):
        yield COUNTED_MAX + 1 + randbelow(DRAWN_MAX)


def conflict_name(name: str, now_ns: int, host: str, attempt: int = 1) -> str:
    """`report (conflict 2026-03-01 laptop).txt`, cut to 255 bytes."""
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    date = datetime.fromtimestamp(now_ns / 1e9, UTC).strftime("%Y-%m-%d")
    tail = f" (conflict {date} {host[:32].replace('/', '-')}{f' {attempt}' if attempt > 1 else ''}){dot}{extension}"
    room = NAME_MAX_BYTES - len(tail.encode())
    if room < 1:  # an "extension" that fills the name
        return conflict_name(name.replace(".", "_"), now_ns, host, attempt)
    return stem.encode()[:room].decode(errors="ignore") + tail
