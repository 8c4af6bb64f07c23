"""commit: staged bytes go into the store under a condition, then the catalog is swung to them by compare-and-swap.

    claim key -> put, conditional on what was there -> commit -> object live -> forget the staged copy

Where most of a large object stays as it is, only what was changed is sent, and the store copies the rest (`part_plan`).

Runs wholly in a worker thread; the caller holds the inode's lock, so nobody writes to the staged file meanwhile. A crash
between put and commit leaves the store ahead of the catalog: whoever meets that rolls it forward (`roll_forward`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from kumofs.catalog.claims import read_inode
from kumofs.catalog.contents import commit_content, delete_object, mark_object
from kumofs.catalog.port import Engine
from kumofs.errors import DamagedFile, KeyRefused, NoSuchObject, PreconditionFailed
from kumofs.model import Content, Inode, ObjectRecord, ObjectState
from kumofs.staging.description import content_from, content_type, metadata, new_times
from kumofs.staging.filling import fill_gaps
from kumofs.staging.keys import DATA, INO, claim_key, free_key, remove_bytes, wanted_key
from kumofs.staging.part_plan import plan_parts
from kumofs.staging.staged import StagedFile
from kumofs.staging.stream import Stream
from kumofs.staging.streaming import finish, give_up
from kumofs.store.pieces import Piece
from kumofs.store.protocol import ObjectInfo, Store

ATTEMPTS_MAX = 100


class Outcome(Enum):
    """How a commit ended. `CONFLICT`: somebody else committed other bytes; ours are still staged."""

    COMMITTED = "committed"
    UNLINKED = "unlinked"
    CONFLICT = "conflict"


class Committed(NamedTuple):
    """The outcome, and the inode as it is now."""

    outcome: Outcome
    inode: Inode | None


def commit(engine: Engine, store: Store, staged: StagedFile) -> Committed:
    """Make staged bytes the file's content. Raises what store and catalog raise; the staged bytes then stay."""
    if staged.stream is not None:
        done = finish_stream(engine, store, staged, staged.stream)
        if done is not None:
            return Committed(Outcome.COMMITTED, done)
    refused: set[str] = set()
    for _ in range(ATTEMPTS_MAX):
        inode = read_inode(engine, staged.ino)
        if inode is None or not inode.names:
            return Committed(Outcome.UNLINKED, inode)
        if inode.content is not None and inode.content.data == staged.data:
            return Committed(Outcome.COMMITTED, inode)  # somebody rolled our put forward
        if not staged.is_own(inode.content):
            return Committed(Outcome.CONFLICT, inode)
        pieces = planned(store, staged, inode.content)
        if not filled(engine, store, staged, inode, pieces):
            continue
        done = put_and_commit(engine, store, staged, inode, pieces, refused)
        if done is not None:
            return Committed(Outcome.COMMITTED, done)
        roll_forward(engine, store, staged.ino)
    raise PreconditionFailed(f"inode {staged.ino}: its content kept changing")


def finish_stream(engine: Engine, store: Store, staged: StagedFile, stream: Stream) -> Inode | None:
    """Commit what has gone out while the file was written; None: it is to be sent as any other, or not at all."""
    inode = read_inode(engine, staged.ino)
    if inode is not None and inode.names and inode.content is None:
        return finish(engine, store, staged, stream)
    give_up(engine, store, staged, stream)
    return None


def planned(store: Store, staged: StagedFile, content: Content | None) -> Sequence[Piece]:
    """What of the file is sent and what the store copies from its object; empty where the whole file is sent.

    Of files that lie on this machine what was not written is copied here, and the store then links the staged file.
    """
    able = store.capabilities
    if content is None or able.local_files or not able.copy_parts:
        return ()
    return plan_parts(staged.size, staged.gaps(0, staged.size), able.part_min_bytes, able.part_max_count)


def filled(engine: Engine, store: Store, staged: StagedFile, inode: Inode, pieces: Sequence[Piece]) -> bool:
    """Bring in what was not written and is to be sent. False: it was not where the inode said, which says something else now."""
    try:
        for start, length, copied in pieces or [Piece(0, staged.size, copied=False)]:
            if not copied:
                fill_gaps(store, staged, inode.content, start, start + length)
    except PreconditionFailed:
        now = roll_forward(engine, store, inode.ino)  # a put whose commit is missing: our own, perhaps
        if now is not None and now.content == inode.content:
            raise
        return False
    except DamagedFile:
        now = read_inode(engine, inode.ino)
        if now is not None and now.content == inode.content:
            raise
        return False
    return True


