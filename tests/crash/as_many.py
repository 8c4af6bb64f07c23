"""Many first commits at once, without a mount: each step of a batch is a step of its own, as on an engine that ends in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kumofs.catalog.port import Delete, Insert, Step, Update
from kumofs.errors import Duplicate
from kumofs.staging.commit import Outcome, commit, put_claimed
from kumofs.staging.commit_new import Sent, claim_new, commit_new
from kumofs.staging.keys import free_key
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
