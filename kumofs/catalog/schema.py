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
