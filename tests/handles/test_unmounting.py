"""Unmounting what is in use, and what a mount that was killed or hangs leaves behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kumofs.daemon import connection

HOLDER = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.write(fd, b"written, not closed")
print("ready", flush=True)
sys.stdin.read()
try:
    os.write(fd, b"x")
except OSError as problem:
    print(problem.errno, flush=True)
os._exit(0)
"""


def eventually(check: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def hold(path: Path) -> subprocess.Popen[str]:
    """A program that has written to a file and keeps it open."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    return program


def test_a_busy_unmount_names_the_programs(mounted) -> None:
    world, drive = mounted
    with subprocess.Popen(["sleep", "600"], cwd=drive) as program:
        said = world.umount(status=12)
        program.kill()
    assert f"sleep ({program.pid})" in said
    assert "--force" in said
    (drive / "a").write_text("still mounted")


def test_an_unmount_by_force_loses_nothing(mounted) -> None:
    world, drive = mounted
    (drive / "closed").write_text("closed")
    with hold(drive / "open") as program:
        said = world.run("umount", "--force", drive)
        assert f"({program.pid})" in said
        assert not os.path.ismount(drive)
        assert program.communicate("")[0].strip() in {str(errno.ENOTCONN), str(errno.EIO), str(errno.ECONNABORTED)}
    world.mount()
    assert (drive / "closed").read_text() == "closed"
    assert (drive / "open").read_text() == "written, not closed"


def test_an_unmount_by_force_keeps_what_was_changed_through_a_mapping(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_bytes(b"." * 4096)
    code = (
        "import mmap, os, sys\n"
        "fd = os.open(sys.argv[1], os.O_RDWR)\n"
        "memory = mmap.mmap(fd, 4096)\n"
        "memory[:6] = b'mapped'\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
        "os._exit(0)\n"
    )
    command = [sys.executable, "-c", code, str(drive / "a")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None and program.stdout.readline() == "ready\n"
        world.run("umount", "--force", drive)
        program.communicate("")
    world.mount()
    assert (drive / "a").read_bytes() == b"mapped" + b"." * 4090


def test_a_mount_that_hangs_is_said_to_be_mounted_and_nothing_else_hangs(mounted) -> None:
    world, drive = mounted
    pid = world.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        assert "mounted on" in world.run("mount", drive, status=12)
    finally:
        os.kill(pid, signal.SIGCONT)
    (drive / "a").write_text("it goes on")


@pytest.mark.skipif(os.getuid() != 0, reason="aborting needs root, or fusectl mounted")
def test_a_connection_whose_process_is_gone_and_that_does_not_end_is_aborted(mounted) -> None:
    """A stopped process stands for one that was killed and hangs in the kernel: neither answers, neither closes /dev/fuse."""
    world, drive = mounted
    (drive / "a").write_text("text")
    world.upload()  # what is staged stays with a process that is not dead
    pid = world.pid()
    pid_file = next((world.base / "run" / "kumofs").glob("*.pid"))
    os.kill(pid, signal.SIGSTOP)
    try:
        pid_file.unlink()
        waiting = subprocess.Popen(["stat", drive / "b"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        world.mount()
        assert (drive / "a").read_text() == "text"
        waiting.wait(60)  # it got an error when the connection was aborted
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(os.getuid() != 0, reason="aborting needs root, or fusectl mounted")
def test_an_aborted_connection_gives_errors_and_the_next_mount_cleans_up(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_text("text")
    connection.abort(drive)
    with pytest.raises(OSError) as caught:
        os.stat(drive / "a")
    assert caught.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    eventually(lambda: not list((world.base / "run" / "kumofs").glob("*.pid")))  # the daemon has seen it, and ended
    world.mount()
    assert (drive / "a").read_text() == "text"
