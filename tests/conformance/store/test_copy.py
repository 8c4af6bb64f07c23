"""Contract of `copy`."""

from __future__ import annotations

import pytest

from kumofs.errors import KeyRefused, NoSuchObject, PreconditionFailed
from kumofs.store.protocol import Store

BODY = b"body " * 100_000


def test_a_copy_is_an_object_of_its_own(store: Store) -> None:
    source = store.put("u1/a", BODY, content_type="x/y", metadata={"kumo-ino": "1"})
    copied = store.copy("u1/a", "u1/d/b", if_match=source.etag)
    assert (copied.key, copied.size) == ("u1/d/b", len(BODY))
    store.delete("u1/a", if_match=source.etag)
    there = store.head("u1/d/b")
    assert (there.etag, there.content_type, dict(there.metadata)) == (copied.etag, "x/y", {"kumo-ino": "1"})
    assert store.get("u1/d/b", if_match=copied.etag) == BODY


def test_new_metadata(store: Store) -> None:
    source = store.put("a", b"x", metadata={"kumo-ino": "1", "kumo-mode": "600"})
    store.copy("a", "b", if_match=source.etag, metadata={"kumo-ino": "2"})
    assert dict(store.head("b").metadata) == {"kumo-ino": "2"}
    assert dict(store.head("a").metadata) == {"kumo-ino": "1", "kumo-mode": "600"}
    assert store.head("a").etag == source.etag


def test_only_of_that_very_state(store: Store) -> None:
    old = store.put("a", b"old").etag
    store.put("a", b"new")
    with pytest.raises(PreconditionFailed):
        store.copy("a", "b", if_match=old)
    with pytest.raises(NoSuchObject):
        store.copy("none", "b", if_match=old)
    with pytest.raises(NoSuchObject):
        store.head("b")


def test_nothing_is_overwritten(store: Store) -> None:
    if not store.capabilities.conditional_copy:
        pytest.skip("the store cannot look at the target")
    source = store.put("a", b"a")
    store.put("b", b"b")
    with pytest.raises(PreconditionFailed):
        store.copy("a", "b", if_match=source.etag)
    with pytest.raises(PreconditionFailed):
        store.copy("a", "a", if_match=source.etag)
    assert (store.get("a", if_match=source.etag), store.get("b")) == (b"a", b"b")


def test_to_a_key_that_is_none(store: Store) -> None:
    source = store.put("a", b"a")
    with pytest.raises(KeyRefused):
        store.copy("a", "b//c", if_match=source.etag)
