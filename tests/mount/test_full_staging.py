"""The disk of the staging area is full and the store is away: writers are told, what was closed is kept and goes out later."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import World, needs_fuse

DISK_BYTES = 32 << 20
FILE_BYTES = 4 << 20

pytestmark = [
    pytest.mark.directory_store,
    pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: a full disk needs root, to mount a small one"),
]


@pytest.fixture
def small_disk(world: World) -> Iterator[Path]:
    """The state of the world lies on a small file system of its own."""
    disk = world.base / "state"
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "none", str(disk)]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("NOT TESTED: a file system cannot be mounted here")
    yield disk
    world.close()  # and with it the disk


def write(path: Path, body: bytes, mode: str = "wb") -> int:
    """Write and close; 0, or the errno of what failed."""
    try:
        with path.open(mode) as file:
            file.write(body)
    except OSError as problem:
        return problem.errno or -1
    return 0


class Away:
    """The store is gone until `back`."""

    def __init__(self, world: World) -> None:
        self.here = world.objects.parent
        self.away = self.here.with_name("away")
        self.here.rename(self.away)

    def back(self) -> None:
        self.away.rename(self.here)


@pytest.fixture
def drive(world: World, small_disk: Path) -> Path:
    """A mount whose staging area is on the small disk, with one file in the store."""
    needs_fuse()
    world.signup()
    drive = world.mount()
    (drive / "old").write_bytes(b"old")
    world.run("sync")
    return drive


def fill(drive: Path) -> dict[str, bytes]:
    """Files that are closed while the store is away, until another one would not fit into what may be staged."""
    files = {f"{number}": os.urandom(FILE_BYTES) for number in range(DISK_BYTES // 2 // FILE_BYTES - 1)}
    for name, body in files.items():
        (drive / name).write_bytes(body)
    return files


def check(world: World, files: dict[str, bytes]) -> None:
    """All are there, here and for the next mount, and in the store."""
    world.run("sync")
    for _ in range(2):
        drive = world.base / "drive"
        assert {name: (drive / name).read_bytes() for name in files} == files
        world.umount()
        world.mount()
    assert {key.partition("/")[2] for key in world.stored_keys()} >= set(files)
    assert "Traceback" not in world.log()
    world.umount()


def test_a_writer_waits_for_room_and_goes_on(world: World, drive: Path) -> None:
    store = Away(world)
    files = fill(drive)
    body = os.urandom(3 * FILE_BYTES)
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write, drive / "large", body)
        time.sleep(3)
        assert not writing.done(), "there was room"
        store.back()
        world.run("sync")
        assert writing.result() == 0
    check(world, {**files, "large": body, "old": b"old"})


def test_where_no_room_comes_the_writer_is_told_and_nothing_is_lost(world: World, drive: Path) -> None:
    store = Away(world)
    files = fill(drive)
    began = time.monotonic()
    assert write(drive / "too much", os.urandom(3 * FILE_BYTES)) == errno.ENOSPC
    print(f"the writer waited {time.monotonic() - began:.1f} s for room")
    assert time.monotonic() - began > 5, "it did not wait"
    assert {name: (drive / name).read_bytes() for name in files} == files
    assert "tried again" in world.run("sync", status=21)
    store.back()
    world.run("sync")
    files["too much"] = os.urandom(FILE_BYTES)
    assert write(drive / "too much", files["too much"]) == 0
    check(world, {**files, "old": b"old"})


def test_what_others_fill_the_disk_with_is_told_too(world: World, small_disk: Path, drive: Path) -> None:
    store = Away(world)
    files = {"kept": os.urandom(FILE_BYTES)}
    (drive / "kept").write_bytes(files["kept"])
    ballast = small_disk / "ballast"
    assert write(ballast, bytes(DISK_BYTES)) == errno.ENOSPC
    for name in ("new", "kept"):
        assert write(drive / name, os.urandom(FILE_BYTES), "ab") == errno.ENOSPC
    store.back()
    deadline = time.monotonic() + 90
    for name in ("new", "kept"):  # by itself, and also what its program was told of
        while os.getxattr(drive / name, "user.kumo.state") != b"synced":
            assert time.monotonic() < deadline, f"{name} does not go out"
            time.sleep(0.2)
    assert (drive / "kept").read_bytes().startswith(files["kept"])
    ballast.unlink()
    files["new"] = os.urandom(FILE_BYTES)
    for name, body in files.items():
        assert write(drive / name, body) == 0
    check(world, {**files, "old": b"old"})
