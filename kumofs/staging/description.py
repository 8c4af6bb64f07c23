"""What goes with the bytes: the object's type and metadata, and what the catalog records."""

from __future__ import annotations

import mimetypes
from typing import Any
from urllib.parse import quote

from kumofs.model import Content, Inode, name_of
from kumofs.staging.keys import DATA, INO
from kumofs.staging.staged import StagedFile
from kumofs.store.protocol import ObjectInfo


def content_from(info: ObjectInfo, staged: StagedFile) -> Content:
    """What the catalog records of a put."""
    return Content(info.key, info.etag, info.version, staged.size, staged.data)


def new_times(inode: Inode, staged: StagedFile) -> dict[str, Any]:
    """The times that go with the bytes; utimens on a file being written changes `staged.mtime_ns`."""
    return {"mtime_ns": staged.mtime_ns, "ctime_ns": max(inode.ctime_ns, staged.changed_ns)}


def content_type(inode: Inode) -> str:
    """By the file's name, as a web server would say."""
    guess = mimetypes.guess_type(name_of(inode.names[0]))[0] if inode.names else None
    return guess or "application/octet-stream"


def metadata(inode: Inode, data: str, mtime_ns: int | None) -> dict[str, str]:
    """What the object itself says of the file, so that a lost catalog can be rebuilt from the bucket. ASCII only.

    `mtime_ns` None: the bytes are not all written yet, and the object's own time will be theirs.
    """
    return {
        INO: str(inode.ino),
        DATA: data,
        "kumo-owner": quote(inode.owner, safe="@"),
        "kumo-created": str(inode.created_ns),
        **({} if mtime_ns is None else {"kumo-mtime": str(mtime_ns)}),
        "kumo-mode": f"{inode.mode:o}",
        "kumo-tags": quote(",".join(inode.tags), safe=","),
    }
