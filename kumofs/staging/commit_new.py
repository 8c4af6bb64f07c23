"""commit_new: the first commits of many small files; the catalog is asked for all of them in a few round trips.

    claim the keys of all -> put each one, where nothing is -> commit all by compare-and-swap -> objects live

The same steps as those of `commit`, of which this is the plain case. Whatever is not plain (the name is gone, somebody has
the key, the put is refused, the inode was changed meanwhile) is left to `commit`, in a state in which it may begin anew.

`claim_new` and `commit_new` are called by `fs/first_commits`, which holds the locks of all the inodes; between the two it
puts each file by itself (`commit.put_claimed`), so that they are on their way side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kumofs.catalog.contents import commit_contents, content_step, mark_objects, read_inodes
from kumofs.catalog.port import Engine
from kumofs.model import Inode, ObjectState
from kumofs.staging.description import content_from, new_times
from kumofs.staging.keys import Claimed, claim_wanted_keys, wanted_keys
from kumofs.staging.staged import StagedFile
from kumofs.store.protocol import ObjectInfo


class Sent(NamedTuple):
    """A file whose bytes are under its claimed key."""

    staged: StagedFile
    claimed: Claimed
    info: ObjectInfo


def claim_new(engine: Engine, files: Sequence[StagedFile]) -> list[Claimed | None]:
    """Claim the wanted key of each file that has no content yet; None: that one is for `commit`."""
    found = read_inodes(engine, [staged.ino for staged in files])
    inodes = [found[staged.ino] for staged in files if is_new(staged, found.get(staged.ino))]
    claims = claim_wanted_keys(engine, wanted_keys(engine, inodes))
    return [Claimed(found[staged.ino], claims[staged.ino]) if staged.ino in claims else None for staged in files]


def is_new(staged: StagedFile, inode: Inode | None) -> bool:
    """Whether the staged bytes are the first of a file that has a name."""
    return inode is not None and bool(inode.names) and inode.content is None and staged.is_own(None)


def commit_new(engine: Engine, sent: Sequence[Sent]) -> list[Inode | None]:
    """Commit what was put; the inodes as they are now. None: it was not committed, and its claim is to be freed."""
    wanted = wanted_keys(engine, [claimed.inode for _, claimed, _ in sent])
    steps = [
        content_step(inode, content_from(info, staged), new_times(inode, staged), astray=record.key != wanted[inode.ino])
        for staged, (inode, record), info in sent
    ]
    now = commit_contents(engine, steps)
    done = {staged.ino: claimed.record for staged, claimed, _ in sent if is_committed(staged, now.get(staged.ino))}
    mark_objects(engine, [*done.values()], ObjectState.LIVE)
    return [now[staged.ino] if staged.ino in done else None for staged, _, _ in sent]


def is_committed(staged: StagedFile, inode: Inode | None) -> bool:
    """Whether the staged bytes are the inode's content."""
    return inode is not None and inode.content is not None and inode.content.data == staged.data
