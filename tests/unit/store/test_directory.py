"""Facts of the directory store that the protocol does not promise: what lies where, and what happens when the disk does not."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import socket
import stat
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kumofs.errors import ConfigError, KeyRefused, NoSuchObject, PreconditionFailed, StoreFull, StoreUnavailable
from kumofs.store import directory_incoming, directory_locks, open_store
from kumofs.store.directory import DirectoryStore
from kumofs.store.directory_metadata import Description, Records
from kumofs.store.escape import escape_component

KINDS = pytest.mark.parametrize("xattrs", [True, False], ids=["xattrs", "sidecar"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the store is."""
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> DirectoryStore:
    """A store as it opens by default."""
    return DirectoryStore(root)


def drafts(root: Path) -> list[str]:
    return os.listdir(root / ".kumofs" / "incoming")


# -- what lies where


def test_objects_are_plain_files_under_their_key(store: DirectoryStore, root: Path) -> None:
    store.put("u1/docs/größe.txt", b"hello")
    path = root / "objects" / "u1" / "docs" / "größe.txt"
    assert path.read_bytes() == b"hello"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(os.listdir(root)) == [".kumofs", "objects"]
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert drafts(root) == []


def test_a_file_somebody_else_put_there_is_an_object(store: DirectoryStore, root: Path) -> None:
    (root / "objects" / "foreign").write_bytes(b"abc")
    info = store.head("foreign")
    assert (info.size, dict(info.metadata), info.content_type) == (3, {}, None)
    assert store.get("foreign", if_match=info.etag) == b"abc"
    (root / "objects" / "foreign").write_bytes(b"abcd")
    with pytest.raises(PreconditionFailed):
        store.get("foreign", if_match=info.etag)


def test_empty_folders_go_with_their_last_object(store: DirectoryStore, root: Path) -> None:
    store.put("a/b/c/d", b"")
    store.put("a/x", b"")
    store.delete("a/b/c/d")
    assert os.listdir(root / "objects" / "a") == ["x"]
    store.delete("a/x")
    assert os.listdir(root / "objects") == []


def test_empty_folders_of_a_crash_are_in_nobodys_way(store: DirectoryStore, root: Path) -> None:
    (root / "objects" / "a" / "b" / "c").mkdir(parents=True)
    (root / "objects" / "a" / "d").mkdir()
    store.put("a", b"x", if_none_match=True)
    assert store.get("a") == b"x"


@KINDS
def test_everything_is_there_after_opening_again(root: Path, *, xattrs: bool) -> None:
    first = DirectoryStore(root, xattrs=xattrs)
    info = first.put("a/b", b"x", content_type="x/y", metadata={"kumo-ino": "1"})
    upload_id = first.create_upload("c")
    etag = first.upload_part("c", upload_id, 1, b"part")
    first.close()
    again = DirectoryStore(root, xattrs=xattrs)
    assert again.head("a/b") == info
    assert [upload[:2] for upload in again.list_uploads()] == [("c", upload_id)]
    again.complete_upload("c", upload_id, [(1, etag)])
    assert again.get("c") == b"part"


# -- names


@pytest.mark.parametrize("key", ["a/b", "a/b/c"])
def test_below_a_file_is_refused(store: DirectoryStore, root: Path, key: str) -> None:
    store.put("a", b"x")
    with pytest.raises(KeyRefused):
        store.put(key, b"y")
    with pytest.raises(KeyRefused):
        store.create_upload(key)
    assert (store.get("a"), drafts(root)) == (b"x", [])


@pytest.mark.parametrize("key", ["a", "a/b"])
def test_a_folder_is_refused(store: DirectoryStore, key: str) -> None:
    store.put("a/b/c", b"x")
    with pytest.raises(KeyRefused):
        store.put(key, b"y", if_none_match=True)
    with pytest.raises(KeyRefused):
        store.put(key, b"y")


def test_bounds_of_a_component(store: DirectoryStore) -> None:
    for key in ("x" * 255, "ä" * 127 + "/" + "y" * 255, "/".join(["d"] * 512)):
        store.put(key, b"x")
        assert [info.key for info in store.list(key)] == [key]
        store.delete(key)
    for key in ("x" * 256, "ä" * 128, "a/" + "x" * 256 + "/b"):
        for action in (lambda key: store.put(key, b"x"), store.head, store.get, store.delete, store.create_upload):
            with pytest.raises(KeyRefused):
                action(key)


