"""chmod, chown, utimens, truncate: the attributes a program may set."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from kumofs.catalog.inodes import change_attributes
from kumofs.fs import saving, writing
from kumofs.fs.drive import Drive
from kumofs.fs.node import Node

MODE_BITS = 0o7777


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be set; None: left as it is. Times in nanoseconds since the epoch."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None


async def change(drive: Drive, node: Node, wanted: Change, *, opened: bool, by_root: bool) -> None:
    """Set attributes. `opened`: through a handle, whose close will save a new size; without one it is saved now."""
    drive.access.may_write()
    if wanted.size is not None:
        await writing.truncate(drive, node, wanted.size)
    fields = document_fields(node, wanted, by_root=by_root)
    if node.is_dir:
        await drive.tidying.wait_tidy(node.ino)  # or the time of an unlink before would replace the one that is set now
    if fields:
        inode = await drive.catalog.run(change_attributes, drive.engine, node.ino, {**fields, "ctime_ns": time.time_ns()})
        drive.tree.adopt(inode)
    if wanted.mtime_ns is not None and node.staged is not None:
        node.staged.mtime_ns = wanted.mtime_ns
    if wanted.size is not None and not opened:
        await saving.closed(drive, node)


def document_fields(node: Node, wanted: Change, *, by_root: bool) -> dict[str, Any]:
    """The fields of the inode document that change."""
    given = {
        "mode": wanted.mode & MODE_BITS if wanted.mode is not None else privileges_left(node, wanted, by_root=by_root),
        "uid": wanted.uid,
        "gid": wanted.gid,
        "atime_ns": wanted.atime_ns,
        "mtime_ns": wanted.mtime_ns,
    }
    return {field: value for field, value in given.items() if value is not None}


def privileges_left(node: Node, wanted: Change, *, by_root: bool) -> int | None:
    """chown takes set-user-id and set-group-id away, and so does truncate by anybody but root; None: nothing to take."""
    chowned = wanted.uid is not None or wanted.gid is not None
    cut = wanted.size is not None and not by_root
    mode = node.inode.mode
    if node.is_dir or not (chowned or cut) or not writing.loses_privileges(mode):
        return None
    return writing.without_privileges(mode)


async def drop_privileges(drive: Drive, node: Node) -> None:
    """A write by an ordinary user takes set-user-id and set-group-id away."""
    mode = writing.without_privileges(node.inode.mode)
    drive.tree.adopt(await drive.catalog.run(change_attributes, drive.engine, node.ino, {"mode": mode}))
