"""Keys: the wanted key of a file, its claim, and how a key is freed again.

A key is claimed before anything is written under it and given up only after its bytes are gone, so two inodes can never
write one key. No key may be a path-prefix of another: stores that keep keys as paths would hide one of the two. Who finds
the wanted key taken, or in conflict with another, puts a suffix on the component in conflict.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from kumofs.catalog.claims import read_inode
from kumofs.catalog.contents import (
    RELATIVES_MAX,
    claimed_ancestors,
    claimed_descendant,
    claimed_relatives,
    delete_object,
    delete_objects,
    fence_content,
    insert_claim,
    insert_claims,
    mark_object,
    objects_of,
    prefixes_of,
    read_object,
)
from kumofs.catalog.paths import path_of, paths_of
from kumofs.catalog.port import Engine
from kumofs.errors import KeyRefused, NoSuchObject, PreconditionFailed, StoreError, StoreUnavailable
from kumofs.model import NAME_MAX_BYTES, Content, Inode, ObjectRecord, ObjectState
from kumofs.store.escape import escape_component
from kumofs.store.protocol import Store

KEY_MAX_BYTES = 1024
SHORT = ".kumo-long"
"""Folder of a home for files whose path makes no key: too long, or a component too long once escaped."""
ATTEMPTS_MAX = 64
DELETE_WITHIN_S = 60.0
"""Where the store deletes without a condition, no DELETE is sent later than this after the key was doomed."""
FREE_BOUND_S = 120.0
"""When such a DELETE, which ends after 30 s, cannot be on its way any more."""
INO = "kumo-ino"
DATA = "kumo-data"


def wanted_key(engine: Engine, inode: Inode) -> str:
    """`<home>/<path>`, escaped; a short key where that is over what stores carry."""
    return key_at(inode, path_of(engine, inode))


def wanted_keys(engine: Engine, inodes: Sequence[Inode]) -> dict[int, str]:
    """The same of many inodes, by number."""
    return {inode.ino: key_at(inode, path) for inode, path in zip(inodes, paths_of(engine, inodes), strict=True)}


def key_at(inode: Inode, path: tuple[str, ...] | None) -> str:
    """The key of an inode whose path it is."""
    if path is None:
        return short_key(inode, "orphan")
    parts = [escape_component(part) for part in path]
    key = "/".join((inode.home, *parts))
    if len(key.encode()) > KEY_MAX_BYTES or any(len(part.encode()) > NAME_MAX_BYTES for part in parts):
        return short_key(inode, key)
    return key


def short_key(inode: Inode, key: str) -> str:
    """A key of bounded length that still tells which file it is."""
    return f"{inode.home}/{SHORT}/{sha256(key.encode()).hexdigest()[:16]}~{inode.ino}"


def suffixed(key: str, component: int, ino: int, attempt: int) -> str:
    """The key with a suffix on one component (counted from the front), cut so that the component keeps its bound."""
    parts = key.split("/")
    suffix = f"~{ino}.{attempt}"
    name = parts[component].encode()[: NAME_MAX_BYTES - len(suffix)].decode(errors="ignore")
    parts[component] = name + suffix
    return "/".join(parts)


def claim_key(engine: Engine, store: Store, inode: Inode, refused: Collection[str] = ()) -> ObjectRecord | None:
    """Claim the wanted key, or the nearest that nobody has, but none that the store refused before.

    The caller may then put under `if_none_match`, and commit by the inode as it was read *before* the claim: whoever frees
    the claim fences that. None: an earlier claim of the inode's own was freed, and the inode fenced by it; begin again.
    """
    wanted = key = wanted_key(engine, inode)
    last = wanted.count("/")
    for attempt in range(1, ATTEMPTS_MAX):
        clash: int | None = last
        if key not in refused:
            record = try_claim(engine, store, key, inode.ino)
            if record is OWN_FREED:
                return None
            if isinstance(record, ObjectRecord):
                clash = clashing_component(engine, key)
                if clash is None:
                    return record
                delete_object(engine, record)
        key = suffixed(wanted, last if clash is None else clash, inode.ino, attempt)
    raise StoreError(f"no free key was found for {wanted!r}")


class Claimed(NamedTuple):
    """An inode as it was read before its wanted key was claimed, by which it is to be committed, and the claim."""

    inode: Inode
    record: ObjectRecord


def claim_wanted_keys(engine: Engine, wanted: Mapping[int, str]) -> dict[int, ObjectRecord]:
    """Claim the wanted keys of many inodes, by number, in a few round trips; those that cannot be had as they are are left out,
    and nothing has changed for them."""
    claims = {record.ino: record for record in insert_claims(engine, [(key, ino) for ino, key in wanted.items()]) if record}
    clashing = in_conflict(engine, [record.key for record in claims.values()])
    delete_objects(engine, [record for record in claims.values() if record.key in clashing])
    return {ino: record for ino, record in claims.items() if record.key not in clashing}


def in_conflict(engine: Engine, keys: Sequence[str]) -> set[str]:
    """Those of the keys that have a claimed one as their path-prefix, or are one's; all of them where that is not known."""
    above, below = claimed_relatives(engine, keys)
    if len(below) >= RELATIVES_MAX:
        return {*keys}
    covered = {prefix for key in below for prefix in prefixes_of(key)}
    return {key for key in keys if key in covered or not above.isdisjoint(prefixes_of(key))}


