"""Metadata of objects: an extended attribute of the file, or a record beside the tree where there are none.

    metadata/3f/3f9a….json      named by the key's sha256: no key's record can be in another's way
    {"key": "u1/a.txt", "states": {"<etag>": {"content_type": "text/plain", "metadata": {…}}, …}}

A record is written before the object's rename, so it has two states then: of the object as it is and as it will be.
Whichever side of a crash the reader is on, it finds the one for the etag that it sees; any other is ignored.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from kumofs.store.directory_incoming import Incoming, sync_directory

ATTRIBUTE = "user.kumo.object"
NO_ATTRIBUTES = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})
NO_ROOM = frozenset({errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EDQUOT})
"""Many file systems have a few KiB for a file's attributes; a full disk shows again when the record is written."""


@dataclass(frozen=True, slots=True)
class Description:
    """What an object carries besides its bytes."""

    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {"content_type": self.content_type, "metadata": dict(self.metadata)}


def described(record: object) -> Description:
    """The description of what was stored; an empty one where that was damaged."""
    if not isinstance(record, dict) or not isinstance(record.get("metadata"), dict):
        return Description()
    return Description(record.get("content_type"), {str(name): str(value) for name, value in record["metadata"].items()})


def parsed(text: bytes) -> object:
    """JSON, or None where it was damaged."""
    try:
        return json.loads(text)
    except ValueError:
        return None


class Attributes:
    """Descriptions in an extended attribute, where `usable`."""

    def __init__(self, *, usable: bool) -> None:
        self._usable = usable

    def write(self, fd: int, description: Description) -> bool:
        """Attach to an open file; False: it has to go into a record. OSError."""
        if not self._usable:
            return False
        try:
            os.setxattr(fd, ATTRIBUTE, json.dumps(description.as_json()).encode())
        except OSError as problem:
            if problem.errno not in NO_ROOM | NO_ATTRIBUTES:
                raise
            with suppress(OSError):  # a shared file may have one from an earlier put
                os.removexattr(fd, ATTRIBUTE)
            return False
        return True

    def read(self, fd: int) -> Description | None:
        """What is attached to an open file, or None. OSError."""
        if not self._usable:
            return None
        try:
            return described(parsed(os.getxattr(fd, ATTRIBUTE)))
        except OSError as problem:
            if problem.errno == errno.ENODATA or problem.errno in NO_ATTRIBUTES:
                return None
            raise


def attributes_work(incoming: Incoming) -> bool:
    """Whether the file system has extended attributes, found by trying. OSError where nothing can be written at all."""
    with incoming.draft() as draft:
        try:
            os.setxattr(draft.fd, ATTRIBUTE, b"{}")
        except OSError:
            return False
    return True


class Records:
    """Descriptions in a tree of records."""

    def __init__(self, directory: Path, incoming: Incoming) -> None:
        self._directory = directory
        self._incoming = incoming

    def read(self, key: str, etag: str) -> Description | None:
        """What is recorded of that state of a key, or None. OSError."""
        state = self._states(key).get(etag)
        return None if state is None else described(state)

    def add(self, key: str, current: str | None, etag: str, description: Description) -> None:
        """Record a state to come, durably, and keep that of the current one; the caller is alone with the key. OSError."""
        states = {known: state for known, state in self._states(key).items() if known == current}
        states[etag] = description.as_json()
        path = self._path(key)
        with suppress(FileExistsError):
            path.parent.mkdir(mode=0o700)
            sync_directory(self._directory)
        with self._incoming.draft(json.dumps({"key": key, "states": states}).encode()) as draft:
            os.fsync(draft.fd)
            draft.path.replace(path)
        sync_directory(path.parent)

    def remove(self, key: str) -> None:
        """Forget a key, if anything is known; a record that comes back after a crash names an etag that does not. OSError."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        name = sha256(key.encode()).hexdigest()
        return self._directory / name[:2] / f"{name}.json"

    def _states(self, key: str) -> dict[str, object]:
        try:
            record = parsed(self._path(key).read_bytes())
        except FileNotFoundError:
            return {}
        states = record.get("states") if isinstance(record, dict) else None
        return states if isinstance(states, dict) else {}