def test_only_plain_files_are_objects(store: DirectoryStore, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    objects = root / "objects"
    (objects / "folder").symlink_to(outside)
    (objects / "link").symlink_to(outside / "secret")
    os.mkfifo(objects / "fifo")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(objects / "socket"))
    for key in ("folder", "folder/secret", "link", "fifo", "socket"):
        with pytest.raises(NoSuchObject):
            store.get(key)
        with pytest.raises(NoSuchObject):
            store.open_local(key, "etag")
        with pytest.raises(KeyRefused):
            store.put(key, b"x")
        store.delete(key)
    assert list(store.list()) == list(store.list("folder/")) == []
    assert (outside / "secret").read_bytes() == b"secret"
    assert (objects / "link").is_symlink()


def test_names_that_are_not_utf8_are_skipped(store: DirectoryStore, root: Path) -> None:
    objects = os.fsencode(root / "objects")
    os.mkdir(objects + b"/d\xff")
    for name in (b"/\xff", b"/d\xff/x"):
        with open(objects + name, "xb"):
            pass
    store.put("a", b"")
    assert [info.key for info in store.list()] == ["a"]
    assert list(store.list("\udcff")) == list(store.list("d\udcff/")) == []


COMPONENTS = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]) | st.sampled_from("a-.0~"), min_size=1, max_size=3
)
KEYS = st.lists(COMPONENTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4).map("/".join)


@settings(max_examples=60, deadline=None)
@given(
    keys=st.sets(KEYS, max_size=12),
    prefix=st.just("") | KEYS | KEYS.map(lambda key: key[:2]),
    after=st.just("") | KEYS,
    pick=st.integers(0, 11),
)
def test_lists_in_the_order_of_code_points(keys: set[str], prefix: str, after: str, pick: int) -> None:
    kept = sorted(key for key in keys if not any(key.startswith(other + "/") for other in keys))
    anchors = [key[: max(1, len(key) - 1)] for key in kept] or [""]
    with tempfile.TemporaryDirectory() as directory:
        store = DirectoryStore(Path(directory))
        for key in kept:
            store.put(key, b"")
        for start in (prefix, anchors[pick % len(anchors)]):
            for behind in (after, anchors[-1 - pick % len(anchors)]):
                wanted = [key for key in kept if key.startswith(start) and key > behind]
                assert [info.key for info in store.list(start, behind)] == wanted


def test_escape() -> None:
    assert escape_component("a\x00\n\x1fb\x7f") == "a%00%0A%1Fb%7F"
    assert escape_component("größe 100% ☁.txt") == "größe 100% ☁.txt"
    assert escape_component("\u200b\n") == "\u200b%0A"
    assert [escape_component(name) for name in (".", "..", "...", ".a")] == ["%2E", "%2E%2E", "...", ".a"]


# -- sharing


@KINDS
def test_a_shared_file_is_linked(root: Path, tmp_path: Path, *, xattrs: bool) -> None:
    store = DirectoryStore(root, xattrs=xattrs)
    source = tmp_path / "source"
    source.write_bytes(b"body")
    store.put_file("a/b", source, share=True, metadata={"kumo-ino": "1"})
    assert (root / "objects" / "a" / "b").samefile(source)
    assert source.stat().st_nlink == 2
    assert drafts(root) == []


@KINDS
def test_sharing_again_leaves_no_second_link_and_another_etag(root: Path, tmp_path: Path, *, xattrs: bool) -> None:
    store = DirectoryStore(root, xattrs=xattrs)
    source = tmp_path / "source"
    source.write_bytes(b"body")
    first = store.put_file("a", source, share=True, metadata={"kumo-ino": "1"})
    with pytest.raises(PreconditionFailed):
        store.put_file("a", source, share=True, if_none_match=True, metadata={"kumo-ino": "2"})
    assert store.head("a") == first
    second = store.put_file("a", source, share=True, if_match=first.etag, metadata={"kumo-ino": "2"})
    assert second.etag != first.etag
    assert store.head("a") == second
    assert (drafts(root), source.stat().st_nlink) == ([], 1)


