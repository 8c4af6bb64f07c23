"""Contract of `delete`."""

from __future__ import annotations

import pytest

from kumofs.errors import NoSuchObject, PreconditionFailed
from kumofs.store.protocol import Store


def test_a_deleted_object_is_gone(store: Store) -> None:
    store.put("u1/d/a", b"x", metadata={"kumo-ino": "1"})
    store.delete("u1/d/a")
    with pytest.raises(NoSuchObject):
        store.head("u1/d/a")
    assert list(store.list()) == []


@pytest.mark.parametrize("key", ["a", "u1/none", "u1/b", "u1/b/c/d"])
def test_nothing_there_is_success(store: Store, key: str) -> None:
    kept = store.put("u1/b/c", b"x")
    store.delete(key)
    store.delete(key, if_match=kept.etag)
    assert [info.key for info in store.list()] == ["u1/b/c"]


def test_only_that_very_state(store: Store) -> None:
    old = store.put("a", b"old").etag
    new = store.put("a", b"new").etag
    with pytest.raises(PreconditionFailed):
        store.delete("a", if_match=old)
    assert store.get("a") == b"new"
    store.delete("a", if_match=new)
    store.delete("a", if_match=new)
    with pytest.raises(NoSuchObject):
        store.get("a")


def test_metadata_does_not_come_back(store: Store) -> None:
    store.put("a", b"x", content_type="x/y", metadata={"kumo-ino": "1"})
    store.delete("a")
    store.put("a", b"x")
    assert dict(store.head("a").metadata) == {}


def test_a_folder_becomes_a_file_and_a_file_a_folder(store: Store) -> None:
    store.put("a/b/c", b"1")
    store.delete("a/b/c")
    store.put("a", b"2", if_none_match=True)
    assert store.get("a") == b"2"
    store.delete("a")
    store.put("a/b", b"3", if_none_match=True)
    assert store.get("a/b") == b"3"


def test_neighbours_stay(store: Store) -> None:
    for key in ("a/b/c", "a/b/d", "a/b-", "a/e/f"):
        store.put(key, key.encode())
    store.delete("a/b/c")
    assert {info.key: store.get(info.key) for info in store.list()} == {key: key.encode() for key in ("a/b-", "a/b/d", "a/e/f")}
