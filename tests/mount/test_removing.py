"""Removing: names go at once, what is left of them soon after, and the folder's time outlives the mount."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.conftest import World


def test_of_a_tree_that_was_removed_nothing_is_left(mounted: tuple[World, Path]) -> None:
    world, drive = mounted
    for folder in ("d", "d/e"):
        (drive / folder).mkdir()
        for number in range(120):
            (drive / folder / f"{number}").write_text("text")
    (drive / "kept").write_text("text")
    shutil.rmtree(drive / "d")
    assert os.listdir(drive) == ["kept"]
    world.umount()
    assert "never finished: 0" in world.run("gc", "--older-than", 0)
    world.run("gc", "--older-than", 0)
    assert world.stored_keys() == ["ada/kept"]
    world.mount()
    assert os.listdir(drive) == ["kept"]


def test_the_time_of_a_folder_in_which_a_file_was_removed_outlives_the_mount(mounted: tuple[World, Path]) -> None:
    world, drive = mounted
    (drive / "d").mkdir()
    (drive / "d" / "a").write_text("text")
    (drive / "d" / "b").write_text("text")
    world.upload()
    os.unlink(drive / "d" / "a")
    changed_ns = (drive / "d").stat().st_mtime_ns
    world.umount()
    world.mount()
    assert (drive / "d").stat().st_mtime_ns == changed_ns


def test_a_file_of_the_same_name_can_be_made_at_once(mounted: tuple[World, Path]) -> None:
    world, drive = mounted
    for number in range(20):
        (drive / "a").write_text(f"{number}")
        os.unlink(drive / "a")
    (drive / "a").write_text("last")
    world.umount()
    world.mount()
    assert (drive / "a").read_text() == "last"
