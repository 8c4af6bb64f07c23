"""Contract of `get`, `head` and `open_local`."""

from __future__ import annotations

import os

import pytest

from kumofs.errors import NoSuchObject, PreconditionFailed, RangeNotSatisfiable
from kumofs.store.protocol import Store

BODY = bytes(range(100))


@pytest.mark.parametrize(
    ("start", "length"), [(0, None), (0, 100), (10, 20), (99, 1), (90, 50), (50, None), (0, 0), (100, 1), (100, None)]
)
def test_ranges(store: Store, start: int, length: int | None) -> None:
    etag = store.put("a", BODY).etag
    wanted = BODY[start:] if length is None else BODY[start : start + length]
    assert store.get("a", start, length) == wanted
    assert store.get("a", start, length, etag) == wanted


def test_a_range_behind_the_end(store: Store) -> None:
    store.put("a", BODY)
    with pytest.raises(RangeNotSatisfiable):
        store.get("a", 101, 1)
    store.put("empty", b"")
    assert store.get("empty", 0, 10) == b""
    with pytest.raises(RangeNotSatisfiable):
        store.get("empty", 1, 1)


def test_if_match(store: Store) -> None:
    old = store.put("a", b"old").etag
    new = store.put("a", b"new").etag
    assert store.get("a", if_match=new) == b"new"
    with pytest.raises(PreconditionFailed):
        store.get("a", if_match=old)
    with pytest.raises(PreconditionFailed):
        store.get("a", 0, 1, old)


@pytest.mark.parametrize("key", ["none", "a/none", "a/b/none", "a/b", "a/x"])
def test_nothing_there(store: Store, key: str) -> None:
    store.put("a/b/c", b"x")
    with pytest.raises(NoSuchObject):
        store.head(key)
    with pytest.raises(NoSuchObject):
        store.get(key)
    with pytest.raises(NoSuchObject):
        store.get(key, 0, 1, "etag")


def test_below_an_object_is_nothing(store: Store) -> None:
    store.put("a", b"x")
    with pytest.raises(NoSuchObject):
        store.head("a/b")
    with pytest.raises(NoSuchObject):
        store.get("a/b/c")


def test_a_local_file_keeps_its_bytes(store: Store) -> None:
    etag = store.put("u1/a", BODY).etag
    fd = store.open_local("u1/a", etag)
    assert (fd is not None) is store.capabilities.local_files
    if fd is None:
        return
    try:
        store.put("u1/a", b"replaced")
        assert os.pread(fd, 1000, 0) == BODY
        store.delete("u1/a")
        assert os.pread(fd, 10, 90) == BODY[90:]
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(fd, b"x")
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_a_local_file_of_that_very_state_only(store: Store) -> None:
    if not store.capabilities.local_files:
        pytest.skip("no local files")
    old = store.put("a", b"old").etag
    store.put("a", b"new")
    with pytest.raises(PreconditionFailed):
        store.open_local("a", old)
    with pytest.raises(NoSuchObject):
        store.open_local("b", old)
