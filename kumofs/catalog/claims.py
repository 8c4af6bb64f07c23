"""Names: an inode is the truth about its own names; an entry only proposes which inodes a name may belong to.

    resolve(name): the first inode in entry.inos, newest first, that lists the name

Every change of names is one compare-and-swap of one inode (`nrev`): the commit. Before it the name is *claimed* (its
entry is inserted, or the new candidate put first, swapped by `token`); after it the entries are *cleaned*. Whoever meets
a half-done change finishes or undoes it at once, trusting no clock: it fences first (raises `nrev` of every candidate
that lacks the name, so that a slow owner's commit fails) and only then takes the entry away.

The pieces here are what every verb (`create`, `link`, `unlink`, `rmdir`, `rename`) is made of. Each call of the engine is
one step; stopping for ever between any two of them leaves a state that the next `resolve` of the name repairs.
"""

from __future__ import annotations

import secrets
import time
from typing import Any, NamedTuple

from kumofs.catalog.documents import entry_of, inode_of
from kumofs.catalog.port import Engine, Insert, Update
from kumofs.catalog.schema import ENTRIES, INODES
from kumofs.errors import Duplicate
from kumofs.model import Entry, Inode, Kind, parent_of

STAMP = ("changed_us",)
"""What every commit to an inode stamps, so that the feed shows it to other mounts."""
ATTRIBUTES: dict[str, int] = {"arev": 1}
"""What a change of an inode's attributes increases: views of it are ordered by revisions, not by anybody's clock."""


MOVED = (*STAMP, "moved_us")
"""What a commit stamps that gives an inode another path: its keys are to follow (`staging/settle`)."""


class Resolved(NamedTuple):
    """What a name stands for: its entry and its inode, both None where there is no such name."""

    entry: Entry | None
    inode: Inode | None


NOTHING = Resolved(None, None)


def new_token() -> str:
    """A token that nobody has used: 64 random bits, base64."""
    return secrets.token_urlsafe(8)


def read_inode(engine: Engine, ino: int) -> Inode | None:
    """The inode, tombstones included, or None."""
    doc = engine.get(INODES, ino)
    return None if doc is None else inode_of(doc)


def resolve(engine: Engine, name: str) -> Resolved:
    """Entry and inode of an entry id; finishes or removes what others left half done."""
    while True:
        doc = engine.get(ENTRIES, name)
        if doc is None:
            return NOTHING
        entry = entry_of(doc)
        position, inode = holder(engine, entry)
        if inode is None:
            take_over(engine, entry)
        elif len(entry.inos) == 1:
            return Resolved(entry, inode)
        else:
            settle(engine, entry, position)


def holder(engine: Engine, entry: Entry) -> tuple[int, Inode | None]:
    """The first candidate that lists the name, and its position."""
    for position, ino in enumerate(entry.inos):
        inode = read_inode(engine, ino)
        if inode is not None and entry.id in inode.names:
            return position, inode
    return -1, None


def claim(name: str, ino: int, token: str) -> Insert:
    """The step that claims a free name for an inode; Duplicate where it is taken."""
    return Insert(ENTRIES, {"_id": name, "parent": parent_of(name), "inos": [ino], "token": token})


def swap(name: str, token: str, inos: tuple[int, ...], new: str | None = None) -> Update:
    """The step that replaces an entry's candidates where its token is still the one that was read."""
    return Update(ENTRIES, name, {"token": token}, {"inos": list(inos), "token": new or new_token()})


def release(engine: Engine, name: str, token: str, inos: tuple[int, ...] = ()) -> None:
    """Take a claim back: the candidates that were there before, or no entry at all."""
    if inos:
        step = swap(name, token, inos)
        engine.update(step.collection, step.id, step.where, step.set)
    else:
        engine.delete(ENTRIES, name, {"token": token})


def settle(engine: Engine, entry: Entry, position: int) -> None:
    """Clean an entry whose candidate at `position` holds the name: fence newer claims, drop older holders."""
    for claimant in entry.inos[:position]:
        if not fence(engine, entry.id, claimant):
            return
    for victim in entry.inos[position + 1 :]:
        drop_name(engine, victim, entry.id)
    release(engine, entry.id, entry.token, (entry.inos[position],))


def take_over(engine: Engine, entry: Entry) -> None:
    """Remove a claim that nobody has committed; fenced first, so that its slow owner cannot commit later."""
    for ino in entry.inos:
        if not fence(engine, entry.id, ino):
            return
    release(engine, entry.id, entry.token)


def fence(engine: Engine, name: str, ino: int) -> bool:
    """Make every commit of `name` to `ino` that was begun before now fail. False: it is committed already."""
    while True:
        inode = read_inode(engine, ino)
        if inode is None:
            inode = bury(engine, ino)
        if inode is None:
            continue
        if inode.kind is Kind.DEAD:
            return True
        if name in inode.names:
            return False
        if engine.update(INODES, ino, {"nrev": inode.nrev}, inc={"nrev": 1}) is not None:
            return True


def bury(engine: Engine, ino: int) -> Inode | None:
    """A tombstone in the place of an inode that its creator has not inserted yet, and now never will. None: it just did."""
    tomb = {
        "_id": ino,
        "home": "",
        "kind": Kind.DEAD.value,
        "nrev": 0,
        "rev": 0,
        "arev": 0,
        "mode": 0,
        "uid": 0,
        "gid": 0,
        "rdev": 0,
    }
    times = dict.fromkeys(("atime_ns", "mtime_ns", "ctime_ns", "created_ns"), 0)
    try:
        engine.insert(INODES, {**tomb, **times, "owner": ""}, STAMP)
    except Duplicate:
        return None
    return read_inode(engine, ino)


def without(inode: Inode, name: str) -> dict[str, Any]:
    """The `set` and `unset` of an update that takes one name from an inode; the last leaves the field absent."""
    names = [n for n in inode.names if n != name]
    return {"set": {"names": names}, "unset": ()} if names else {"set": {}, "unset": ("names",)}


def losing_stamp(inode: Inode, name: str) -> tuple[str, ...]:
    """What the loss of a name stamps: the key follows the first name, and another one may be first now."""
    return MOVED if len(inode.names) > 1 and inode.names[0] == name else STAMP


def drop_name(engine: Engine, ino: int, name: str, now_ns: int | None = None) -> None:
    """Take one name from an overwritten inode, whose ctime notes it; with its last name it is an orphan."""
    while True:
        inode = read_inode(engine, ino)
        if inode is None or name not in inode.names:
            return
        change = without(inode, name)
        unset = (*change["unset"], "removing")
        noted = {**change["set"], "ctime_ns": now_ns or time.time_ns()}
        if engine.update(INODES, ino, {"nrev": inode.nrev}, noted, unset, {"nrev": 1}, losing_stamp(inode, name)) is not None:
            return
