"""What a file's bytes are, as the catalog knows it: the commit of content, its fence, and the records of claimed keys.

`content` changes only by compare-and-swap of `rev`. A key is claimed (its record inserted) before anything is written
under it, and its record goes last, so an unclaimed key is always somebody else's doing. `staging/` puts these pieces and
the store's together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kumofs.catalog.claims import ATTRIBUTES, MOVED, STAMP, new_token
from kumofs.catalog.documents import content_field, inode_of, object_of
from kumofs.catalog.port import PRESENT, Delete, Engine, Insert, Update
from kumofs.catalog.schema import INODES, OBJECTS
from kumofs.errors import Duplicate
from kumofs.model import Content, Inode, ObjectRecord, ObjectState

RELATIVES_MAX = 1000


def commit_content(
    engine: Engine,
    inode: Inode,
    content: Content | None,
    attributes: Mapping[str, Any] | None = None,
    *,
    astray: bool = False,
) -> Inode | None:
    """Swing a file's content where `rev` is still what was read; None: it is not. `attributes` change with it.

    `astray`: the key is not the wanted one, which was taken; it is to follow later.
    """
    step = content_step(inode, content, attributes, astray=astray)
    doc = engine.update(step.collection, step.id, step.where, step.set, step.unset, step.inc, step.stamp)
    return None if doc is None else inode_of(doc)


def content_step(
    inode: Inode, content: Content | None, attributes: Mapping[str, Any] | None = None, *, astray: bool = False
) -> Update:
    """The step of `commit_content`."""
    change = {**(attributes or {}), **({"content": content_field(content)} if content is not None else {})}
    unset = () if content is not None else ("content",)
    revisions = {"rev": 1, **(ATTRIBUTES if attributes else {})}
    return Update(INODES, inode.ino, {"rev": inode.rev}, change, unset, revisions, MOVED if astray else STAMP)


def commit_contents(engine: Engine, steps: Sequence[Update]) -> dict[int, Inode]:
    """Do many `content_step`s in one round trip; the inodes as they are afterwards, by number, whoever changed them."""
    engine.batch(steps)
    return read_inodes(engine, [int(step.id) for step in steps])


def fence_content(engine: Engine, inode: Inode) -> bool:
    """Make every commit of content that was begun before now fail; False: the inode changed, look again."""
    return fence_contents(engine, [inode])


def moved_inodes(engine: Engine, home: str, limit: int = 1000) -> list[Inode]:
    """Inodes of a home whose keys, or those of what lies in them, may not be where they belong; longest waiting first."""
    return [inode_of(doc) for doc in engine.find(INODES, {"home": home}, ("moved_us", 0), limit)]


def note_moved(engine: Engine, ino: int) -> None:
    """Note that an inode's key is to follow its name, still."""
    engine.update(INODES, ino, {"names": PRESENT}, stamp=("moved_us",))


def note_settled(engine: Engine, inode: Inode) -> bool:
    """Take the note away, where nothing has moved since it was read."""
    return engine.update(INODES, inode.ino, {"moved_us": inode.moved_us}, unset=("moved_us",)) is not None


def read_object(engine: Engine, key: str) -> ObjectRecord | None:
    """The record of a key, or None where nobody claims it."""
    doc = engine.get(OBJECTS, key)
    return None if doc is None else object_of(doc)


def read_objects(engine: Engine, keys: Iterable[str]) -> list[ObjectRecord]:
    """The records of those of the keys that somebody claims, in one round trip."""
    return [object_of(doc) for doc in engine.get_many(OBJECTS, keys).values()]


def insert_claim(engine: Engine, key: str, ino: int) -> ObjectRecord | None:
    """Claim a key; None: somebody has it."""
    return insert_claims(engine, [(key, ino)])[0]


def insert_claims(engine: Engine, wanted: Sequence[tuple[str, int]]) -> list[ObjectRecord | None]:
    """Claim many keys, each for an inode, in one round trip and one more for each that somebody has (None)."""
    claims = [claim_step(engine, key, ino) for key, ino in wanted]
    made: list[ObjectRecord | None] = [record for record, _ in claims]
    done = 0
    while done < len(claims):
        try:
            engine.batch([step for _, step in claims[done:]])
            break
        except Duplicate as problem:
            done += problem.position
            made[done] = None
            done += 1
    return made


def claim_step(engine: Engine, key: str, ino: int) -> tuple[ObjectRecord, Insert]:
    """A claim's record, and the step that makes it."""
    record = ObjectRecord(key, ino, ObjectState.CLAIMED, new_token(), engine.now_us())
    doc = {"_id": key, "ino": ino, "state": record.state.value, "token": record.token, "since_us": record.since_us}
    return record, Insert(OBJECTS, doc)


