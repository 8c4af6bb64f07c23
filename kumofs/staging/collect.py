"""collect: what nobody ever meets again is found and cleaned: dead claims, orphans, doomed keys, late PUTs of the dead.

Run by the background pass of a mount and by `kumofs gc`. It pages through the collections of the catalog and the listing
of the store; nothing it does needs more than one document at a time, so it may be stopped anywhere and run beside mounts.
What looks unfinished but is young is left alone: its owner is probably at it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kumofs.catalog.claims import read_inode, resolve
from kumofs.catalog.contents import delete_inode, read_inodes, read_object, scan_inodes, scan_objects
from kumofs.catalog.directories import scan_entries
from kumofs.catalog.port import Engine
from kumofs.errors import NoSuchObject, PreconditionFailed, StoreRefused
from kumofs.model import Inode, Kind, ObjectRecord, ObjectState
from kumofs.staging.commit import roll_forward
from kumofs.staging.keys import INO, freed
from kumofs.staging.reclaim import reclaim
from kumofs.store.protocol import ObjectInfo, Store

log = logging.getLogger(__name__)

YOUNG_S = 3600
"""Orphans may still be open somewhere, claims still on their way."""
ABANDONED_S = 24 * 3600
"""Unfinished uploads to which nothing came for so long are nobody's any more; mounts that live abort their own."""
PAGE = 500


@dataclass(slots=True)
class Findings:
    """What a pass found, of one home. `damaged` and `foreign` are only told, never touched."""

    claims: int = 0
    orphans: int = 0
    tombstones: int = 0
    keys: int = 0
    late_puts: int = 0
    uploads: int = 0
    rolled_forward: int = 0
    damaged: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: what it works on, what it leaves alone for being young, and what to do between two pages."""

    engine: Engine
    store: Store
    home: str
    horizon_us: int
    """What changed after that instant of the engine's clock is young."""
    breathe: Callable[[], None] = lambda: None


def collect(
    engine: Engine, store: Store, home: str, young_s: float = YOUNG_S, breathe: Callable[[], None] = lambda: None
) -> Findings:
    """One whole pass over a home. Raises what catalog and store raise when they cannot be asked."""
    run = Pass(engine, store, home, engine.now_us() - int(young_s * 1e6), breathe)
    findings = Findings()
    collect_inodes(run, findings)
    collect_keys(run, findings)
    collect_uploads(run, findings)
    return findings


def collect_inodes(run: Pass, findings: Findings) -> None:
    """Orphans are reclaimed, tombstones removed, and in every directory the dead claims taken away."""
    for inode in all_inodes(run):
        old = inode.changed_us <= run.horizon_us
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
        inodes = read_inodes(run.engine, {entry.inos[0] for entry in entries})
        for entry in entries:
            inode = inodes.get(entry.inos[0])
            if len(entry.inos) > 1 or inode is None or entry.id not in inode.names:
                resolve(run.engine, entry.id)
                findings.claims += 1
        after = entries[-1].name
        run.breathe()


def collect_keys(run: Pass, findings: Findings) -> None:
    """What the catalog says of each key beside what the store has: only where the two differ is anything asked for."""
    for recorded, info in beside(all_records(run), run.store.list(f"{run.home}/")):
        if recorded is not None:
            collect_recorded(run, *recorded, info, findings)
        elif info is not None and read_object(run.engine, info.key) is None:
            collect_unclaimed(run, info, findings)


Recorded = tuple[ObjectRecord, Inode | None]


def all_records(run: Pass) -> Iterator[Recorded]:
    """Every claimed key of the home in order, with its inode, page by page."""
    after = f"{run.home}/"
    while page := scan_objects(run.engine, after, f"{run.home}0", PAGE):
        inodes = read_inodes(run.engine, {record.ino for record in page})
        yield from ((record, inodes.get(record.ino)) for record in page)
        after = page[-1].key
        run.breathe()


def beside(records: Iterator[Recorded], infos: Iterator[ObjectInfo]) -> Iterator[tuple[Recorded | None, ObjectInfo | None]]:
    """Two sequences in key order, side by side; None where one of them has no such key."""
    recorded, info = next(records, None), next(infos, None)
    while recorded is not None or info is not None:
        if info is None or (recorded is not None and recorded[0].key < info.key):
            yield recorded, None
            recorded = next(records, None)
        elif recorded is None or info.key < recorded[0].key:
            yield None, info
            info = next(infos, None)
        else:
            yield recorded, info
            recorded, info = next(records, None), next(infos, None)


def collect_recorded(run: Pass, record: ObjectRecord, inode: Inode | None, info: ObjectInfo | None, findings: Findings) -> None:
    """A key that its inode does not use is freed; of a used one the bytes are looked for, where they seem to be others."""
    if inode is not None and inode.content is not None and inode.content.key == record.key:
        if info is None or info.etag != inode.content.etag:
            check_bytes(run, inode, findings)
    elif record.state is ObjectState.DOOMED or record.since_us <= run.horizon_us:
        findings.keys += freed(run.engine, run.store, record)


def check_bytes(run: Pass, seen: Inode, findings: Findings) -> None:
    """Whether the bytes are there; a store that is ahead of the catalog is rolled forward. `seen` may be old by now."""
    inode = read_inode(run.engine, seen.ino)
    if inode is None or inode.content is None:
        return
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


def collect_uploads(run: Pass, findings: Findings) -> None:
    """Uploads in parts that somebody began and left behind are aborted, where the credentials may look for them."""
    try:
        uploads = run.store.list_uploads(f"{run.home}/")
    except StoreRefused as problem:
        log.warning("uploads that nobody goes on with are not looked for: %s", problem)
        return
    for upload in uploads:
        if upload.idle_s > ABANDONED_S:
            run.store.abort_upload(upload.key, upload.upload_id)
            findings.uploads += 1


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
