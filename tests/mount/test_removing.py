"""Removing: names go at once, what is left of them soon after, and the folder's time outlives the mount."""

from __future__ import annotations

import os
import shutil
import time
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


def test_a_time_that_is_set_after_a_removal_stays(mounted: tuple[World, Path]) -> None:
    """rsync removes what is not in the source any more, and then gives the folder its time."""
    world, drive = mounted
    (drive / "d").mkdir()
    for number in range(20):
        (drive / "d" / "a").write_text("text")
        os.unlink(drive / "d" / "a")
        os.utime(drive / "d", ns=(number, number))
        time.sleep(0.03 * (number % 3))
        assert (drive / "d").stat().st_mtime_ns == number
    time.sleep(0.2)
    world.umount()
    world.mount()
    assert (drive / "d").stat().st_mtime_ns == 19


def test_a_folder_s_time_never_goes_back(mounted: tuple[World, Path]) -> None:
    _, drive = mounted
    last_ns = 0
    until_s = time.monotonic() + 6  # some looks of the feed fall between a removal and what it notes behind the answer
    while time.monotonic() < until_s:
        (drive / "a").write_text("text")
        os.unlink(drive / "a")
        for _ in range(5):
            now_ns = drive.stat().st_mtime_ns
            assert now_ns >= last_ns
            last_ns = now_ns
            time.sleep(0.005)


def test_a_file_of_the_same_name_can_be_made_at_once(mounted: tuple[World, Path]) -> None:
    world, drive = mounted
    for number in range(20):
        (drive / "a").write_text(f"{number}")
        os.unlink(drive / "a")
    (drive / "a").write_text("last")
    world.umount()
    world.mount()
    assert (drive / "a").read_text() == "last"
