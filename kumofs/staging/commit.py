"""commit: staged bytes go into the store under a condition, then the catalog is swung to them by compare-and-swap.

    claim key -> put, conditional on what was there -> commit -> object live -> forget the staged copy

Runs wholly in a worker thread; the caller holds the inode's lock, so nobody writes to the staged file meanwhile. A crash
between put and commit leaves the store ahead of the catalog: whoever meets that rolls it forward (`roll_forward`).
"""

from __future__ import annotations

import mimetypes
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import quote

from kumofs.catalog.claims import read_inode
from kumofs.catalog.contents import commit_content, delete_object, mark_object
from kumofs.catalog.port import Engine
from kumofs.errors import DamagedFile, KeyRefused, NoSuchObject, PreconditionFailed
from kumofs.model import Content, Inode, ObjectRecord, ObjectState, name_of
from kumofs.staging.filling import fill_gaps
from kumofs.staging.keys import DATA, INO, claim_key, free_key, remove_bytes, wanted_key
from kumofs.staging.staged import StagedFile
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
    refused: set[str] = set()
    for _ in range(ATTEMPTS_MAX):
        inode = read_inode(engine, staged.ino)
        if inode is None or not inode.names:
            return Committed(Outcome.UNLINKED, inode)
        if inode.content is not None and inode.content.data == staged.data:
            return Committed(Outcome.COMMITTED, inode)  # somebody rolled our put forward
        if not staged.is_own(inode.content):
            return Committed(Outcome.CONFLICT, inode)
        if not filled(engine, store, staged, inode):
            continue
        done = put_and_commit(engine, store, staged, inode, refused)
        if done is not None:
            return Committed(Outcome.COMMITTED, done)
        roll_forward(engine, store, staged.ino)
    raise PreconditionFailed(f"inode {staged.ino}: its content kept changing")


def filled(engine: Engine, store: Store, staged: StagedFile, inode: Inode) -> bool:
    """Bring in what was not written. False: it was not where the inode said, which says something else by now."""
    try:
        fill_gaps(store, staged, inode.content, 0, staged.size)
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


def put_and_commit(engine: Engine, store: Store, staged: StagedFile, inode: Inode, refused: set[str]) -> Inode | None:
    """One attempt; None: begin again from what is there now. `refused` collects keys that the store would not take."""
    if inode.content is not None:
        return replace_bytes(engine, store, staged, inode, inode.content)
    claimed = claim_key(engine, store, inode, refused)
    if claimed is None:
        return None
    info = put_new(engine, store, staged, inode, claimed)
    if info is None:
        refused.add(claimed.key)
        delete_object(engine, claimed)
        return None
    astray = claimed.key != wanted_key(engine, inode)
    done = commit_content(engine, inode, content_from(info, staged), new_times(inode, staged), astray=astray)
    if done is None:
        free_key(engine, store, claimed)  # put, and not the file's: withdrawn at once, or the key would stay taken
    else:
        mark_object(engine, claimed, ObjectState.LIVE)
    return done


def replace_bytes(engine: Engine, store: Store, staged: StagedFile, inode: Inode, old: Content) -> Inode | None:
    """Write over the committed object, where it still is that one, and commit."""
    try:
        info = put(store, staged, inode, old.key, if_match=old.etag)
    except PreconditionFailed:
        return None
    return commit_content(engine, inode, content_from(info, staged), new_times(inode, staged))


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


def content_from(info: ObjectInfo, staged: StagedFile) -> Content:
    """What the catalog records of a put."""
    return Content(info.key, info.etag, info.version, staged.size, staged.data)


def new_times(inode: Inode, staged: StagedFile) -> dict[str, Any]:
    """The times that go with the bytes; utimens on a file being written changes `staged.mtime_ns`."""
    return {"mtime_ns": staged.mtime_ns, "ctime_ns": max(inode.ctime_ns, staged.changed_ns)}


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


def content_type(inode: Inode) -> str:
    """By the file's name, as a web server would say."""
    guess = mimetypes.guess_type(name_of(inode.names[0]))[0] if inode.names else None
    return guess or "application/octet-stream"


def metadata(inode: Inode, data: str, mtime_ns: int) -> dict[str, str]:
    """What the object itself says of the file, so that a lost catalog can be rebuilt from the bucket. ASCII only."""
    return {
        INO: str(inode.ino),
        DATA: data,
        "kumo-owner": quote(inode.owner, safe="@"),
        "kumo-created": str(inode.created_ns),
        "kumo-mtime": str(mtime_ns),
        "kumo-mode": f"{inode.mode:o}",
        "kumo-tags": quote(",".join(inode.tags), safe=","),
    }


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
