"""Contract of multipart uploads."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kumofs.errors import NoSuchObject, NoSuchUpload, PreconditionFailed, RangeNotSatisfiable, StoreError
from kumofs.store.protocol import Store


@pytest.fixture
def part_bytes(store: Store) -> int:
    """A size that every part may have."""
    return max(1000, store.capabilities.part_min_bytes)


def upload(store: Store, key: str, bodies: list[bytes]) -> tuple[str, list[tuple[int, str]]]:
    upload_id = store.create_upload(key, content_type="x/y", metadata={"kumo-ino": "7"})
    return upload_id, [(number, store.upload_part(key, upload_id, number, body)) for number, body in enumerate(bodies, 1)]


def test_parts_become_an_object(store: Store, part_bytes: int) -> None:
    bodies = [b"1" * part_bytes, b"2" * part_bytes, b"end"]
    upload_id, parts = upload(store, "u1/d/a", bodies)
    with pytest.raises(NoSuchObject):
        store.head("u1/d/a")
    assert list(store.list()) == []
    info = store.complete_upload("u1/d/a", upload_id, parts, if_none_match=True)
    there = store.head("u1/d/a")
    assert (there.etag, there.size, there.content_type, dict(there.metadata)) == (
        info.etag,
        2 * part_bytes + 3,
        "x/y",
        {"kumo-ino": "7"},
    )
    assert store.get("u1/d/a", if_match=info.etag) == b"".join(bodies)
    assert list(store.list_uploads()) == []


def test_parts_in_any_order_replaced_and_left_out(store: Store, part_bytes: int) -> None:
    upload_id = store.create_upload("a")
    tail = store.upload_part("a", upload_id, 9, b"tail")
    store.upload_part("a", upload_id, 5, b"unused")
    stale = store.upload_part("a", upload_id, 2, b"x" * part_bytes)
    head = store.upload_part("a", upload_id, 2, b"y" * part_bytes)
    assert stale != head
    store.complete_upload("a", upload_id, [(2, head), (9, tail)])
    assert store.get("a") == b"y" * part_bytes + b"tail"


def test_a_part_that_is_another_is_refused(store: Store) -> None:
    upload_id, [(_, etag)] = upload(store, "a", [b"x"])
    with pytest.raises(StoreError):
        store.complete_upload("a", upload_id, [(1, "0123456789abcdef0123456789abcdef")])
    with pytest.raises(StoreError):
        store.complete_upload("a", upload_id, [(1, etag), (2, etag)])
    with pytest.raises(StoreError):
        store.complete_upload("a", upload_id, [])
    store.complete_upload("a", upload_id, [(1, etag)])
    assert store.get("a") == b"x"


def test_parts_that_descend_are_refused(store: Store, part_bytes: int) -> None:
    upload_id, parts = upload(store, "a", [b"1" * part_bytes, b"2" * part_bytes])
    with pytest.raises(StoreError):
        store.complete_upload("a", upload_id, parts[::-1])
    with pytest.raises(NoSuchObject):
        store.head("a")


def test_a_condition_that_fails_keeps_the_upload(store: Store) -> None:
    upload_id, parts = upload(store, "a", [b"new"])
    old = store.put("a", b"old")
    with pytest.raises(PreconditionFailed):
        store.complete_upload("a", upload_id, parts, if_none_match=True)
    newer = store.put("a", b"newer")
    with pytest.raises(PreconditionFailed):
        store.complete_upload("a", upload_id, parts, if_match=old.etag)
    assert store.get("a") == b"newer"
    store.complete_upload("a", upload_id, parts, if_match=newer.etag)
    assert store.get("a") == b"new"


def test_parts_of_other_objects(store: Store, part_bytes: int) -> None:
    source = store.put("source", b"s" * (2 * part_bytes))
    upload_id = store.create_upload("a")
    first = store.copy_part("a", upload_id, 1, "source", 5, part_bytes, source.etag)
    second = store.upload_part("a", upload_id, 2, b"end")
    store.complete_upload("a", upload_id, [(1, first), (2, second)])
    assert store.get("a") == b"s" * part_bytes + b"end"


def test_a_part_of_another_state_or_of_nothing(store: Store, part_bytes: int) -> None:
    old = store.put("source", b"o" * part_bytes)
    new = store.put("source", b"n" * part_bytes)
    upload_id = store.create_upload("a")
    with pytest.raises(PreconditionFailed):
        store.copy_part("a", upload_id, 1, "source", 0, part_bytes, old.etag)
    with pytest.raises(NoSuchObject):
        store.copy_part("a", upload_id, 1, "none", 0, part_bytes, new.etag)
    with pytest.raises(RangeNotSatisfiable):
        store.copy_part("a", upload_id, 1, "source", 1, part_bytes, new.etag)


def test_an_edit_replaces_the_object_it_copies_from(store: Store, part_bytes: int) -> None:
    old = store.put("a", b"x" * part_bytes + b"tail")
    upload_id = store.create_upload("a")
    kept = store.copy_part("a", upload_id, 1, "a", 0, part_bytes, old.etag)
    changed = store.upload_part("a", upload_id, 2, b"TAIL")
    store.complete_upload("a", upload_id, [(1, kept), (2, changed)], if_match=old.etag)
    assert store.get("a") == b"x" * part_bytes + b"TAIL"


def test_an_aborted_upload_is_gone(store: Store) -> None:
    upload_id, parts = upload(store, "a", [b"x"])
    store.abort_upload("a", upload_id)
    store.abort_upload("a", upload_id)
    assert list(store.list_uploads()) == []
    with pytest.raises(NoSuchUpload):
        store.upload_part("a", upload_id, 2, b"y")
    with pytest.raises(NoSuchUpload):
        store.complete_upload("a", upload_id, parts)


@pytest.mark.parametrize("upload_id", ["", "none", "..", "../uploads", "a/b", "0" * 32])
def test_an_upload_that_never_was(store: Store, upload_id: str) -> None:
    source = store.put("source", b"x")
    with pytest.raises(NoSuchUpload):
        store.upload_part("a", upload_id, 1, b"x")
    with pytest.raises(NoSuchUpload):
        store.copy_part("a", upload_id, 1, "source", 0, 1, source.etag)
    with pytest.raises(NoSuchUpload):
        store.complete_upload("a", upload_id, [(1, source.etag)])
    store.abort_upload("a", upload_id)
    assert store.get("source") == b"x"


def test_an_upload_belongs_to_its_key(store: Store) -> None:
    upload_id, parts = upload(store, "a", [b"x"])
    with pytest.raises(NoSuchUpload):
        store.upload_part("b", upload_id, 2, b"y")
    with pytest.raises(NoSuchUpload):
        store.complete_upload("b", upload_id, parts)
    store.complete_upload("a", upload_id, parts)


def test_unfinished_uploads_are_listed(store: Store) -> None:
    ids = {key: store.create_upload(key) for key in ("u1/b", "u1/a", "u2/a")}
    assert [upload[:2] for upload in store.list_uploads()] == sorted(ids.items())
    assert [upload[:2] for upload in store.list_uploads("u1/")] == [("u1/a", ids["u1/a"]), ("u1/b", ids["u1/b"])]
    again = store.create_upload("u2/a")
    assert {upload.upload_id for upload in store.list_uploads("u2/")} == {ids["u2/a"], again}


def test_an_unfinished_upload_says_how_long_nothing_came(store: Store) -> None:
    upload_id = store.create_upload("a")
    (first,) = store.list_uploads()
    time.sleep(3)
    (later,) = store.list_uploads()
    assert -2 < first.idle_s < 600
    assert first.idle_s + 1 < later.idle_s < 600
    store.upload_part("a", upload_id, 1, b"x")
    store.abort_upload("a", upload_id)
    assert list(store.list_uploads()) == []


def test_the_parts_of_a_file_are_told_of_as_soon_as_they_may_be_left_behind(store: Store, tmp_path: Path) -> None:
    """What is told can be found and aborted; what needs no parts tells nothing; nothing stays once the call is over."""
    source, told = tmp_path / "source", list[tuple[str, list[str]]]()
    source.write_bytes(os.urandom(17 << 20))

    def began(upload_id: str) -> None:
        told.append((upload_id, [found for _, found, _ in store.list_uploads()]))

    info = store.put_file("a", source, if_none_match=True, began=began)
    store.copy("a", "b", if_match=info.etag, began=began)
    assert [there for _, there in told] == [[upload_id] for upload_id, _ in told]
    if not store.capabilities.local_files:
        assert told, "a file of that size goes in parts"
    assert list(store.list_uploads()) == []
    assert store.head("b").size == source.stat().st_size


def test_an_upload_ends_with_the_call_that_began_it(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(17 << 20))
    old = store.put("a", b"old")

    def replaced_meanwhile(_: str) -> None:
        store.put("a", b"newer")

    if store.capabilities.local_files:
        pytest.skip("a directory needs no parts")
    with pytest.raises(PreconditionFailed):
        store.put_file("a", source, if_match=old.etag, began=replaced_meanwhile)
    assert list(store.list_uploads()) == []
    assert store.get("a") == b"newer"
