"""rename: claim the target, then one compare-and-swap of the source inode, old name for new (the commit), then clean.

A free, a taken and a crossing target take the same path, and a folder is one inode: its rename costs the same whatever
it holds. A directory that changes parents holds the home's lease meanwhile (see `lease`).

The one relaxation of POSIX: renames a -> b and b -> a begun at one instant on two machines may exchange the two.
"""

from __future__ import annotations

from typing import NamedTuple

from kumofs.catalog.claims import MOVED, Resolved, claim, drop_name, new_token, read_inode, release, resolve, swap
from kumofs.catalog.directories import alive, lies_inside, mark_empty, touch, unmark
from kumofs.catalog.documents import inode_of
from kumofs.catalog.lease import give_lease_back, take_lease
from kumofs.catalog.port import Delete, Engine, Step
from kumofs.catalog.schema import ENTRIES, INODES
from kumofs.errors import Duplicate, Exists, FileError, InvalidArgument, IsDirectory, NotDirectory, NotEmpty, NotFound
from kumofs.model import Entry, Inode, Kind, Removal, parent_of


class Renamed(NamedTuple):
    """What a rename did: the moved inode, and the inode that lost its name to it."""

    inode: Inode
    replaced: int | None


class Changed(Exception):
    """What the attempt stood on has changed: begin again."""


class Move(NamedTuple):
    """One attempt: where from, where to, what, when."""

    source: str
    target: str
    old: Entry
    inode: Inode
    now_ns: int
    replace: bool


def rename(engine: Engine, source: str, target: str, now_ns: int, replace: bool = True) -> Renamed:
    """Rename one entry id to another, over what is there unless `replace` is false.

    NotFound, Exists (not `replace`), NotDirectory, IsDirectory, NotEmpty, InvalidArgument (a directory into itself).
    """
    while True:
        found = resolve(engine, source)
        if found.inode is None or found.entry is None:
            raise NotFound(source)
        move = Move(source, target, found.entry, found.inode, now_ns, replace)
        try:
            return leased(engine, move) if crosses(move) else attempt(engine, move)
        except Changed:
            continue


def crosses(move: Move) -> bool:
    """Whether a directory changes its parent: only that can make a cycle."""
    return move.inode.kind is Kind.DIR and parent_of(move.source) != parent_of(move.target)


def leased(engine: Engine, move: Move) -> Renamed:
    """An attempt under the home's lease."""
    token = take_lease(engine, move.inode.home, move.inode.ino)
    if token is None:
        raise Changed
    try:
        return attempt(engine, move)
    finally:
        give_lease_back(engine, move.inode.home, token)


def attempt(engine: Engine, move: Move) -> Renamed:
    """An attempt; its error stands only if the source was there all along."""
    try:
        return claimed(engine, move)
    except FileError:
        now = read_inode(engine, move.inode.ino)
        if now is None or now.nrev != move.inode.nrev:
            raise Changed from None
        raise


def claimed(engine: Engine, move: Move) -> Renamed:
    """Look at the target, claim it, commit, clean."""
    if move.inode.kind is Kind.DIR and lies_inside(engine, parent_of(move.target), move.inode.ino):
        raise InvalidArgument("a directory cannot be moved into itself")
    there = resolve(engine, move.target)
    victim = there.inode
    if victim is not None and not move.replace:
        raise Exists(move.target)
    if victim is not None and victim.ino == move.inode.ino:
        if move.source not in victim.names:
            raise Changed
        return Renamed(victim, None)  # two names of one inode: POSIX leaves both
    mark = check_victim(engine, move, victim) if victim is not None else None
    token = claim_target(engine, move, there)
    parent_lives = token is not None and target_parent_alive(engine, move)
    moved = commit(engine, move) if parent_lives else None
    if moved is None:
        give_up(engine, move, token, there, mark)
        if token is not None and not parent_lives:
            raise NotFound(move.target)
        raise Changed
    assert token is not None
    clean(engine, move, token, victim)
    return Renamed(moved, victim.ino if victim is not None else None)


def check_victim(engine: Engine, move: Move, victim: Inode) -> Removal | None:
    """Refuse what may not be replaced; an empty directory is marked, with its replacement in the mark."""
    if move.inode.kind is Kind.DIR and victim.kind is not Kind.DIR:
        raise NotDirectory(move.target)
    if move.inode.kind is not Kind.DIR and victim.kind is Kind.DIR:
        raise IsDirectory(move.target)
    if victim.kind is not Kind.DIR:
        return None
    mark = mark_empty(engine, victim.ino, move.target, move.inode.ino)
    if mark is None:
        now = read_inode(engine, victim.ino)
        if now is not None and move.target in now.names:
            raise NotEmpty(move.target)
        raise Changed
    return mark


def claim_target(engine: Engine, move: Move, there: Resolved) -> str | None:
    """Propose the moved inode for the target name; the claim's token, or None: the entry changed."""
    token = new_token()
    if there.entry is None:
        try:
            engine.batch([claim(move.target, move.inode.ino, token)])
        except Duplicate:
            return None
        return token
    step = swap(move.target, there.entry.token, (move.inode.ino, *there.entry.inos), token)
    return token if engine.batch([step]) else None


def target_parent_alive(engine: Engine, move: Move) -> bool:
    """The target's directory, where it is another one: touched, if names may be added to it."""
    return parent_of(move.source) == parent_of(move.target) or alive(engine, parent_of(move.target), move.now_ns)


def commit(engine: Engine, move: Move) -> Inode | None:
    """Old name for new where the inode still is as it was read. None: it is not."""
    names = [move.target if name == move.source else name for name in move.inode.names]
    change = {"names": names, "ctime_ns": move.now_ns}
    doc = engine.update(INODES, move.inode.ino, {"nrev": move.inode.nrev}, change, inc={"nrev": 1}, stamp=MOVED)
    return None if doc is None else inode_of(doc)


def clean(engine: Engine, move: Move, token: str, victim: Inode | None) -> None:
    """The overwritten inode's name first, then the target's entry, then the old entry, each by token."""
    steps: list[Step] = []
    if victim is not None:
        drop_name(engine, victim.ino, move.target, move.now_ns)
        steps.append(swap(move.target, token, (move.inode.ino,)))
    rest = tuple(ino for ino in move.old.inos if ino != move.inode.ino)
    steps.append(swap(move.source, move.old.token, rest) if rest else Delete(ENTRIES, move.source, {"token": move.old.token}))
    steps.append(touch(parent_of(move.source), move.now_ns))
    engine.batch(steps)


def give_up(engine: Engine, move: Move, token: str | None, there: Resolved, mark: Removal | None) -> None:
    """Undo what an uncommitted rename has claimed and marked."""
    if token is not None:
        release(engine, move.target, token, there.entry.inos if there.entry is not None else ())
    if mark is not None and there.inode is not None:
        unmark(engine, there.inode.ino, mark)
