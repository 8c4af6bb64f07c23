"""Many keys freed at once, as `keys.free_key` frees one: each step is one round trip of catalog or store for all of them.

    doom the records -> fence the inodes -> delete the objects -> remove the records

Where the store does not delete many at once, the objects go one by one, and the rest is still done together.
Where something is not as expected (a record or an inode changed meanwhile, another object is there), that key is freed
singly. Stopped anywhere it leaves what `free_key` leaves.
"""

from __future__ import annotations

from collections.abc import Mapping

from kumofs.catalog.contents import delete_objects, doom_objects, fence_contents, read_inodes
from kumofs.catalog.port import Engine
from kumofs.model import ObjectRecord, ObjectState
from kumofs.staging.keys import free_doomed, in_time, remove_bytes, uses
from kumofs.store.protocol import Store


def free_keys(engine: Engine, store: Store, etags: Mapping[ObjectRecord, str]) -> None:
    """Free keys that their inodes do not use any more; with each the etag of the bytes that its inode had there.

    Records that are doomed already are somebody else's to free. Raises what catalog and store raise.
    """
    doomed = doom_objects(engine, [record for record in etags if record.state is not ObjectState.DOOMED])
    known = {record.key: etag for record, etag in etags.items()}
    alone = fenced_alone(engine, doomed)
    remove = remove_together if store.capabilities.many_at_once else remove_each
    gone = remove(engine, store, {record: known[record.key] for record in doomed if record not in alone})
    delete_objects(engine, gone)
    for record in doomed:
        if record not in gone:
            free_doomed(engine, store, record, known[record.key])


def remove_together(engine: Engine, store: Store, etags: Mapping[ObjectRecord, str]) -> set[ObjectRecord]:
    """Delete what is under doomed keys by a few requests; those where nothing is any more."""
    timely = {record.key: record for record in etags if in_time(engine, store, record)}
    return {timely[key] for key in store.delete_many({key: etags[record] for key, record in timely.items()})}


def remove_each(engine: Engine, store: Store, etags: Mapping[ObjectRecord, str]) -> set[ObjectRecord]:
    """The same by a request for each."""
    for record, etag in etags.items():
        remove_bytes(engine, store, record, etag)
    return {*etags}


def fenced_alone(engine: Engine, doomed: list[ObjectRecord]) -> set[ObjectRecord]:
    """Fence the inodes of doomed keys, so that no commit begun before now uses them; those that have to be seen to singly."""
    inodes = read_inodes(engine, {record.ino for record in doomed})
    alone = {record for record in doomed if uses(inodes.get(record.ino), record.key)}
    idle = [inodes[ino] for ino in {record.ino for record in doomed if record not in alone} if ino in inodes]
    return alone if fence_contents(engine, idle) else set(doomed)
