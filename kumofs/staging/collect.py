"""collect: what nobody ever meets again is found and cleaned: dead claims, orphans, doomed keys, late PUTs of the dead.

Run by the background pass of a mount and by `kumofs gc`. It pages through the collections of the catalog and the listing
of the store; nothing it does needs more than one document at a time, so it may be stopped anywhere and run beside mounts.
What looks unfinished but is young is left alone: its owner is probably at it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kumofs.catalog.claims import read_inode, resolve
from kumofs.catalog.contents import delete_inode, read_object, scan_inodes, scan_objects
from kumofs.catalog.directories import scan_entries
from kumofs.catalog.port import Engine
from kumofs.errors import NoSuchObject, PreconditionFailed
from kumofs.model import Inode, Kind, ObjectState
from kumofs.staging.commit import roll_forward
from kumofs.staging.keys import INO, free_key
from kumofs.staging.reclaim import reclaim
from kumofs.store.protocol import ObjectInfo, Store

YOUNG_S = 3600
"""Orphans may still be open somewhere, claims still on their way."""
PAGE = 500


@dataclass(slots=True)
class Findings:
    """What a pass found, of one home. `damaged` and `foreign` are only told, never touched."""

    claims: int = 0
    orphans: int = 0
    tombstones: int = 0
    keys: int = 0
    late_puts: int = 0
    rolled_forward: int = 0
    damaged: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: what it works on, how old things have to be, and what to do between two pages."""

    engine: Engine
    store: Store
    home: str
    young_s: float = YOUNG_S
    breathe: Callable[[], None] = lambda: None


def collect(
    engine: Engine, store: Store, home: str, young_s: float = YOUNG_S, breathe: Callable[[], None] = lambda: None
) -> Findings:
    """One whole pass over a home. Raises what catalog and store raise when they cannot be asked."""
    run = Pass(engine, store, home, young_s, breathe)
    findings = Findings()
    collect_inodes(run, findings)
    collect_objects(run, findings)
    collect_store(run, findings)
    return findings


def collect_inodes(run: Pass, findings: Findings) -> None:
    """Orphans are reclaimed, tombstones removed, and in every directory the dead claims taken away."""
    horizon_us = run.engine.now_us() - int(run.young_s * 1e6)
    for inode in all_inodes(run):
        old = inode.changed_us <= horizon_us
        if inode.kind is Kind.DEAD:
            if old and delete_inode(run.engine, inode):
                findings.tombstones += 1
        elif inode.home == run.home:
            if not inode.names and old:
                collect_entries(run, inode, findings)
                reclaim(run.engine, run.store, inode.ino)
                findings.orphans += 1
            elif inode.kind is Kind.DIR:
                collect_entries(run, inode, findings)


def all_inodes(run: Pass) -> Iterator[Inode]:
    """Every inode, page by page."""
    after: int | None = None
    while page := scan_inodes(run.engine, after, PAGE):
        yield from page
        after = page[-1].ino
        run.breathe()


def collect_entries(run: Pass, directory: Inode, findings: Findings) -> None:
    """Finish or undo every half-done change of a name in a directory."""
    after = ""
    while entries := scan_entries(run.engine, directory.ino, after, PAGE):
        for entry in entries:
            inode = read_inode(run.engine, entry.inos[0])
            if len(entry.inos) > 1 or inode is None or entry.id not in inode.names:
                resolve(run.engine, entry.id)
                findings.claims += 1
        after = entries[-1].name
        run.breathe()


def collect_objects(run: Pass, findings: Findings) -> None:
    """Keys that their inode does not use are freed; used ones whose bytes are gone are told."""
    horizon_us = run.engine.now_us() - int(run.young_s * 1e6)
    after = f"{run.home}/"
    while page := scan_objects(run.engine, after, f"{run.home}0", PAGE):
        for record in page:
            inode = read_inode(run.engine, record.ino)
            used = inode is not None and inode.content is not None and inode.content.key == record.key
            if used and inode is not None:
                check_bytes(run, inode, findings)
            elif record.since_us <= horizon_us or record.state is ObjectState.DOOMED:
                findings.keys += free_key(run.engine, run.store, record)
        after = page[-1].key
        run.breathe()


def check_bytes(run: Pass, inode: Inode, findings: Findings) -> None:
    """Whether the bytes are there; a store that is ahead of the catalog is rolled forward."""
    assert inode.content is not None
    try:
        there = run.store.head(inode.content.key)
    except NoSuchObject:
        now = read_inode(run.engine, inode.ino)
        if now is not None and now.content == inode.content:
            findings.damaged.append(inode.content.key)
        return
    if there.etag != inode.content.etag:
        now = roll_forward(run.engine, run.store, inode.ino)
        if now is not None and now.content is not None and now.content.etag == there.etag:
            findings.rolled_forward += 1


def collect_store(run: Pass, findings: Findings) -> None:
    """Objects that nobody claims: ours are late PUTs of the dead and go; others' are told."""
    for info in run.store.list(f"{run.home}/"):
        if read_object(run.engine, info.key) is None:
            collect_unclaimed(run, info, findings)


def collect_unclaimed(run: Pass, info: ObjectInfo, findings: Findings) -> None:
    """One object without a record."""
    try:
        there = run.store.head(info.key)
        if INO not in there.metadata:
            findings.foreign.append(info.key)
        elif read_object(run.engine, info.key) is None:
            run.store.delete(info.key, if_match=there.etag)
            findings.late_puts += 1
    except (NoSuchObject, PreconditionFailed):
        return