def put_and_commit(
    engine: Engine, store: Store, staged: StagedFile, inode: Inode, pieces: Sequence[Piece], refused: set[str]
) -> Inode | None:
    """One attempt; None: begin again from what is there now. `refused` collects keys that the store would not take."""
    if inode.content is not None:
        return replace_bytes(engine, store, staged, inode, inode.content, pieces)
    claimed = claim_key(engine, store, inode, refused)
    if claimed is None:
        return None
    info = put_claimed(engine, store, staged, inode, claimed)
    if info is None:
        refused.add(claimed.key)
        return None
    astray = claimed.key != wanted_key(engine, inode)
    done = commit_content(engine, inode, content_from(info, staged), new_times(inode, staged), astray=astray)
    if done is None:
        free_key(engine, store, claimed)  # put, and not the file's: withdrawn at once, or the key would stay taken
    else:
        mark_object(engine, claimed, ObjectState.LIVE)
    return done


def replace_bytes(
    engine: Engine, store: Store, staged: StagedFile, inode: Inode, old: Content, pieces: Sequence[Piece]
) -> Inode | None:
    """Write over the committed object, where it still is that one, and commit."""
    try:
        info = put_pieces(store, staged, inode, old, pieces) if pieces else put(store, staged, inode, old.key, if_match=old.etag)
    except PreconditionFailed:
        return None
    return commit_content(engine, inode, content_from(info, staged), new_times(inode, staged))


def put_claimed(engine: Engine, store: Store, staged: StagedFile, inode: Inode, claimed: ObjectRecord) -> ObjectInfo | None:
    """Write under a key that was just claimed. None: it cannot be done there, and the claim is given up."""
    info = put_new(engine, store, staged, inode, claimed)
    if info is None:
        delete_object(engine, claimed)
    return info


def put_new(engine: Engine, store: Store, staged: StagedFile, inode: Inode, claimed: ObjectRecord) -> ObjectInfo | None:
    """Write under a key that was just claimed. None: something else lies there, or the store cannot carry the key."""
    try:
        return put(store, staged, inode, claimed.key)
    except KeyRefused:
        return None
    except PreconditionFailed:
        there = own_object(store, claimed.key, inode.ino)
        if there is None:
            return None
    if there.metadata.get(DATA) == staged.data:
        return there  # our own put, whose answer came too late
    if not store.capabilities.conditional_delete:
        return None  # our DELETE could hit what another mount of this home writes here meanwhile
    remove_bytes(engine, store, claimed)  # a late put of ours: other bytes, never committed
    try:
        return put(store, staged, inode, claimed.key)
    except PreconditionFailed:
        return None


def own_object(store: Store, key: str, ino: int) -> ObjectInfo | None:
    """The object under a key, if it was written for that inode."""
    try:
        there = store.head(key)
    except (NoSuchObject, KeyRefused):
        return None
    return there if there.metadata.get(INO) == str(ino) else None


def put(store: Store, staged: StagedFile, inode: Inode, key: str, if_match: str | None = None) -> ObjectInfo:
    """Write the staged file under its key: over what it replaces, or where nothing is."""
    staged.share()
    staged.note_sent()
    with staged.begun.noted(key) as began:
        return store.put_file(
            key,
            staged.path,
            if_match=if_match,
            if_none_match=if_match is None,
            content_type=content_type(inode),
            metadata=metadata(inode, staged.data, staged.mtime_ns),
            share=True,
            began=began,
        )


def put_pieces(store: Store, staged: StagedFile, inode: Inode, old: Content, pieces: Sequence[Piece]) -> ObjectInfo:
    """Write what was changed of the object that the staged file replaces; the store keeps the rest of it."""
    staged.note_sent()
    with staged.begun.noted(old.key) as began:
        return store.put_pieces(
            old.key,
            staged.path,
            pieces,
            if_match=old.etag,
            content_type=content_type(inode),
            metadata=metadata(inode, staged.data, staged.mtime_ns),
            began=began,
        )


def roll_forward(engine: Engine, store: Store, ino: int) -> Inode | None:
    """Commit for a writer that stopped between its put and its commit; the inode as it is now."""
    inode = read_inode(engine, ino)
    if inode is None or inode.content is None:
        return inode
    try:
        there = store.head(inode.content.key)
    except NoSuchObject:
        return inode
    if there.metadata.get(INO) != str(ino) or there.etag == inode.content.etag or DATA not in there.metadata:
        return inode
    content = Content(there.key, there.etag, there.version, there.size, there.metadata[DATA])
    mtime_ns = int(there.metadata.get("kumo-mtime", there.modified_ns))
    return commit_content(engine, inode, content, {"mtime_ns": mtime_ns, "ctime_ns": mtime_ns}) or read_inode(engine, ino)
