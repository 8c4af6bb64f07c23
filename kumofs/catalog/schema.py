"""The collections, their fields and their indexes: the canonical description of what the catalog holds.

| collection | `_id`                   | fields |
|------------|-------------------------|--------|
| users      | user id, str            | email, home, password {scheme, hash}, root, created_us, auth_epoch |
| sessions   | SHA-256 of token, hex   | user, created_us, expires_us, host, auth_epoch |
| attempts   | part of SHA-256(email) | failures, blocked_until_us: failed sign-ins in a row, of known and unknown addresses |
| inodes     | inode number, int       | see `documents.inode_document` |
| entries    | "<parent>/<name>"       | parent, inos, token |
| objects    | key in the store        | ino, state, token, since_us |
| counters   | name of the counter     | next |
| leases     | home                    | token, moving |

Invariants: every uniqueness that correctness rests on is `_id` uniqueness; an inode number is never used again;
`names` and `removing` are absent, never empty, so that `where` can ask for their presence.

On a sharded cluster each collection is sharded on `_id`, or not at all: a write finds its document by `_id` alone, so any
other key would send it to every shard, and only a shard key keeps `_id` unique across them.

| collection     | shard key         | why |
|----------------|-------------------|-----|
| inodes         | {_id: "hashed"}   | numbers rise, so ranges would send every new inode to one shard; feed and tags ask each |
| entries        | {_id: 1}          | a directory is one range of ids, read in order: one shard as a rule |
| objects        | {_id: 1}          | the keys under a prefix are one range; `ino` is asked of all shards, seldom |
| sessions       | {_id: "hashed"}   | random ids, always read singly |
| attempts       | {_id: "hashed"}   | the same |
| users          | none              | `email` and `home` are unique: such an index must begin with the shard key; it is small |
| counters       | none              | one document, one write for 256 new inodes |
| leases         | none              | one document a home, there only while a directory changes its parent |

Nothing else of a server is needed: no transactions, no `$lookup`, no change streams, no aggregation, no TTL, no sessions. So
Amazon DocumentDB serves too (with `retryWrites=false` in its URL, for it has none: see `mongo_certain`).
"""

from __future__ import annotations

from kumofs.catalog.port import Index

USERS = "users"
SESSIONS = "sessions"
ATTEMPTS = "attempts"
INODES = "inodes"
ENTRIES = "entries"
OBJECTS = "objects"
COUNTERS = "counters"
LEASES = "leases"

COLLECTIONS: dict[str, tuple[Index, ...]] = {
    USERS: (Index(("email",), unique=True), Index(("home",), unique=True)),
    SESSIONS: (Index(("user",)),),
    ATTEMPTS: (),
    INODES: (Index(("home", "changed_us")), Index(("home", "moved_us")), Index(("home", "tags"))),
    ENTRIES: (),
    OBJECTS: (Index(("ino",)),),
    COUNTERS: (),
    LEASES: (),
}
"""Each collection's indexes; an index over a list field (tags) has one row per element, as in MongoDB."""

LIST_FIELDS = frozenset({"tags"})
"""Indexed fields whose value is a list of strings."""
