"""Contract of `delete`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from kumofs.errors import NoSuchObject, PreconditionFailed, StoreError
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


def test_many_at_once(store: Store) -> None:
    names = ["a&b", "d/x", "d/y z", "d/\u00e9", "d/\n", "d/e/f", "z<>'\"+%41"]
    etags = {f"u1/{name}": store.put(f"u1/{name}", name.encode()).etag for name in names}
    stay = store.put("u1/d/y zz", b"stays")
    gone = store.delete_many(etags | {"u1/none": stay.etag})
    for key in etags.keys() - gone:
        store.delete(key, if_match=etags[key])
    assert [info.key for info in store.list()] == [stay.key]
    if store.capabilities.many_at_once:
        assert gone == {*etags, "u1/none"} - {"u1/d/\n"}, "what XML cannot carry is left to single deletions"


def test_of_many_only_those_in_that_very_state(store: Store) -> None:
    old = {key: store.put(key, b"old").etag for key in ("a", "b", "c")}
    store.put("b", b"new")
    assert "b" not in store.delete_many(old)
    assert store.get("b") == b"new"


def test_many_that_lie_far_apart(store: Store) -> None:
    etags = {}
    for number in range(30):
        info = store.put(f"u1/{number:02}", b"x")
        if number % 10 == 3:
            etags[info.key] = info.etag
    gone = store.delete_many(etags)
    for key in etags.keys() - gone:
        store.delete(key, if_match=etags[key])
    assert len(list(store.list())) == 27


def test_more_than_a_page(store: Store) -> None:
    if not store.capabilities.many_at_once:
        pytest.skip("the store deletes one by one")
    with ThreadPoolExecutor(16) as pool:
        infos = list(pool.map(lambda number: store.put(f"u1/{number:04}", b"x"), range(1100)))
    etags = {info.key: info.etag for info in infos}
    for part in (infos[:300], infos[300:1100]):
        assert store.delete_many({info.key: etags[info.key] for info in part}) == {info.key for info in part}
    assert list(store.list()) == []
    with pytest.raises(StoreError):
        store.delete_many({f"u1/{number}": "e" for number in range(1001)})