@pytest.mark.parametrize("problem", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_what_cannot_be_linked_is_copied(
    store: DirectoryStore, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: int
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(problem, os.strerror(problem))

    monkeypatch.setattr(os, "link", refuse)
    source = tmp_path / "source"
    source.write_bytes(b"body")
    store.put_file("a", source, share=True)
    assert store.get("a") == b"body"
    assert not (root / "objects" / "a").samefile(source)


@pytest.mark.parametrize("by_kernel", [True, False])
def test_holes_are_not_written(
    store: DirectoryStore, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, by_kernel: bool
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EXDEV, "no")

    if not by_kernel:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(64 << 20)
        file.seek(32 << 20)
        file.write(b"middle" * 400_000)
    store.put_file("a", source)
    assert (root / "objects" / "a").read_bytes() == source.read_bytes()
    assert (root / "objects" / "a").stat().st_blocks * 512 < 8 << 20


def test_the_very_same_file_again_is_another_etag(store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    source = tmp_path / "source"
    source.write_bytes(b"body")
    etags = set()
    for _ in range(5):
        etags.add(store.put_file("a", source, share=True).etag)
        store.delete("a")
    assert len(etags) == 5


# -- metadata


def test_metadata_of_an_object_that_is_replaced_meanwhile(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(root, xattrs=False)
    store.put("a", b"old", metadata={"kumo-ino": "1"})
    read = Records.read
    puts = iter([b"newer", b"newest"])

    def read_late(records: Records, key: str, etag: str) -> Description | None:
        for body in puts:
            store.put("a", body, metadata={"kumo-ino": "2"})
        return read(records, key, etag)

    monkeypatch.setattr(Records, "read", read_late)
    there = store.head("a")
    assert (there.size, dict(there.metadata)) == (6, {"kumo-ino": "2"})


def test_a_record_of_another_state_is_ignored(root: Path) -> None:
    store = DirectoryStore(root, xattrs=False)
    store.put("a", b"x", metadata={"kumo-ino": "1"})
    (root / "objects" / "a").write_bytes(b"changed by somebody")
    assert dict(store.head("a").metadata) == {}


def test_a_crash_between_record_and_rename_keeps_the_metadata(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(root, xattrs=False)
    before = store.put("a", b"x", metadata={"kumo-ino": "1"})

    def stop(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "rename", stop)
        store.put("a", b"y", metadata={"kumo-ino": "2"})
    assert store.head("a") == before
    after = store.put("a", b"z", metadata={"kumo-ino": "3"})
    assert store.head("a") == after


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"states": []}', b'{"states": {"x": 1}}'])
def test_a_damaged_record_is_no_error(root: Path, damage: bytes) -> None:
    store = DirectoryStore(root, xattrs=False)
    store.put("a", b"x", metadata={"kumo-ino": "1"})
    record = next((root / ".kumofs" / "metadata").glob("*/*.json"))
    assert json.loads(record.read_bytes())["key"] == "a"
    record.write_bytes(damage)
    assert dict(store.head("a").metadata) == {}
    after = store.put("a", b"y", metadata={"kumo-ino": "2"})
    assert store.head("a") == after


def test_metadata_over_what_an_attribute_holds(root: Path) -> None:
    store = DirectoryStore(root, xattrs=True)
    metadata = {"kumo-tags": "x" * 100_000}
    store.put("a", b"x", metadata=metadata)
    assert dict(store.head("a").metadata) == metadata
    store.put("a", b"x", metadata={"kumo-ino": "1"})
    assert dict(store.head("a").metadata) == {"kumo-ino": "1"}


def test_no_record_stays_behind(root: Path) -> None:
    store = DirectoryStore(root, xattrs=False)
    store.put("a", b"x", metadata={"kumo-ino": "1"})
    store.delete("a")
    assert list((root / ".kumofs" / "metadata").glob("*/*.json")) == []


# -- when the disk does not


@pytest.mark.parametrize("gone", ["objects", "", ".kumofs"])
def test_a_vanished_root_is_unavailable_never_empty(store: DirectoryStore, root: Path, tmp_path: Path, gone: str) -> None:
    etag = store.put("a/b", b"x").etag
    upload_id = store.create_upload("c")
    (root / gone).rename(tmp_path / "away")
    source = tmp_path / "source"
    source.write_bytes(b"x")
    reading = [
        lambda: store.head("a/b"),
        lambda: store.head("none"),
        lambda: store.get("a/b"),
        lambda: store.get("none/x"),
        lambda: store.open_local("a/b", etag),
        lambda: list(store.list()),
        lambda: list(store.list("none/")),
        store.space,
    ]
    writing = [
        lambda: store.put("a/b", b"y"),
        lambda: store.put_file("d", source, share=True),
        lambda: store.copy("a/b", "e", if_match=etag),
        lambda: store.delete("a/b"),
        lambda: store.delete("none"),
    ]
    uploading = [
        lambda: store.upload_part("c", upload_id, 1, b"x"),
        lambda: store.complete_upload("c", upload_id, [(1, etag)]),
        lambda: store.abort_upload("c", upload_id),
        lambda: store.create_upload("d"),
        store.list_uploads,
    ]
    concerned = {"objects": reading + writing, "": reading + writing + uploading, ".kumofs": writing + uploading}
    for action in concerned[gone]:
        with pytest.raises(StoreUnavailable):
            action()
    (tmp_path / "away").rename(root / gone)
    assert store.get("a/b", if_match=etag) == b"x"


def test_opening_a_store_that_lost_its_objects(store: DirectoryStore, root: Path) -> None:
    shutil.rmtree(root / "objects")
    with pytest.raises(StoreUnavailable, match="objects"):
        DirectoryStore(root)


def test_opening_where_nothing_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "none" / "store", tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(StoreUnavailable, match="director"):
            DirectoryStore(root)


@pytest.mark.parametrize(
    ("number", "wanted"),
    [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EIO, StoreUnavailable), (errno.EACCES, StoreUnavailable)],
)
@pytest.mark.parametrize("call", ["pwrite", "fsync", "rename"])
def test_trouble_of_the_disk_changes_nothing(
    store: DirectoryStore, root: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, wanted: type[Exception]
) -> None:
    before = store.put("a", b"before")

    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, pytest.raises(wanted):
        patch.setattr(os, call, fail)
        store.put("a", b"after")
    assert store.get("a", if_match=before.etag) == b"before"
    assert drafts(root) == []


def test_leftovers_are_swept_a_day_later(store: DirectoryStore, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    incoming = root / ".kumofs" / "incoming"
    (incoming / "draft").write_bytes(b"x")
    (incoming / "upload").mkdir()
    (incoming / "upload" / "part-1").write_bytes(b"x")
    store.put("a", b"x")
    DirectoryStore(root)
    assert sorted(drafts(root)) == ["draft", "upload"]
    later = time.time_ns() + directory_incoming.LEFTOVER_NS
    monkeypatch.setattr(time, "time_ns", lambda: later + 10**9)
    DirectoryStore(root)
    assert drafts(root) == []
    assert store.get("a") == b"x"


def test_a_lock_that_is_never_given_up_ends_at_the_deadline(
    store: DirectoryStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_locks, "DEADLINE_SECONDS", 0.05)
    locks = directory_locks.Locks(root / ".kumofs" / "locks")
    with locks.key("a"), pytest.raises(StoreUnavailable, match="lock"):
        store.put("a", b"x")
    store.put("a", b"x")


def create(root: Path, number: int, results: multiprocessing.Queue[int]) -> None:
    """One process of the race below."""
    store = DirectoryStore(root)
    for key in range(40):
        try:
            store.put(f"d/{key}/x", b"%d" % number, if_none_match=True)
        except PreconditionFailed:
            continue
        results.put(key)


def test_processes_exclude_each_other(root: Path) -> None:
    DirectoryStore(root)
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[int] = context.Queue()
    racers = [context.Process(target=create, args=(root, number, results)) for number in range(4)]
    for racer in racers:
        racer.start()
    won = sorted(results.get(timeout=30) for _ in range(40))
    for racer in racers:
        racer.join(timeout=30)
        assert racer.exitcode == 0
    assert (won, results.empty()) == (list(range(40)), True)


def test_descriptors_are_not_leaked(store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")

    def everything() -> None:
        etag = store.put("a/b", b"x").etag
        store.put_file("a/c", tmp_path / "source", share=True)
        for refused in ("a", "a/b/c", "a//b"):
            with pytest.raises(KeyRefused):
                store.put(refused, b"x")
        with pytest.raises(PreconditionFailed):
            store.open_local("a/b", "other")
        with pytest.raises(NoSuchObject):
            store.get("a/b/c/d")
        upload_id = store.create_upload("u")
        store.complete_upload("u", upload_id, [(1, store.copy_part("u", upload_id, 1, "a/b", 0, 1, etag))])
        next(store.list())
        for key in ("a/b", "a/c", "u"):
            store.delete(key)

    everything()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        everything()
    assert len(os.listdir("/proc/self/fd")) == before


# -- urls


def test_open_store(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/a%20b%3F")
    store.put("x", b"y")
    assert (tmp_path / "a b?" / "objects" / "x").read_bytes() == b"y"
    space = store.space()
    assert space is not None
    assert 0 < space.free_bytes <= space.total_bytes


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/x",
        "s4://bucket",
        "file:relative",
        "file://host/x",
        "file://",
        "file:///",
        "file:///a?b",
        "file:///a#b",
        "file:///a%00",
        "file://[x",
    ],
)
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(ConfigError, match=r"file:///absolute/path|%3F"):
        open_store(url)
