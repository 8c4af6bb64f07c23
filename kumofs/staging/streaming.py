"""streaming: a large new file goes into the store while it is still being written.

    claim key -> begin an upload -> send each part that is written -> (the commit:) send what is left or was changed
    -> complete, where nothing is -> commit -> object live

The object's metadata is fixed when the upload begins, so the write gets its name (`data`) then. It is the staged file's from
just before the completion on, and the journal's too: who takes the bytes up after a kill knows that they may be in the store.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from functools import partial

from kumofs.catalog.claims import read_inode
from kumofs.catalog.contents import commit_content, delete_object, mark_object
from kumofs.catalog.port import Engine
from kumofs.errors import CatalogUnavailable, KeyRefused, KumofsError, NoSuchObject, NoSuchUpload, PreconditionFailed, StoreError
from kumofs.model import Inode, ObjectRecord, ObjectState
from kumofs.staging.description import content_from, content_type, metadata, new_times
from kumofs.staging.keys import claim_key, free_key, wanted_key
from kumofs.staging.staged import StagedFile
from kumofs.staging.stream import PART_BYTES, Stream
from kumofs.store.protocol import Store

BEGIN_BYTES = 4 * PART_BYTES
"""So much of a file was written from its beginning on when its stream begins."""


def may_stream(store: Store, staged: StagedFile) -> bool:
    """Whether a stream is worth it: the file is new, large, and written from its beginning on."""
    able = store.capabilities
    if able.local_files or staged.base is not None or staged.streamed:
        return False
    return BEGIN_BYTES <= staged.appended <= able.part_max_count * PART_BYTES // 2


def begin(engine: Engine, store: Store, staged: StagedFile) -> Stream | None:
    """Begin a stream; None: the file is not new any more, or its key is not to be had now."""
    inode = read_inode(engine, staged.ino)
    if inode is None or not inode.names or inode.content is not None:
        return None
    claimed = claim_key(engine, store, inode)
    return None if claimed is None else begin_upload(engine, store, staged, inode, claimed)


def begin_upload(engine: Engine, store: Store, staged: StagedFile, inode: Inode, claimed: ObjectRecord) -> Stream | None:
    """Begin the upload to a claimed key; None where the store cannot carry it."""
    data = secrets.token_urlsafe(12)
    try:
        described = metadata(inode, data, None)
        upload_id = store.create_upload(claimed.key, content_type=content_type(inode), metadata=described)
    except KeyRefused:
        delete_object(engine, claimed)
        return None
    except StoreError:
        free_key(engine, store, claimed)
        raise
    return Stream(inode, claimed, upload_id, data, staged.begun.add(claimed.key, upload_id))


def send_next(store: Store, staged: StagedFile, stream: Stream) -> bool:
    """Send the next part; False: none is written yet."""
    return stream.send_next(partial(store.upload_part, stream.claimed.key, stream.upload_id), staged.path, staged.appended)


def finish(engine: Engine, store: Store, staged: StagedFile, stream: Stream) -> Inode | None:
    """Make the object and commit it; the caller holds the inode's lock. None: it is to be sent as any other file.

    What cannot be sent now is no reason to send the rest again: the stream then stays. Once its completion was tried, and
    perhaps done, it does not.
    """
    try:
        parts = all_sent(store, staged, stream)
        done = committed(engine, store, staged, stream, parts) if parts else None
    except (PreconditionFailed, NoSuchUpload):  # something lies there; somebody aborted it
        done = None
    if done is None:
        give_up(engine, store, staged, stream)
        return None
    staged.stream = None
    staged.begun.remove(stream.note)
    mark_object(engine, stream.claimed, ObjectState.LIVE)
    return done


def all_sent(store: Store, staged: StagedFile, stream: Stream) -> list[tuple[int, str]]:
    """Send what is left or was changed; the parts of the object. None where there can be none, or something lies there."""
    key = stream.claimed.key
    with suppress(NoSuchObject):
        store.head(key)
        return []
    if not 0 < staged.size <= store.capabilities.part_max_count * PART_BYTES:
        return []
    stream.end()
    return stream.rest(partial(store.upload_part, key, stream.upload_id), staged.path, staged.size)


def committed(engine: Engine, store: Store, staged: StagedFile, stream: Stream, parts: list[tuple[int, str]]) -> Inode | None:
    """Complete the object and commit it; None: the file is another's by now."""
    key = stream.claimed.key
    try:
        staged.adopt(stream.data)
        info = store.complete_upload(key, stream.upload_id, parts, if_none_match=True)
        now = read_inode(engine, staged.ino)
        astray = now is not None and bool(now.names) and key != wanted_key(engine, now)
        return commit_content(engine, stream.inode, content_from(info, staged), new_times(stream.inode, staged), astray=astray)
    except KumofsError:
        give_up(engine, store, staged, stream)
        raise


def give_up(engine: Engine, store: Store, staged: StagedFile, stream: Stream) -> None:
    """Leave nothing of a stream, as far as that can be done now; the next mount and the collection do the rest."""
    if staged.stream is stream:
        staged.stream = None
    stream.end()
    with suppress(StoreError, CatalogUnavailable):
        store.abort_upload(stream.claimed.key, stream.upload_id)
        staged.begun.remove(stream.note)
        free_key(engine, store, stream.claimed)
    staged.begun.leave(stream.note)