def mark_object(engine: Engine, record: ObjectRecord, state: ObjectState) -> ObjectRecord | None:
    """Put a record into a state under a new token, where it still is what was read."""
    _, (step,) = state_steps(engine, [record], state)
    doc = engine.update(step.collection, step.id, step.where, step.set)
    return None if doc is None else object_of(doc)


def delete_object(engine: Engine, record: ObjectRecord) -> None:
    """Give a key up, where the record still is what was read."""
    delete_objects(engine, [record])


def objects_of(engine: Engine, ino: int) -> list[ObjectRecord]:
    """The keys that an inode has claimed, by index."""
    return [object_of(doc) for doc in engine.find(OBJECTS, {"ino": ino})]


def claimed_ancestors(engine: Engine, key: str) -> list[ObjectRecord]:
    """Which path-prefixes of a key are claimed themselves, the shortest first."""
    return sorted(read_objects(engine, prefixes_of(key)), key=lambda record: len(record.key))


def prefixes_of(key: str) -> list[str]:
    """A key's path-prefixes, the shortest first."""
    parts = key.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def claimed_relatives(engine: Engine, keys: Sequence[str]) -> tuple[set[str], list[str]]:
    """The claimed keys that are path-prefixes of some of the keys, and those that have some as theirs, up to RELATIVES_MAX."""
    prefixes = {prefix for key in keys for prefix in prefixes_of(key)}
    below = engine.scan_any(OBJECTS, [(f"{key}/", f"{key}0") for key in keys], RELATIVES_MAX)  # "0" follows "/"
    return {str(key) for key in engine.get_many(OBJECTS, prefixes)}, [doc["_id"] for doc in below]


def claimed_descendant(engine: Engine, key: str) -> ObjectRecord | None:
    """A claimed key that has this one as its path-prefix."""
    found = engine.scan(OBJECTS, f"{key}/", f"{key}0", 1)  # "0" follows "/"
    return object_of(found[0]) if found else None


def scan_objects(engine: Engine, after: str, before: str, limit: int = 1000) -> list[ObjectRecord]:
    """Records with after < key < before, in key order."""
    return [object_of(doc) for doc in engine.scan(OBJECTS, after, before, limit)]


def scan_inodes(engine: Engine, after: int | None, limit: int = 1000) -> list[Inode]:
    """Inodes in number order behind `after`, of every home, tombstones included."""
    return [inode_of(doc) for doc in engine.scan(INODES, after, None, limit)]


def read_inodes(engine: Engine, inos: Iterable[int]) -> dict[int, Inode]:
    """Those of the inodes that there are, by number, in one round trip."""
    return {doc["_id"]: inode_of(doc) for doc in engine.get_many(INODES, inos).values()}


def fence_contents(engine: Engine, inodes: Collection[Inode]) -> bool:
    """`fence_content` of many in one round trip. False: not of all of them."""
    return engine.batch([Update(INODES, inode.ino, {"rev": inode.rev}, inc={"rev": 1}) for inode in inodes]) == len(inodes)


def doom_objects(engine: Engine, records: Sequence[ObjectRecord]) -> list[ObjectRecord]:
    """Doom those of the records that still are what was read; as they are now. Two round trips."""
    doomed, steps = state_steps(engine, records, ObjectState.DOOMED)
    engine.batch(steps)
    now = engine.get_many(OBJECTS, [record.key for record in doomed])
    return [record for record in doomed if record.key in now and object_of(now[record.key]) == record]


def mark_objects(engine: Engine, records: Sequence[ObjectRecord], state: ObjectState) -> None:
    """`mark_object` of many in one round trip, those that are not what was read any more excepted."""
    engine.batch(state_steps(engine, records, state)[1])


def state_steps(engine: Engine, records: Sequence[ObjectRecord], state: ObjectState) -> tuple[list[ObjectRecord], list[Update]]:
    """The records as they are to be, and the steps that make them so where they still are what was read."""
    since_us = engine.now_us()
    after = [replace(record, state=state, token=new_token(), since_us=since_us) for record in records]
    changes = [{"state": state.value, "token": record.token, "since_us": since_us} for record in after]
    return after, [
        Update(OBJECTS, record.key, {"token": record.token}, change) for record, change in zip(records, changes, strict=True)
    ]


def delete_objects(engine: Engine, records: Iterable[ObjectRecord]) -> None:
    """Give keys up, where the records still are what was read, in one round trip."""
    engine.batch([Delete(OBJECTS, record.key, {"token": record.token}) for record in records])


def delete_inodes(engine: Engine, inodes: Iterable[Inode]) -> int:
    """`delete_inode` of many in one round trip; how many went."""
    return engine.batch([Delete(INODES, inode.ino, {"rev": inode.rev, "nrev": inode.nrev}) for inode in inodes])


def delete_inode(engine: Engine, inode: Inode) -> bool:
    """Remove an inode document where neither names nor content have changed since it was read."""
    return delete_inodes(engine, [inode]) == 1
