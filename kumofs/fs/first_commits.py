"""First commits: many new files become content side by side, and the catalog is asked for those together that are ready.

Called by `saving`, which holds the inode's lock. Each file is put by a thread of its own; claims and commits of files
that came to that point meanwhile share their round trips (`staging/commit_new`).
"""

from __future__ import annotations

from functools import partial

from kumofs.catalog.port import Engine
from kumofs.fs.together import Together
from kumofs.model import Inode
from kumofs.offload import Lane
from kumofs.staging.commit import put_claimed
from kumofs.staging.commit_new import Sent, claim_new, commit_new
from kumofs.staging.keys import free_key
from kumofs.staging.staged import StagedFile
from kumofs.store.protocol import Store


class FirstCommits:
    """The first commits of one mount."""

    def __init__(self, engine: Engine, store: Store, catalog: Lane, uploads: Lane) -> None:
        self._engine = engine
        self._store = store
        self._uploads = uploads
        self._claims = Together(partial(catalog.run_in_thread, partial(claim_new, engine)))
        self._commits = Together(partial(catalog.run_in_thread, partial(commit_new, engine)))

    async def commit(self, staged: StagedFile) -> Inode | None:
        """Make a new file's bytes its content; the inode as it is now. None: that is for `staging/commit`."""
        claimed = await self._claims.call(staged)
        if claimed is None:
            return None
        inode, record = claimed
        info = await self._uploads.run_in_thread(put_claimed, self._engine, self._store, staged, inode, record)
        if info is None:
            return None
        done = await self._commits.call(Sent(staged, claimed, info))
        if done is None:
            await self._uploads.run_in_thread(free_key, self._engine, self._store, record)  # or the key would stay taken
        return done
