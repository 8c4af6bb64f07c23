"""The home's lease: one directory at a time changes its parent, so that no two moves make a cycle.

No clock: who finds the lease taken fences the directory that its holder is moving (the holder's commit then fails) and
takes the lease over. A holder therefore compares the revision that it read *before* it took the lease.
"""

from __future__ import annotations

from kumofs.catalog.claims import new_token, read_inode
from kumofs.catalog.port import Engine
from kumofs.catalog.schema import INODES, LEASES
from kumofs.errors import Duplicate


def take_lease(engine: Engine, home: str, moving: int) -> str | None:
    """The lease's token, or None: somebody was quicker, begin again."""
    token = new_token()
    held = engine.get(LEASES, home)
    if held is None:
        try:
            engine.insert(LEASES, {"_id": home, "token": token, "moving": moving})
        except Duplicate:
            return None
        return token
    stuck = read_inode(engine, held["moving"])
    if stuck is not None and engine.update(INODES, stuck.ino, {"nrev": stuck.nrev}, inc={"nrev": 1}) is None:
        return None
    taken = engine.update(LEASES, home, {"token": held["token"]}, {"token": token, "moving": moving})
    return token if taken is not None else None


def give_lease_back(engine: Engine, home: str, token: str) -> None:
    """Let the next one move; nothing happens where the lease was stolen."""
    engine.delete(LEASES, home, {"token": token})
