"""Write-back: close returns at once, everything goes out by itself, and everybody can see what is still on its way."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest


def state(path: Path) -> str:
    return os.getxattr(path, "user.kumo.state").decode()


def wait_for(what, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_what_is_closed_goes_out_by_itself(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_text("bytes")
    wait_for(lambda: state(drive / "a") == "synced")
    assert [world.store.get(key) for key in world.stored_keys()] == [b"bytes"]


def test_a_burst_goes_out_and_sync_waits_for_it(mounted) -> None:
    world, drive = mounted
    for number in range(300):
        (drive / f"{number}").write_text(f"{number}")
    world.run("sync")
    assert len(world.stored_keys()) == 300
    assert "nothing" in world.run("status")


def test_programs_can_ask_what_is_on_its_way(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_text("bytes")
    world.run("sync")
    (state_of_mount,) = json.loads(world.run("status", "--json"))
    assert state_of_mount["mount_point"] == str(drive)
    assert (state_of_mount["pending"], state_of_mount["failed"], state_of_mount["unsettled"]) == (0, 0, 0)


def test_fsync_returns_when_the_bytes_are_in_the_store(mounted) -> None:
    world, drive = mounted
    with (drive / "a").open("wb") as file:
        file.write(b"bytes")
        file.flush()
        os.fsync(file.fileno())
        assert [world.store.get(key) for key in world.stored_keys()] == [b"bytes"]
        assert state(drive / "a") == "synced"


def test_write_through_makes_close_wait(world) -> None:
    world.signup()
    drive = world.mount("drive", "--write-through")
    (drive / "a").write_text("bytes")
    assert [world.store.get(key) for key in world.stored_keys()] == [b"bytes"]


def test_sync_of_a_path_waits_for_what_lies_there(mounted) -> None:
    world, drive = mounted
    (drive / "folder").mkdir()
    (drive / "folder" / "a").write_text("a")
    (drive / "b").write_text("b")
    world.run("sync", drive / "folder")
    assert state(drive / "folder" / "a") == "synced"
    world.run("sync", drive / "b")
    assert state(drive / "b") == "synced"
    assert "does not lie in a mount" in world.run("sync", world.base, status=16)


@pytest.mark.directory_store
def test_a_store_that_cannot_be_asked_is_told_and_tried_again(mounted) -> None:
    world, drive = mounted
    away = world.objects.parent.with_name("away")
    world.objects.parent.rename(away)
    (drive / "a").write_text("kept")
    wait_for(lambda: state(drive / "a").startswith("error: "))
    assert "failed and are tried again" in world.run("status")
    assert "tried again" in world.run("sync", status=21)
    assert (drive / "a").read_text() == "kept"
    away.rename(world.objects.parent)
    world.run("sync")
    assert state(drive / "a") == "synced"
    assert [world.store.get(key) for key in world.stored_keys()] == [b"kept"]


@pytest.mark.directory_store
def test_what_could_not_be_sent_is_told_at_unmount_and_sent_by_the_next_mount(mounted) -> None:
    world, drive = mounted
    away = world.objects.parent.with_name("away")
    world.objects.parent.rename(away)
    (drive / "a").write_text("kept")
    assert "1 files could not be uploaded" in world.umount(status=21)
    away.rename(world.objects.parent)
    assert (world.mount() / "a").read_text() == "kept"
    world.run("sync")
    assert [world.store.get(key) for key in world.stored_keys()] == [b"kept"]


def test_an_edit_right_after_a_close_is_not_lost(mounted) -> None:
    world, drive = mounted
    body = b""
    for number in range(200):
        with (drive / "log").open("ab") as file:
            file.write(b"%d\n" % number)
        body += b"%d\n" % number
    assert (drive / "log").read_bytes() == body
    world.run("sync")
    assert [world.store.get(key) for key in world.stored_keys()] == [body]


def test_what_is_unlinked_before_it_was_sent_leaves_nothing(mounted) -> None:
    world, drive = mounted
    for number in range(20):
        (drive / f"{number}").write_text("short-lived")
        (drive / f"{number}").unlink()
    world.umount()
    assert world.stored_keys() == []
    assert not list(world.staging.rglob("*.data"))
