"""What keeps a mount from being, each with a line that says what to do and a status of its own."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from kumofs.cli.exit_status import OTHER, STATUS, UNSAVED, USAGE

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_every_status_is_documented() -> None:
    documented = {int(number) for number in re.findall(r"^\| (\d+) \|", (DOCS / "operations.md").read_text(), re.MULTILINE)}
    assert documented == {0, OTHER, USAGE, UNSAVED, *STATUS.values()}


def test_not_signed_in(world, tmp_path: Path) -> None:
    assert "kumofs signin" in world.run("mount", tmp_path / "cache", status=3)


def test_a_missing_mount_point(world) -> None:
    world.signup()
    assert "mkdir -p" in world.run("mount", world.base / "nowhere", status=10)


def test_a_full_mount_point(world) -> None:
    world.signup()
    assert "empty directory" in world.run("mount", world.base / "config", status=11)


def test_a_busy_mount_point(mounted) -> None:
    world, drive = mounted
    assert "mounted on" in world.run("mount", drive, status=12)


def test_a_wrong_setting(world) -> None:
    world.config_file.write_text("colour = 1\n")
    assert "colour" in world.run("status", status=19)


@pytest.mark.sqlite_catalog
def test_an_unreachable_catalog(world) -> None:
    world.signup()
    (world.base / "data" / "kumofs" / "catalog.db").write_bytes(b"not a database" * 100)
    world.run("whoami", status=14)


@pytest.mark.directory_store
def test_an_unreachable_store(world) -> None:
    world.signup()
    (world.base / "drive").mkdir()
    (world.base / "data" / "kumofs" / "store").write_text("a file in the way")
    world.run("mount", world.base / "drive", status=15)


def test_nothing_to_unmount(world) -> None:
    world.run("umount", world.base / "cache", status=16)


def test_status_info_tag_and_find(mounted) -> None:
    world, drive = mounted
    (drive / "a file").write_text("x")
    assert world.run("tag", drive / "a file", "+trip", "+2026", "-nothing") == "trip, 2026\n"
    assert world.run("find", "--tag", "trip", "--tag", "2026") == f"{drive}/a file\n"
    assert world.run("tag", drive / "a file", "-trip") == "2026\n"
    assert world.run("find", "--tag", "trip") == ""
    assert "ada@example.org" in world.run("info", drive / "a file")
    assert str(drive) in world.run("status")
    assert "not in a kumofs mount" in world.run("info", world.base, status=16)


def test_the_pid_file_and_the_socket_go_with_the_mount(mounted) -> None:
    world, _ = mounted
    runtime = world.base / "run" / "kumofs"
    assert {path.suffix for path in runtime.iterdir()} == {".pid", ".sock"}
    assert all(os.stat(path).st_mode & 0o077 == 0 for path in runtime.glob("*.sock"))
    world.umount()
    assert list(runtime.iterdir()) == []
