"""What outlives a mount, and what ends with it: remounting, kills, failures, sessions, two mounts at once."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import World, needs_fuse


def eventually(check, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def kill(world) -> None:
    pid = world.pid()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())


def test_everything_is_there_after_a_remount(mounted) -> None:
    world, drive = mounted
    (drive / "d").mkdir()
    (drive / "d" / "a").write_text("text")
    os.setxattr(drive / "d" / "a", "user.kumo.tag", b"x")
    world.umount()
    assert list(drive.iterdir()) == []
    world.mount()
    assert (drive / "d" / "a").read_text() == "text"
    assert os.getxattr(drive / "d" / "a", "user.kumo.tag") == b"x"


def test_a_killed_mount_is_cleared_while_the_kernel_still_shows_its_root(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_text("text")
    drive.stat()  # from now on answered without the mount, for some seconds
    kill(world)
    world.mount()
    assert (drive / "a").read_text() == "text"


def test_a_killed_mount_loses_nothing_closed_and_the_next_cleans_up(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_text("closed")
    writer = open(drive / "b", "w", buffering=1)
    writer.write("never closed\n")
    kill(world)
    with pytest.raises(OSError) as caught:
        os.listdir(drive)
    assert caught.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    world.mount()
    assert (drive / "a").read_text() == "closed"
    world.upload()
    assert [path.name for path in world.staging.rglob("*.data")] == []


@pytest.mark.directory_store
def test_a_failed_upload_is_reported_and_the_bytes_survive_the_mount(world) -> None:
    needs_fuse()
    world.signup()
    drive = world.mount("drive", "--write-through")
    (drive / "a").write_text("first")
    hidden = world.objects.with_name("elsewhere")
    world.objects.rename(hidden)
    with pytest.raises(OSError) as caught, open(drive / "a", "w") as file:
        file.write("second")
    assert caught.value.errno == errno.EIO
    assert os.getxattr(drive / "a", "user.kumo.state").startswith(b"error: ")
    assert (drive / "a").read_text() == "second"
    world.umount(status=21)
    hidden.rename(world.objects)
    world.mount()
    assert (drive / "a").read_text() == "second"
    world.umount()
    assert (world.objects / "ada" / "a").read_text() == "second"


@pytest.mark.directory_store
def test_an_unreachable_store_is_an_error_never_an_empty_file(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_text("text")
    world.umount()
    world.mount()
    hidden = world.objects.with_name("elsewhere")
    world.objects.rename(hidden)
    with pytest.raises(OSError) as caught:
        (drive / "a").read_text()
    assert caught.value.errno == errno.EIO
    hidden.rename(world.objects)
    assert (drive / "a").read_text() == "text"


def test_lost_bytes_are_an_error_never_an_empty_file(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_text("text")
    world.umount()
    world.run("cache", "clear")  # or they would be here
    world.store.delete("ada/a")
    world.mount()
    with pytest.raises(OSError) as caught:
        (drive / "a").read_text()
    assert caught.value.errno == errno.EIO


def test_two_mounts_of_one_home_see_each_other(mounted) -> None:
    world, one = mounted
    two = world.mount("two")
    (one / "a").write_text("from one")
    eventually(lambda: (two / "a").exists() and (two / "a").read_text() == "from one")
    (two / "a").write_text("from two")
    eventually(lambda: (one / "a").read_text() == "from two")
    os.rename(two / "a", two / "b")
    eventually(lambda: os.listdir(one) == ["b"])
    os.unlink(one / "b")
    eventually(lambda: os.listdir(two) == [])
    world.umount("two")


@pytest.mark.directory_store  # a far store has the bytes of nobody any more
def test_what_is_open_is_read_on_when_another_mount_removes_it(mounted) -> None:
    world, one = mounted
    two = world.mount("two")
    (one / "a").write_text("still here")
    world.upload()
    eventually(lambda: (two / "a").exists() and (two / "a").stat().st_size)
    with open(two / "a") as file:
        os.unlink(one / "a")
        eventually(lambda: "ada/a" not in world.stored_keys())
        eventually(lambda: os.listdir(two) == [])
        assert file.read() == "still here"
    world.umount("two")


def test_a_lost_race_keeps_both(mounted) -> None:
    world, one = mounted
    two = world.mount("two")
    (one / "a.txt").write_text("begin")
    world.upload()
    eventually(lambda: (two / "a.txt").exists() and (two / "a.txt").stat().st_size)
    with open(one / "a.txt", "a") as file:
        file.write(" mine")
        file.flush()
        (two / "a.txt").write_text("theirs")
        world.upload()
    eventually(lambda: len(os.listdir(one)) == 2)
    bodies = sorted((one / name).read_text() for name in os.listdir(one))
    assert bodies == ["begin mine", "theirs"]
    assert any("(conflict " in name and name.endswith(").txt") for name in os.listdir(one))
    world.umount("two")


def test_a_read_only_mount_changes_nothing(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_text("text")
    world.umount()
    world.mount("drive", "--read-only")
    assert (drive / "a").read_text() == "text"
    with pytest.raises(OSError) as caught:
        (drive / "b").touch()
    assert caught.value.errno == errno.EROFS


def test_a_changed_password_ends_the_running_mount_and_keeps_what_is_staged(mounted) -> None:
    world, drive = mounted
    writer = open(drive / "a", "w", buffering=1)
    token = world.base / "config" / "kumofs" / "session"
    mine = token.read_text()
    world.run("signin", "ada@example.org", "--password-stdin", stdin="four little green words\n")
    world.run("passwd", "--password-stdin", stdin="four little green words\nfive other little green words\n")
    assert token.read_text() != mine
    writer.write("staged\n")  # only now: a process that is started closes its copy of the handle, and that saves

    def refused() -> bool:
        try:
            os.listdir(drive)
        except PermissionError:
            return True
        return False

    eventually(refused, 60)
    writer.close()
    world.umount(status=21)
    world.mount()
    assert (drive / "a").read_text() == "staged\n"


def test_two_users_see_nothing_of_each_other(mounted) -> None:
    world, drive = mounted
    (drive / "mine").write_text("secret")
    world.umount()
    world.signup("bob@example.org")
    world.mount()
    assert os.listdir(drive) == []
    (drive / "his").touch()
    world.upload()
    assert world.stored_keys() == ["ada/mine", "bob/his"]


def test_unlinked_bytes_leave_the_store(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_text("text")
    (drive / "a").unlink()
    eventually(lambda: "ada/a" not in world.stored_keys())


def test_sigterm_ends_a_mount_cleanly(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_text("text")
    os.kill(world.pid(), signal.SIGTERM)
    eventually(lambda: not os.path.ismount(drive))
    world.mount()
    assert (drive / "a").read_text() == "text"


def test_umount_refuses_while_programs_use_it(mounted) -> None:
    world, drive = mounted
    with subprocess.Popen(["sleep", "30"], cwd=drive) as program:
        assert "close the programs" in world.umount(status=12)
        program.kill()


def test_the_runtime_directory_may_lie_deep(new_world: Callable[[str], World]) -> None:
    needs_fuse()
    world = new_world("d" * 200)
    world.signup()
    drive = world.mount()
    (drive / "a").write_text("text")
    world.run("sync", drive / "a")
    assert str(drive) in world.run("status")
    world.umount()
