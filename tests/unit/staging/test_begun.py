"""Uploads in parts that somebody died over: aborted by who takes up the slot, or after a day by whoever collects."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kumofs.catalog.create import make_root
from kumofs.catalog.sqlite import SqliteEngine
from kumofs.errors import StoreAccessDenied, StoreUnavailable
from kumofs.staging.area import StagingArea
from kumofs.staging.begun import BegunUploads
from kumofs.staging.collect import ABANDONED_S, collect
from kumofs.store.directory import DirectoryStore


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def die_over(begun: BegunUploads, store: DirectoryStore, key: str) -> str:
    with pytest.raises(Killed), begun.noted(key) as began:
        upload_id = store.create_upload(key)
        began(upload_id)
        raise Killed
    return upload_id


def test_what_a_mount_died_over_is_aborted_by_the_next_one(tmp_path: Path, store: DirectoryStore) -> None:
    area = StagingArea.open(tmp_path, "h")
    for key in ("h/a", "h/b"):
        die_over(area.begun, store, key)
    elsewhere = store.create_upload("h/c")
    area.close()
    again = StagingArea.open(tmp_path, "h")
    again.drop_unjournalled()
    assert again.begun.abort_left(store) == 2
    assert [upload.upload_id for upload in store.list_uploads()] == [elsewhere]
    assert again.begun.abort_left(store) == 0
    again.close()


def test_what_ended_well_is_forgotten_and_what_runs_is_left_alone(tmp_path: Path, store: DirectoryStore) -> None:
    begun = BegunUploads(tmp_path)
    with begun.noted("h/a") as began:
        began(store.create_upload("h/a"))
        assert begun.abort_left(store) == 0
        assert len(list(tmp_path.glob("*.upload"))) == 1
    assert not list(tmp_path.glob("*.upload"))
    with begun.noted("h/b"):
        assert not list(tmp_path.glob("*.upload")), "no upload, no note"


def test_while_the_store_is_away_the_notes_stay(tmp_path: Path, store: DirectoryStore) -> None:
    begun = BegunUploads(tmp_path)
    die_over(begun, store, "h/a")
    (tmp_path / "store").rename(tmp_path / "away")
    with pytest.raises(StoreUnavailable):
        begun.abort_left(store)
    (tmp_path / "away").rename(tmp_path / "store")
    assert begun.abort_left(store) == 1
    assert list(store.list_uploads()) == []


def test_a_note_that_cannot_be_read_is_in_nobodys_way(tmp_path: Path, store: DirectoryStore) -> None:
    (tmp_path / "x.upload").write_text('{"key": ')
    assert BegunUploads(tmp_path).abort_left(store) == 1
    assert not list(tmp_path.glob("*.upload"))


def test_no_note_is_no_reason_not_to_send(tmp_path: Path, store: DirectoryStore) -> None:
    with BegunUploads(tmp_path / "gone").noted("h/a") as began:
        began(store.create_upload("h/a"))


def test_a_pass_aborts_what_nothing_came_to_for_a_day(tmp_path: Path, store: DirectoryStore) -> None:
    engine = SqliteEngine(tmp_path / "c.db")
    make_root(engine, "h", "o", 0, 0)
    ids = {key: store.create_upload(key) for key in ("h/old", "h/young", "h/goes on", "other/old")}
    long_ago = time.time() - ABANDONED_S - 60
    for key in ("h/old", "h/goes on", "other/old"):
        os.utime(tmp_path / "store" / ".kumofs" / "uploads" / ids[key], (long_ago, long_ago))
    store.upload_part("h/goes on", ids["h/goes on"], 1, b"x")
    assert collect(engine, store, "h").uploads == 1
    assert {upload.key for upload in store.list_uploads()} == {"h/young", "h/goes on", "other/old"}
    engine.close()


def test_a_pass_that_may_not_look_for_uploads_does_the_rest(
    tmp_path: Path, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: str) -> None:
        raise StoreAccessDenied("not with these credentials")

    engine = SqliteEngine(tmp_path / "c.db")
    make_root(engine, "h", "o", 0, 0)
    store.put("h/late", b"x", metadata={"kumo-ino": "7"})
    monkeypatch.setattr(store, "list_uploads", denied)
    found = collect(engine, store, "h")
    assert (found.late_puts, found.uploads) == (1, 0)
    engine.close()
