"""settle: after a rename the object of a file is copied to the key of its new path, and its content swung there.

    claim the wanted key -> copy, conditional on the source -> commit by compare-and-swap -> free the old key

Until then the file is as good as ever, for its content is found by what the inode records, never by its path. Whatever
is in the way (another file's object that is itself not where it belongs) is settled first; where files stand in each
other's way in a circle, one goes aside to a suffixed key, and to its own in the next round.
"""

from __future__ import annotations

from contextlib import nullcontext
from enum import Enum

from kumofs.catalog.claims import read_inode
from kumofs.catalog.contents import commit_content, delete_object, mark_object, read_object
from kumofs.catalog.port import Engine
from kumofs.errors import KeyRefused, NoSuchObject, PreconditionFailed
from kumofs.model import Content, Inode, ObjectRecord, ObjectState
from kumofs.staging.begun import BegunUploads
from kumofs.staging.keys import claim_key, claim_wanted_keys, clashing_claim, free_key, freed, try_claim, wanted_key
from kumofs.store.protocol import ObjectInfo, Store

TRAIL_MAX = 16
"""Files that stand in each other's way one behind the other, before one goes aside."""


class Settled(Enum):
    """How it ended. `BLOCKED`: something else has the key for now; `CHANGED`: somebody was quicker, look again."""

    IN_PLACE = "in place"
    MOVED = "moved"
    BLOCKED = "blocked"
    CHANGED = "changed"


def settle(
    engine: Engine,
    store: Store,
    ino: int,
    aside: list[int] | None = None,
    trail: tuple[int, ...] = (),
    begun: BegunUploads | None = None,
    left: dict[ObjectRecord, str] | None = None,
) -> Settled:
    """Bring a file's object to its wanted key. Raises what the drivers raise.

    `aside` collects the files that went aside, whose turn is next; `trail` are the files that wait for this one; in `begun`
    large copies are noted, for a kill to leave none of them behind; `left` collects the keys that the file has left, with the
    etags of what lies there, for the caller to free them: without it that is done here.
    """
    inode = read_inode(engine, ino)
    if inode is None or not inode.names or inode.content is None:
        return Settled.IN_PLACE
    wanted = wanted_key(engine, inode)
    if inode.content.key == wanted:
        return Settled.IN_PLACE
    fresh = claim_fresh(engine, wanted, inode)
    if fresh is not None:
        return move(engine, store, inode, fresh, begun, left=left)
    held = in_the_way(engine, wanted, inode)
    if held is not None and (held.ino in trail or len(trail) > TRAIL_MAX):
        if aside is not None:
            aside.append(ino)
        return step_aside(engine, store, inode, wanted, begun)
    if held is not None:
        there = settle(engine, store, held.ino, aside, (*trail, ino), begun)
        if there is not Settled.MOVED:
            return Settled.IN_PLACE if there is Settled.IN_PLACE and alike(engine, held, wanted) else Settled.BLOCKED
    claimed = claim_wanted(engine, store, wanted, inode)
    return move(engine, store, inode, claimed, begun) if isinstance(claimed, ObjectRecord) else claimed


def claim_fresh(engine: Engine, wanted: str, inode: Inode) -> ObjectRecord | None:
    """Claim a key that nobody has, and that is in nobody's way; None where it is not so, and nothing has changed then."""
    return claim_wanted_keys(engine, {inode.ino: wanted}).get(inode.ino)


def alike(engine: Engine, held: ObjectRecord, wanted: str) -> bool:
    """Whether the other file has the same wanted key by right (escaped names may be alike): this one keeps its suffix."""
    other = read_inode(engine, held.ino)
    return other is not None and bool(other.names) and held.key == wanted == wanted_key(engine, other)


def in_the_way(engine: Engine, wanted: str, inode: Inode) -> ObjectRecord | None:
    """The live claim of another file that keeps an inode from its wanted key."""
    held = read_object(engine, wanted) or clashing_claim(engine, wanted)
    return held if held is not None and held.ino != inode.ino and held.state is ObjectState.LIVE else None


def claim_wanted(engine: Engine, store: Store, wanted: str, inode: Inode) -> ObjectRecord | Settled:
    """Claim the wanted key and no other."""
    own = read_object(engine, wanted)
    if own is not None and own.ino == inode.ino and own.state is ObjectState.LIVE:
        freed(engine, store, own)  # an earlier key of the file's, which its content has left
        return Settled.CHANGED
    claimed = try_claim(engine, store, wanted, inode.ino)
    if not isinstance(claimed, ObjectRecord):
        return Settled.BLOCKED if claimed.value == "taken" else Settled.CHANGED
    clash = clashing_claim(engine, wanted)
    if clash is not None:
        delete_object(engine, claimed)
        return Settled.BLOCKED
    return claimed


def step_aside(engine: Engine, store: Store, inode: Inode, wanted: str, begun: BegunUploads | None) -> Settled:
    """Move to any free key that is not in the way of the file that waits for this one's."""
    claimed = claim_key(engine, store, inode, {wanted})
    return Settled.CHANGED if claimed is None else move(engine, store, inode, claimed, begun, astray=True)


def move(
    engine: Engine,
    store: Store,
    inode: Inode,
    claimed: ObjectRecord,
    begun: BegunUploads | None,
    *,
    astray: bool = False,
    left: dict[ObjectRecord, str] | None = None,
) -> Settled:
    """Copy the object under a claimed key and swing the content there; the old key is freed, or noted as `left`."""
    assert inode.content is not None
    old = inode.content
    try:
        with nullcontext() if begun is None else begun.noted(claimed.key) as began:
            info = store.copy(old.key, claimed.key, if_match=old.etag, began=began, size=old.size)
    except KeyRefused:
        free_key(engine, store, claimed)
        return Settled.BLOCKED
    except (PreconditionFailed, NoSuchObject):
        free_key(engine, store, claimed)
        return Settled.BLOCKED if still_there(store, old) else Settled.CHANGED
    done = commit_content(engine, inode, moved_content(inode, info), astray=astray)
    if done is None:
        free_key(engine, store, claimed)
        return Settled.CHANGED
    mark_object(engine, claimed, ObjectState.LIVE)
    record = read_object(engine, old.key)
    if record is None or record.ino != inode.ino:
        return Settled.MOVED
    if left is None:
        freed(engine, store, record, old.etag)
    else:
        left[record] = old.etag
    return Settled.MOVED


def moved_content(inode: Inode, info: ObjectInfo) -> Content:
    """The same bytes where they are now."""
    assert inode.content is not None
    return Content(info.key, info.etag, info.version, inode.content.size, inode.content.data)


def still_there(store: Store, content: Content) -> bool:
    """Whether a content's object is as it was: then something that is not ours lies under the other key."""
    try:
        return store.head(content.key).etag == content.etag
    except NoSuchObject:
        return False
