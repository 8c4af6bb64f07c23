"""Contract of `put` and `put_file`."""

from __future__ import annotations

from pathlib import Path

import pytest

from kumofs.errors import KeyRefused, NoSuchObject, PreconditionFailed, StoreError
from kumofs.store.protocol import Store

METADATA = {"kumo-ino": "7", "kumo-data": "abc_-", "kumo-owner": "ann@example.org", "kumo-tags": ""}


def test_what_was_put_is_there(store: Store) -> None:
    info = store.put("u1/a.txt", b"hello", content_type="text/plain", metadata=METADATA)
    assert (info.key, info.size) == ("u1/a.txt", 5)
    assert store.get("u1/a.txt") == b"hello"
    there = store.head("u1/a.txt")
    assert (there.key, there.etag, there.size) == (info.key, info.etag, 5)
    assert (there.content_type, dict(there.metadata)) == ("text/plain", METADATA)


def test_an_empty_object_is_an_object(store: Store) -> None:
    store.put("empty", b"")
    assert store.head("empty").size == 0
    assert store.get("empty") == b""


def test_other_bytes_have_another_etag(store: Store) -> None:
    etags = [store.put("a", b"%d" % number).etag for number in range(20)]
    assert len(set(etags)) == len(etags)
    assert store.head("a").etag == etags[-1]


def test_a_put_replaces_bytes_and_metadata(store: Store) -> None:
    store.put("a", b"first, and longer", content_type="text/plain", metadata={"kumo-ino": "1", "kumo-mode": "600"})
    store.put("a", b"second", content_type="image/png", metadata={"kumo-ino": "2"})
    there = store.head("a")
    assert store.get("a") == b"second"
    assert (there.content_type, dict(there.metadata)) == ("image/png", {"kumo-ino": "2"})


def test_if_none_match_only_where_nothing_is(store: Store) -> None:
    store.put("a", b"first", if_none_match=True)
    with pytest.raises(PreconditionFailed):
        store.put("a", b"second", if_none_match=True)
    assert store.get("a") == b"first"


def test_if_match_only_over_that_very_state(store: Store) -> None:
    first = store.put("a", b"first", metadata={"kumo-ino": "1"})
    second = store.put("a", b"second", if_match=first.etag, metadata={"kumo-ino": "2"})
    with pytest.raises(PreconditionFailed):
        store.put("a", b"third", if_match=first.etag, metadata={"kumo-ino": "3"})
    assert store.get("a", if_match=second.etag) == b"second"
    assert dict(store.head("a").metadata) == {"kumo-ino": "2"}


def test_if_match_where_nothing_is_fails(store: Store) -> None:
    etag = store.put("a", b"x").etag
    store.delete("a")
    with pytest.raises(PreconditionFailed):
        store.put("a", b"y", if_match=etag)
    with pytest.raises(NoSuchObject):
        store.head("a")


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", ".", "a/./b", "a/..", "../a", "a\0b", "a\udc80b"])
def test_a_key_that_is_none_is_refused(store: Store, key: str) -> None:
    with pytest.raises(KeyRefused):
        store.put(key, b"x")
    assert list(store.list()) == []


@pytest.mark.parametrize(
    "key", ["u1/größe ☁.txt", "u1/a b+c%41&d;e=f?g#h", "u1/a:b|c*d\"e'f<g>", "u1/-rf", "u1/~$x.tmp", "u1/e\u0301"]
)
def test_keys_of_peoples_files(store: Store, key: str) -> None:
    etag = store.put(key, b"x").etag
    assert store.get(key, if_match=etag) == b"x"
    assert [info.key for info in store.list("u1/")] == [key]
    store.delete(key, if_match=etag)
    assert list(store.list()) == []


@pytest.mark.parametrize("share", [False, True])
def test_put_file(store: Store, tmp_path: Path, *, share: bool) -> None:
    source = tmp_path / "source"
    body = bytes(range(256)) * 20_000
    source.write_bytes(body)
    info = store.put_file("u1/big", source, content_type="x/y", metadata=METADATA, share=share, if_none_match=True)
    there = store.head("u1/big")
    assert (there.etag, there.size, there.content_type, dict(there.metadata)) == (info.etag, len(body), "x/y", METADATA)
    source.unlink()
    assert store.get("u1/big", if_match=info.etag) == body


@pytest.mark.parametrize("share", [False, True])
def test_put_file_under_a_condition(store: Store, tmp_path: Path, *, share: bool) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"new")
    old = store.put("a", b"old")
    with pytest.raises(PreconditionFailed):
        store.put_file("a", source, if_none_match=True, share=share)
    with pytest.raises(PreconditionFailed):
        store.put_file("b", source, if_match=old.etag, share=share)
    assert store.get("a", if_match=old.etag) == b"old"
    store.put_file("a", source, if_match=old.etag, share=share)
    assert store.get("a") == b"new"
    assert source.read_bytes() == b"new"


def test_one_shared_file_under_two_keys_and_again(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"body")
    first = store.put_file("a", source, share=True, metadata={"kumo-ino": "1"})
    second = store.put_file("b", source, share=True, metadata={"kumo-ino": "2"})
    assert store.get("a", if_match=first.etag) == store.get("b", if_match=second.etag) == b"body"
    assert dict(store.head("a").metadata) == {"kumo-ino": "1"}
    again = store.put_file("a", source, share=True, if_match=first.etag, metadata={"kumo-ino": "3"})
    assert store.get("a", if_match=again.etag) == b"body"
    assert dict(store.head("a").metadata) == {"kumo-ino": "3"}


def test_a_file_that_is_not_there_puts_nothing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        store.put_file("a", tmp_path / "none")
    with pytest.raises(NoSuchObject):
        store.head("a")


def test_metadata_in_any_script(store: Store) -> None:
    values = {
        "kumo-a": "größe ☁ \U0001f4c4",
        "kumo-b": " blanks  at both ends ",
        "kumo-c": "=?utf-8?b?YQ==?=",
        "kumo-d": "100%25",
        "kumo-e": "",
    }
    store.put("a", b"x", metadata=values)
    assert dict(store.head("a").metadata) == values
