"""Contract of `list`."""

from __future__ import annotations

from itertools import islice

import pytest

from kumofs.store.protocol import Store

KEYS = sorted(
    [
        "a-",
        "a.txt",
        "a/b",
        "a/b.c/d",
        "a/c/d",
        "a/c/e/f",
        "a0",
        "b/a",
        "u1/ä/z",
        "u1/\ufffd",
        "u1/\U0001f4c4",
        "u1/a b",
        "u1/Z",
        "z",
    ]
)


@pytest.fixture
def full(store: Store) -> Store:
    """A store with KEYS, put in another order."""
    for key in sorted(KEYS, key=lambda key: key[::-1]):
        store.put(key, key.encode())
    return store


def keys(store: Store, prefix: str = "", after: str = "") -> list[str]:
    return [info.key for info in store.list(prefix, after)]


def test_all_in_order(full: Store) -> None:
    assert keys(full) == KEYS


@pytest.mark.parametrize(
    "prefix", ["", "a", "a/", "a/b", "a/b.", "a/c/", "a/c/e", "u1/", "u1/a", "none", "none/x", "a//", "z", "z/", "/", "a/../"]
)
def test_prefix(full: Store, prefix: str) -> None:
    assert keys(full, prefix) == [key for key in KEYS if key.startswith(prefix)]


@pytest.mark.parametrize("prefix", ["", "a", "a/", "u1/"])
@pytest.mark.parametrize("after", [*KEYS, "a/", "a/c", "a/c/", "a/c0", "a/c/d/x", "0", "zz", "u1", "u1/", "b"])
def test_after(full: Store, prefix: str, after: str) -> None:
    assert keys(full, prefix, after) == [key for key in KEYS if key.startswith(prefix) and key > after]


def test_state_as_head_says(full: Store) -> None:
    for info in full.list():
        there = full.head(info.key)
        assert (info.etag, info.size) == (there.etag, there.size)


def test_an_empty_store(store: Store) -> None:
    assert keys(store) == []
    assert keys(store, "a/") == []


def test_many_in_one_folder(store: Store) -> None:
    names = [f"d/{number:04}" for number in range(1100)]
    for name in names:
        store.put(name, b"")
    assert keys(store, "d/") == names
    assert keys(store, "d/", names[599]) == names[600:]


def test_what_changes_meanwhile_does_not_end_the_listing(full: Store) -> None:
    listing = full.list()
    first = [info.key for info in islice(listing, 3)]
    full.delete("a/c/d")
    full.delete("a/c/e/f")
    full.delete("z")
    rest = [info.key for info in listing]
    lasting = [key for key in KEYS if key not in ("a/c/d", "a/c/e/f", "z")]
    assert [key for key in first + rest if key in lasting] == lasting


ODD = sorted(
    ["u1/a\nb", "u1/\x01", "u1/a\x1b[0m", "u1/a b", "u1/!", "u1/\x7f", "u1/\uffff", "u1/ ./b", "u1/%0A", "u1/c/d\te", "u1/c/d"]
)


def test_keys_of_odd_characters(store: Store) -> None:
    for key in reversed(ODD):
        store.put(key, key.encode(), metadata={"kumo-ino": "1"}, if_none_match=True)
    assert keys(store) == ODD
    assert keys(store, "u1/", ODD[4]) == ODD[5:]
    assert keys(store, "u1/c/d") == ["u1/c/d", "u1/c/d\te"]
    for key in ODD:
        assert store.get(key, if_match=store.head(key).etag) == key.encode()
        store.delete(key)
    assert keys(store) == []
