"""Journal records: what has to be known to commit staged bytes without the mount that staged them.

A record is written, fsynced and renamed into place when its bytes are acknowledged, and removed when they are committed.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from kumofs.catalog.documents import content_field, content_of
from kumofs.model import Content


@dataclass(frozen=True, slots=True)
class Record:
    """Staged bytes of one inode: which write they are (`data`), what they replace (`base`), what of them is there.

    `present` are the ranges that lie in the staged file; the rest, up to `size`, is as in `base`. `sent` are earlier writes of
    these bytes that may have reached the store.
    """

    ino: int
    data: str
    base: Content | None
    size: int
    present: tuple[tuple[int, int], ...]
    mtime_ns: int
    sent: tuple[str, ...] = ()


def write_record(path: Path, record: Record, *, durable: bool = True) -> None:
    """Put a record in place; when this returns it survives the process, and, where `durable`, a power cut."""
    document = {**asdict(record), "base": content_field(record.base) if record.base else None}
    draft = path.with_suffix(f".{secrets.token_hex(4)}.new")  # a commit may write one while the file is closed
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "w") as file:
        file.write(json.dumps(document))
        if durable:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
    if durable:
        sync_directory(path.parent)


def read_record(path: Path) -> Record | None:
    """The record, or None where it is not there or cannot be understood."""
    try:
        document = json.loads(path.read_text())
        base = document["base"]
        return Record(
            ino=document["ino"],
            data=document["data"],
            base=content_of(base) if base else None,
            size=document["size"],
            present=tuple((start, end) for start, end in document["present"]),
            mtime_ns=document["mtime_ns"],
            sent=tuple(document.get("sent", ())),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def sync_directory(directory: Path) -> None:
    """Make the names of a directory survive a power cut."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
