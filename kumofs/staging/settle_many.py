"""settle_many: many files follow their names; the catalog is asked for all of them in a few round trips.

    claim the wanted keys of all -> copy each, conditional on the source -> commit all by compare-and-swap -> free the old keys

The same steps as those of `settle`, of which this is the plain case. What is not plain (somebody has the key, the object has
changed, the inode was changed meanwhile) is left to `settle`, in a state in which it may begin anew.

Called by `fs/settling`, which copies each file in a thread of its own between `claim_moves` and `commit_moves`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kumofs.catalog.contents import commit_contents, content_step, mark_objects, read_inodes, read_objects
from kumofs.catalog.port import Engine
from kumofs.errors import KeyRefused, NoSuchObject, PreconditionFailed
from kumofs.model import Inode, ObjectRecord, ObjectState
from kumofs.staging.keys import Claimed, claim_wanted_keys, free_key, uses, wanted_keys
from kumofs.staging.settle import moved_content
from kumofs.store.protocol import ObjectInfo, Store

LARGEST_BYTES = 1 << 20
"""Larger files are moved one by one: those that are claimed together wait for each other."""


class Copied(NamedTuple):
    """A file whose copy is under its claimed key."""

    claimed: Claimed
    info: ObjectInfo


class Moves(NamedTuple):
    """What is to be done of many files: `moves` are claimed, `others` are for `settle`. The rest is in place, or gone."""

    moves: list[Claimed]
    others: list[int]


class Moved(NamedTuple):
    """The inodes as they are now, and the keys that they have left, with the etags of what lies there."""

    inodes: list[Inode]
    left: dict[ObjectRecord, str]


def claim_moves(engine: Engine, inos: Sequence[int]) -> Moves:
    """Claim the wanted key of each small file that is not under it."""
    named = [inode for inode in read_inodes(engine, inos).values() if inode.names]
    contents = {inode.ino: inode.content for inode in named if inode.content is not None}
    some = [inode for inode in named if inode.ino in contents]
    wanted = wanted_keys(engine, some)
    astray = {ino for ino, content in contents.items() if content.key != wanted[ino]}
    claims = claim_wanted_keys(engine, {ino: wanted[ino] for ino in astray if contents[ino].size <= LARGEST_BYTES})
    moves = [Claimed(inode, claims[inode.ino]) for inode in some if inode.ino in claims]
    return Moves(moves, [inode.ino for inode in named if inode.ino not in contents or inode.ino in astray - {*claims}])


def copy_move(engine: Engine, store: Store, move: Claimed) -> ObjectInfo | None:
    """Copy the object under the claimed key. None: it cannot be done, and the claim is given up."""
    old = move.inode.content
    assert old is not None
    try:
        return store.copy(old.key, move.record.key, if_match=old.etag, size=old.size)
    except (KeyRefused, PreconditionFailed, NoSuchObject):
        free_key(engine, store, move.record)
        return None


def commit_moves(engine: Engine, copied: Sequence[Copied]) -> Moved:
    """Commit what was copied. Who is not among the inodes that are told was not committed, and its claim is to be freed."""
    steps = [content_step(inode, moved_content(inode, info)) for (inode, _), info in copied]
    now = commit_contents(engine, steps)
    done = [claimed for claimed, _ in copied if uses(now.get(claimed.inode.ino), claimed.record.key)]
    mark_objects(engine, [record for _, record in done], ObjectState.LIVE)
    before = {inode.content.key: inode for inode, _ in done if inode.content is not None}
    left = {
        record: inode.content.etag
        for record in read_objects(engine, before)
        if (inode := before[record.key]).ino == record.ino and inode.content is not None
    }
    return Moved([now[inode.ino] for inode, _ in done], left)
