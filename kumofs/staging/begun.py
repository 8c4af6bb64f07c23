"""Uploads in parts that a mount has begun: one that it dies over would lie in the store, and cost money, for ever.

Each is noted in the staging slot as soon as it exists, `<slot>/<name>.upload`, until it has ended; whoever takes up the slot
aborts what it finds there. What was never noted, and slots that nobody takes up again, are for `collect`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from kumofs.store.protocol import Began, Store

log = logging.getLogger(__name__)


class BegunUploads:
    """The notes in one slot. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: set[Path] = set()

    @contextmanager
    def noted(self, key: str) -> Iterator[Began]:
        """What a store is to tell of an upload to `key` that the block makes; the note is gone where the block succeeds."""
        paths: list[Path] = []

        def began(upload_id: str) -> None:
            paths.append(self.add(key, upload_id))

        try:
            yield began
            for path in paths:
                path.unlink(missing_ok=True)
        finally:
            self._running.difference_update(paths)

    def add(self, key: str, upload_id: str) -> Path:
        """Note an upload that runs from now on; its note."""
        path = self._directory / f"{sha256(upload_id.encode()).hexdigest()[:32]}.upload"
        self._running.add(path)
        write_note(path, key, upload_id)
        return path

    def remove(self, path: Path) -> None:
        """The upload has ended well, or is aborted."""
        path.unlink(missing_ok=True)
        self.leave(path)

    def leave(self, path: Path) -> None:
        """The upload is given up, and `abort_left` may have it."""
        self._running.discard(path)

    def abort_left(self, store: Store) -> int:
        """Abort what is noted and is not running now; how many that were. StoreError: the rest is for another time."""
        left = [path for path in self._directory.glob("*.upload") if path not in self._running]
        for path in left:
            note = read_note(path)
            if note is not None:
                store.abort_upload(*note)
            path.unlink(missing_ok=True)
        return len(left)


def write_note(path: Path, key: str, upload_id: str) -> None:
    """Note an upload so that it survives this process. A disk that is too full for it must not keep the bytes from going out."""
    draft = path.with_suffix(".new")
    try:
        draft.write_text(json.dumps({"key": key, "id": upload_id}))
        draft.replace(path)
    except OSError as problem:
        log.warning(
            "an upload to %r is not noted (%s): if it does not end well, it is aborted after a day", key, problem.strerror
        )


def read_note(path: Path) -> tuple[str, str] | None:
    """(key, upload id); None where nothing can be made of it, or it is gone."""
    try:
        note = json.loads(path.read_text())
        return str(note["key"]), str(note["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
