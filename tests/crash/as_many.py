"""Many first commits, or moves, at once, without a mount; each step of a batch is a step of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kumofs.catalog.port import Delete, Insert, Step, Update
from kumofs.errors import Duplicate
from kumofs.staging.commit import Outcome, commit, put_claimed
from kumofs.staging.commit_new import Sent, claim_new, commit_new
from kumofs.staging.free_many import free_keys
from kumofs.staging.keys import free_key, freed
from kumofs.staging.settle import Settled, settle
from kumofs.staging.settle_many import Copied, claim_moves, commit_moves, copy_move
from kumofs.staging.staged import StagedFile


class InSteps:
    """Passes calls on to an engine that is stopped or held up at each call."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def batch(self, steps: Sequence[Step]) -> int:
        matched = 0
        for position, step in enumerate(steps):
            match step:
                case Insert():
                    try:
                        self._inner.insert(step.collection, step.doc, step.stamp)
                    except Duplicate as problem:
                        raise Duplicate(str(problem), position) from problem
                case Update():
                    change = (step.where, step.set, step.unset, step.inc, step.stamp)
                    matched += self._inner.update(step.collection, step.id, *change) is not None
                case Delete():
                    matched += self._inner.delete(step.collection, step.id, step.where) is not None
        return matched


def commit_as_many(engine: Any, store: Any, files: Sequence[StagedFile]) -> list[Outcome]:
    """What `fs/first_commits` and `fs/saving` do, one after another in one thread."""
    engine = InSteps(engine)
    sent = []
    for staged, claimed in zip(files, claim_new(engine, files), strict=True):
        info = put_claimed(engine, store, staged, *claimed) if claimed is not None else None
        if claimed is not None and info is not None:
            sent.append(Sent(staged, claimed, info))
    done = {one.staged.ino: inode for one, inode in zip(sent, commit_new(engine, sent), strict=True)}
    for one in sent:
        if done[one.staged.ino] is None:
            free_key(engine, store, one.claimed.record)
    return [Outcome.COMMITTED if done.get(staged.ino) else commit(engine, store, staged).outcome for staged in files]


def settle_as_many(engine: Any, store: Any, inos: Sequence[int]) -> list[Settled]:
    """What `fs/settling` does with files of a folder, in one thread; how it ended for those left to `settle`."""
    engine = InSteps(engine)
    moves, others = claim_moves(engine, inos)
    copied = [Copied(move, info) for move in moves if (info := copy_move(engine, store, move)) is not None]
    moved = commit_moves(engine, copied)
    done = {inode.ino for inode in moved.inodes}
    for move, _ in copied:
        if move.inode.ino not in done:
            freed(engine, store, move.record)
    free_keys(engine, store, moved.left)
    return [settle(engine, store, ino) for ino in [*others, *(move.inode.ino for move in moves if move.inode.ino not in done)]]
