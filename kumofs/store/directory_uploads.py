"""Multipart uploads of the directory store: a directory each, which is there wholly or not at all.

uploads/<id>/meta.json      the key and what the object is to carry
uploads/<id>/part-<number>  a part; its etag is its file's
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from kumofs.errors import NoSuchUpload, PreconditionFailed, StoreError, StoreUnavailable
from kumofs.store.directory_copying import copy_range
from kumofs.store.directory_incoming import Draft, Incoming, closed_after, discard, stamp, sync_directory
from kumofs.store.directory_metadata import Description, described, parsed
from kumofs.store.directory_tree import OBJECT_FLAGS, etag_of
from kumofs.store.protocol import UnfinishedUpload

META = "meta.json"
ID = re.compile(r"[0-9a-f]{32}")
PART_MAX_COUNT = 10_000


class Uploads:
    """The unfinished uploads under one directory. Its drafts must be on the same file system."""

    def __init__(self, directory: Path, incoming: Incoming) -> None:
        self._directory = directory
        self._incoming = incoming

    def create(self, key: str, description: Description) -> str:
        """Begin an upload, durably; its id. OSError."""
        made = self._incoming.new_path()
        made.mkdir(mode=0o700)
        upload_id = secrets.token_hex(16)
        try:
            write_durably(made / META, json.dumps({"key": key, **description.as_json()}).encode())
            sync_directory(made)
            made.rename(self._directory / upload_id)
        except OSError:
            discard(made)
            raise
        sync_directory(self._directory)
        return upload_id

    def description(self, key: str, upload_id: str) -> Description:
        """What the object is to carry. NoSuchUpload, also where the id is of another key; OSError."""
        found = self._meta(upload_id)
        if found is None or found[0] != key:
            raise no_such(key, upload_id)
        return found[1]

    def receive(self, key: str, upload_id: str, number: int, draft: Draft) -> str:
        """Make a draft a part, durably, in place of an earlier one; its etag. NoSuchUpload, OSError."""
        state = stamp(draft.fd)
        os.fsync(draft.fd)
        directory = self._directory / upload_id
        try:
            draft.path.replace(directory / part_name(number))
            sync_directory(directory)
        except FileNotFoundError as problem:
            self._require_directory()
            raise no_such(key, upload_id) from problem
        return etag_of(state)

    def assemble(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]], draft: Draft) -> None:
        """Write the parts one after the other into a draft. NoSuchUpload, PreconditionFailed (a part is another), OSError."""
        done = 0
        for number, etag in parts:
            with ExitStack() as stack:
                try:
                    fd = os.open(self._directory / upload_id / part_name(number), OBJECT_FLAGS)
                except FileNotFoundError as problem:
                    self.description(key, upload_id)
                    raise PreconditionFailed(f"part {number} of {key!r} was never uploaded") from problem
                stack.enter_context(closed_after(fd))
                state = os.fstat(fd)
                if etag_of(state) != etag:
                    raise PreconditionFailed(f"part {number} of {key!r} is not the one that was uploaded")
                done += copy_range(fd, 0, state.st_size, draft.fd, done)

    def remove(self, upload_id: str) -> None:
        """Forget an upload and its parts, at once as others see it. OSError."""
        if not ID.fullmatch(upload_id):
            return
        leaving = self._incoming.new_path()
        try:
            (self._directory / upload_id).rename(leaving)
        except FileNotFoundError:
            self._require_directory()
            return
        sync_directory(self._directory)
        discard(leaving)

    def listed(self, prefix: str) -> list[UnfinishedUpload]:
        """The uploads to keys with that prefix, ordered by key and id. OSError."""
        found = []
        for upload_id in os.listdir(self._directory):
            meta = self._meta(upload_id)
            if meta is not None and meta[0].startswith(prefix):
                with suppress(FileNotFoundError):
                    changed_s = (self._directory / upload_id).stat().st_mtime  # a part that comes changes its directory
                    found.append(UnfinishedUpload(meta[0], upload_id, time.time() - changed_s))
        return sorted(found)

    def _meta(self, upload_id: str) -> tuple[str, Description] | None:
        if not ID.fullmatch(upload_id):
            return None
        with suppress(FileNotFoundError):
            record = parsed((self._directory / upload_id / META).read_bytes())
            if isinstance(record, dict) and isinstance(record.get("key"), str):
                return record["key"], described(record)
            return None
        self._require_directory()
        return None

    def _require_directory(self) -> None:
        if not self._directory.is_dir():
            raise StoreUnavailable(f"{self._directory} is gone: mount the store's disk, or put it back from a backup")


def part_name(number: int) -> str:
    """The file name of a part."""
    return f"part-{number}"


def check_number(number: int) -> None:
    """StoreError for a part number outside 1 to 10,000."""
    if not 1 <= number <= PART_MAX_COUNT:
        raise StoreError(f"part number {number} is not between 1 and {PART_MAX_COUNT}")


def check_parts(parts: Sequence[tuple[int, str]]) -> None:
    """StoreError for a list of parts that is empty or not ascending."""
    numbers = [number for number, _ in parts]
    if not numbers or numbers != sorted(set(numbers)):
        raise StoreError("the parts of an upload must be listed ascending, each once, and at least one")


def no_such(key: str, upload_id: str) -> NoSuchUpload:
    """The error for an upload that is not there."""
    return NoSuchUpload(f"there is no upload {upload_id!r} to {key!r}: begin again")


def write_durably(path: Path, body: bytes) -> None:
    """Write a new file and make its bytes survive a power cut. OSError."""
    with path.open("xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