class Claim(Enum):
    """How a claim ended that did not end in a record."""

    TAKEN = "taken"
    OWN_FREED = "own freed"


OWN_FREED = Claim.OWN_FREED


def try_claim(engine: Engine, store: Store, key: str, ino: int) -> ObjectRecord | Claim:
    """Claim one key; a doomed one, or one of our own from before a crash, is freed first."""
    record = insert_claim(engine, key, ino)
    if record is not None:
        return record
    held = read_object(engine, key)
    if held is not None and held.ino == ino and held.state is not ObjectState.LIVE:
        # another mount may be writing under this claim: freeing it fences the inode, so neither of us can commit as read
        return OWN_FREED if freed(engine, store, held) else Claim.TAKEN
    if held is not None and not (held.state is ObjectState.DOOMED and freed(engine, store, held)):
        return Claim.TAKEN
    return insert_claim(engine, key, ino) or Claim.TAKEN


def freed(engine: Engine, store: Store, held: ObjectRecord, etag: str | None = None) -> bool:
    """Help to free a key, where that is safe now; `etag` as for `free_key`."""
    return may_free(engine, store, held) and free_key(engine, store, held, etag)


def may_free(engine: Engine, store: Store, held: ObjectRecord) -> bool:
    """Whether a doomed key may be taken from whoever is freeing it.

    A store that deletes under a condition makes a slow DELETE harmless. With one that does not, it could hit what was
    written under the key since: such a key stays taken until no DELETE of its owner can be on its way any more.
    """
    if store.capabilities.conditional_delete or held.state is not ObjectState.DOOMED:
        return True
    return engine.now_us() - held.since_us > int(FREE_BOUND_S * 1e6)


def clashing_component(engine: Engine, key: str) -> int | None:
    """The component to suffix where another claimed key is a path-prefix of this one, or this one of another."""
    clash = clashing_claim(engine, key)
    return None if clash is None else min(clash.key.count("/"), key.count("/"))


def clashing_claim(engine: Engine, key: str) -> ObjectRecord | None:
    """A claimed key that is a path-prefix of this one, or has this one as its."""
    ancestors = claimed_ancestors(engine, key)
    return ancestors[0] if ancestors else claimed_descendant(engine, key)


def free_key(engine: Engine, store: Store, held: ObjectRecord, etag: str | None = None) -> bool:
    """Free a key that its inode does not use: doom it, fence the inode, then the bytes, then the record.

    `etag` is that of the bytes which the inode's content had there, where that is known. False: the inode does use the key,
    or somebody changed the record meanwhile.
    """
    doomed = mark_object(engine, held, ObjectState.DOOMED)
    return doomed is not None and free_doomed(engine, store, doomed, etag)


def free_doomed(engine: Engine, store: Store, doomed: ObjectRecord, etag: str | None = None) -> bool:
    """The rest of it, for whoever doomed the key."""
    while True:
        inode = read_inode(engine, doomed.ino)
        if uses(inode, doomed.key):
            mark_object(engine, doomed, ObjectState.LIVE)
            return False
        if inode is None or fence_content(engine, inode):
            break
    remove_bytes(engine, store, doomed, etag)
    delete_object(engine, doomed)
    return True


def uses(inode: Inode | None, key: str) -> bool:
    """Whether an inode's bytes are under a key."""
    return inode is not None and inode.content is not None and inode.content.key == key


def remove_bytes(engine: Engine, store: Store, doomed: ObjectRecord, etag: str | None = None) -> None:
    """Delete the inode's object under a key whose record is ours, conditional on what was seen; anybody else's object stays.

    What was seen is `etag`, of the bytes that the inode's content had there, or what is there now and was written for it.

    The record is looked at between the two: somebody may have helped to free the key, and the inode have claimed it anew and
    put bytes there. They are under another record then, and what was there before is gone.

    StoreUnavailable where it took so long that somebody else may be at it by now (see `may_free`): the next one goes on.
    """
    while True:
        try:
            seen = etag or own_etag(store, doomed)
        except (NoSuchObject, KeyRefused):
            return
        now = read_object(engine, doomed.key)
        if seen is None or now is None or now.token != doomed.token:
            return
        if not in_time(engine, store, doomed):
            raise StoreUnavailable(f"{doomed.key!r} could not be freed in time: it is freed later")
        try:
            store.delete(doomed.key, if_match=seen)
        except PreconditionFailed:
            etag = None
            continue
        return


def own_etag(store: Store, record: ObjectRecord) -> str | None:
    """The etag of what is under a key, if it was written for the record's inode. NoSuchObject, KeyRefused."""
    there = store.head(record.key)
    return there.etag if there.metadata.get(INO) == str(record.ino) else None


def in_time(engine: Engine, store: Store, doomed: ObjectRecord) -> bool:
    """Whether whoever doomed a key may still send a DELETE."""
    return store.capabilities.conditional_delete or engine.now_us() - doomed.since_us <= int(DELETE_WITHIN_S * 1e6)


def free_all(engine: Engine, store: Store, ino: int, was: Content | None = None) -> None:
    """Free every key that an inode, which has no content any more, has claimed. `was`: the content that it had."""
    for record in objects_of(engine, ino):
        etag = was.etag if was is not None and was.key == record.key else None
        freed(engine, store, record, etag)
