"""Contract of `put_pieces`: an object made anew of pieces of a file and of itself."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from kumofs.errors import NoSuchObject, PreconditionFailed, RangeNotSatisfiable, StoreError
from kumofs.store.pieces import Piece
from kumofs.store.protocol import ObjectInfo, Store

PART_BYTES = 5 << 20
"""What every store takes as a part."""
METADATA = {"kumo-ino": "7"}


@pytest.fixture
def old(store: Store) -> tuple[ObjectInfo, bytes]:
    body = secrets.token_bytes(1024) * (2 * PART_BYTES // 1024)
    return store.put("d/a", body, metadata={"kumo-ino": "1"}), body


def file_of(tmp_path: Path, start: int, body: bytes) -> Path:
    """A sparse file, as a staged one is."""
    path = tmp_path / "source"
    with path.open("wb") as file:
        file.seek(start)
        file.write(body)
    return path


def test_what_is_copied_and_what_is_sent_make_the_object(store: Store, old, tmp_path: Path) -> None:
    info, body = old
    changed = secrets.token_bytes(PART_BYTES + 5)
    source = file_of(tmp_path, PART_BYTES, changed)
    pieces = [Piece(0, PART_BYTES, copied=True), Piece(PART_BYTES, PART_BYTES + 5, copied=False)]
    done = store.put_pieces("d/a", source, pieces, if_match=info.etag, content_type="x/y", metadata=METADATA)
    there = store.head("d/a")
    assert (there.etag, there.size, there.content_type, dict(there.metadata)) == (done.etag, done.size, "x/y", METADATA)
    assert store.get("d/a", if_match=done.etag) == body[:PART_BYTES] + changed
    assert list(store.list_uploads()) == []
    source.write_bytes(b"the file may change afterwards")
    assert store.get("d/a", PART_BYTES) == changed


def test_what_is_sent_may_come_first(store: Store, old, tmp_path: Path) -> None:
    info, body = old
    changed = secrets.token_bytes(PART_BYTES)
    pieces = [Piece(0, PART_BYTES, copied=False), Piece(PART_BYTES, PART_BYTES - 7, copied=True)]
    done = store.put_pieces("d/a", file_of(tmp_path, 0, changed), pieces, if_match=info.etag)
    assert store.get("d/a", if_match=done.etag) == changed + body[PART_BYTES:-7]


def test_an_object_is_cut_without_sending_anything(store: Store, old, tmp_path: Path) -> None:
    info, body = old
    done = store.put_pieces("d/a", file_of(tmp_path, 0, b""), [Piece(0, 1234, copied=True)], if_match=info.etag)
    assert store.get("d/a", if_match=done.etag) == body[:1234]


def test_what_has_changed_is_left_as_it_is(store: Store, old, tmp_path: Path) -> None:
    info, _ = old
    newer = store.put("d/a", b"newer", if_match=info.etag)
    for pieces in ([Piece(0, 9, copied=True)], [Piece(0, 9, copied=False)]):
        with pytest.raises(PreconditionFailed):
            store.put_pieces("d/a", file_of(tmp_path, 0, b"123456789"), pieces, if_match=info.etag)
    assert store.get("d/a", if_match=newer.etag) == b"newer"
    store.delete("d/a")
    with pytest.raises(PreconditionFailed):
        store.put_pieces("d/a", file_of(tmp_path, 0, b""), [Piece(0, 9, copied=True)], if_match=info.etag)
    with pytest.raises(NoSuchObject):
        store.head("d/a")
    assert list(store.list_uploads()) == []


def update_while(store: Store, tmp_path: Path, etag: str, others: Callable[[], object]) -> None:
    """An update that has begun when others do something, and is refused for it."""
    if store.capabilities.local_files:
        pytest.skip("a directory needs no parts")
    pieces = [Piece(0, PART_BYTES, copied=True), Piece(PART_BYTES, 9, copied=False)]
    source = file_of(tmp_path, PART_BYTES, b"123456789")
    with pytest.raises(PreconditionFailed):
        store.put_pieces("d/a", source, pieces, if_match=etag, began=lambda _: others())
    assert list(store.list_uploads()) == []


@pytest.mark.parametrize("newer", [b"newer", b"n" * (PART_BYTES + 9)], ids=["shorter", "as long"])
def test_what_is_replaced_meanwhile_stays(store: Store, old, tmp_path: Path, newer: bytes) -> None:
    update_while(store, tmp_path, old[0].etag, lambda: store.put("d/a", newer))
    assert store.get("d/a") == newer


def test_what_is_removed_meanwhile_stays_away(store: Store, old, tmp_path: Path) -> None:
    update_while(store, tmp_path, old[0].etag, lambda: store.delete("d/a"))
    with pytest.raises(NoSuchObject):
        store.head("d/a")


def test_pieces_that_are_not_there(store: Store, old, tmp_path: Path) -> None:
    info, body = old
    size = len(body)
    with pytest.raises(RangeNotSatisfiable):
        store.put_pieces("d/a", file_of(tmp_path, 0, b""), [Piece(0, size + 1, copied=True)], if_match=info.etag)
    with pytest.raises(StoreError):
        store.put_pieces("d/a", file_of(tmp_path, 0, b"123"), [Piece(0, 4, copied=False)], if_match=info.etag)
    with pytest.raises(StoreError):
        store.put_pieces("d/a", tmp_path / "none", [Piece(0, 4, copied=False)], if_match=info.etag)
    for pieces in (
        [],
        [Piece(1, 4, copied=True)],
        [Piece(0, 4, copied=True), Piece(5, 4, copied=True)],
        [Piece(0, 0, copied=True)],
    ):
        with pytest.raises(StoreError):
            store.put_pieces("d/a", file_of(tmp_path, 0, b"123456789"), pieces, if_match=info.etag)
    assert store.head("d/a").etag == info.etag
    assert list(store.list_uploads()) == []
