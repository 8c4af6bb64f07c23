"""clean_names: what is left to do after unlinks that were answered at their commit; the same for one name as for a hundred.

`unlink.take_name` takes a name from its inode and leaves the name's entry, as an unlink that stopped there would. Whoever
meets such an entry removes it (`claims.resolve`); here many of them go in a few round trips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kumofs.catalog.claims import resolve
from kumofs.catalog.contents import read_inodes
from kumofs.catalog.directories import touch
from kumofs.catalog.documents import entry_of
from kumofs.catalog.port import Delete, Engine, Step, Update
from kumofs.catalog.schema import ENTRIES, INODES
from kumofs.model import Entry, Inode, parent_of


class Taken(NamedTuple):
    """A name (an entry's id) that was taken from an inode, and when."""

    name_id: str
    ino: int
    now_ns: int


def clean_names(engine: Engine, taken: Sequence[Taken]) -> dict[int, int]:
    """Remove the entries of names that were taken, and note the change of their directories: by number, with the `arev` that
    views have at least which were read after that."""
    holders = {name_id: ino for name_id, ino, _ in taken}
    docs = engine.get_many(ENTRIES, holders)
    entries = [entry_of(doc) for doc in docs.values()]
    left = [entry for entry in entries if entry.inos == (holders[entry.id],)]
    changed = {parent_of(name_id): now_ns for name_id, _, now_ns in sorted(taken, key=lambda each: each.now_ns)}
    inodes = read_inodes(engine, {ino for _, ino, _ in taken} | {*changed})
    if not fence_linked(engine, left, inodes):
        left = []
    steps: list[Step] = [Delete(ENTRIES, entry.id, {"token": entry.token}) for entry in left]
    touches = [touch(parent, latest(inodes.get(parent), now_ns)) for parent, now_ns in changed.items()]
    engine.batch([*steps, *touches])
    for entry in entries:
        if entry not in left:
            resolve(engine, entry.id)  # others have been here: it may be anything by now
    return {parent: inodes[parent].arev + 1 for parent in changed if parent in inodes}


def latest(directory: Inode | None, now_ns: int) -> int:
    """The time of a directory in which a name was taken at `now_ns`: a change since then stays the last one."""
    return now_ns if directory is None else max(now_ns, directory.mtime_ns)


def fence_linked(engine: Engine, left: Sequence[Entry], inodes: dict[int, Inode]) -> bool:
    """Fence the inodes that have other names, so that nobody who linked one of them under the same name again can commit by
    the entry that is to be removed. An inode without names is linked nowhere any more. False: not all of them.
    """
    linked = {ino: inodes[ino] for entry in left for ino in entry.inos if ino in inodes and inodes[ino].names}
    if any(entry.id in inode.names for entry in left for inode in linked.values()):
        return False  # it is linked there again
    fences = [Update(INODES, ino, {"nrev": inode.nrev}, inc={"nrev": 1}) for ino, inode in linked.items()]
    return engine.batch(fences) == len(fences)
