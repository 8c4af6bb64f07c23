"""The cache on disk, through a mount of a store that is not local: a real server's where one is named, else moto's."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kumofs.cache.disk import room_of
from kumofs.cache.eviction import Usage
from tests.conftest import S3, World, needs_fuse
from tests.moto_server import serving

FILES = {"empty": 0, "small": 5000, "deeper/middle": 300_000, "deeper/large": 3 << 20}
BUCKET = "kumofs-test"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """A server in this process with a bucket."""
    import boto3

    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    with serving() as endpoint:
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).create_bucket(Bucket=BUCKET)
        yield endpoint


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[World]:
    """A signed-up world whose store is not local, for all tests: each has a folder of its own, and leaves nothing mounted."""
    needs_fuse()
    world = World(tmp_path_factory.mktemp("far"))
    with pytest.MonkeyPatch.context() as patch:
        if not S3:
            endpoint = request.getfixturevalue("moto")
            patch.setenv("AWS_ACCESS_KEY_ID", "testing")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
            with world.config_file.open("a") as file:
                file.write(f'store = "s3://{BUCKET}/far"\nendpoint = "{endpoint}"\nregion = "us-east-1"\n')
        world.signup()
        yield world
        assert "Traceback" not in world.log()
        world.close()


def fill(drive: Path, folder: str) -> dict[str, bytes]:
    """New files in a folder."""
    bodies = {f"{folder}/{name}": os.urandom(size) for name, size in FILES.items()}
    for name, body in bodies.items():
        (drive / name).parent.mkdir(parents=True, exist_ok=True)
        (drive / name).write_bytes(body)
    return bodies


def cached(world: World) -> Usage:
    return room_of(world.settings).usage()


def cache_files(world: World) -> list[Path]:
    return sorted(room_of(world.settings).directory.iterdir())


def empty_store(world: World) -> None:
    """Whatever is read from here on did not come from the store."""
    for key in world.stored_keys():
        world.store.delete(key)


def check(drive: Path, bodies: dict[str, bytes]) -> None:
    for name, body in bodies.items():
        assert (drive / name).read_bytes() == body, name


def test_what_was_read_or_uploaded_is_read_after_a_remount_without_the_store(far: World) -> None:
    bodies = fill(far.mount(), "read")
    far.umount()
    far.run("cache", "clear")
    drive = far.mount()
    check(drive, bodies)
    bodies |= fill(drive, "uploaded")
    (drive / "uploaded").rename(drive / "renamed")
    bodies = {name.replace("uploaded", "renamed"): body for name, body in bodies.items()}
    far.run("sync", "--settle")
    far.umount()
    assert cached(far).files == 6
    empty_store(far)
    drive = far.mount()
    check(drive, bodies)
    with (drive / "read/deeper/large").open("rb") as file:
        file.seek(1_234_567)
        assert file.read(1000) == bodies["read/deeper/large"][1_234_567:1_235_567]
    far.umount()


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    for place in range(1000, len(body), 20_000):
        body[place] ^= 1
    path.write_bytes(body)


def become_another(path: Path) -> None:
    path.write_bytes(max(path.parent.iterdir(), key=lambda other: (other != path, other.stat().st_size)).read_bytes())


DAMAGES: list[Callable[[Path], object]] = [
    flip,
    lambda path: os.truncate(path, path.stat().st_size // 2),
    lambda path: path.write_bytes(os.urandom(path.stat().st_size)),
    lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
    become_another,
    lambda path: path.unlink(),
]


def test_damaged_files_are_not_read_under_the_mount(far: World, tmp_path: Path) -> None:
    drive = far.mount()
    bodies = {name: body for number in range(6) for name, body in fill(drive, f"damage/{number}").items()}
    far.umount()
    drive = far.mount()
    files = cache_files(far)
    assert len(files) >= 3 * 6
    for number, path in enumerate(files):
        DAMAGES[number % len(DAMAGES)](path)
    check(drive, bodies)
    files[0].parent.rename(tmp_path / "away")  # at once: the drive may be writing to it
    with (drive / "damage/0/deeper/large").open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert file.read() == bodies["damage/0/deeper/large"]
    far.umount()
    assert "damaged" in far.log()
    assert cache_files(far)


def test_warming_and_clearing(far: World) -> None:
    bodies = fill(far.mount(), "warm")
    far.umount()
    far.run("cache", "clear")
    drive = far.mount()
    assert "2 files, 3.3 MiB" in far.run("warm", drive / "warm" / "deeper")
    assert cached(far).files == 2
    assert "4 files" in far.run("warm", drive / "warm")  # what is there already is left
    said = json.loads(far.run("cache", "show", "--json"))
    assert (said["files"], said["directory"]) == (3, str(room_of(far.settings).directory))
    with (drive / "warm/deeper/large").open("rb") as file:
        head = file.read(1000)
        assert "Removed 3 files" in far.run("cache", "clear")
        assert cached(far).files == 0
        assert head + file.read() == bodies["warm/deeper/large"]
    far.run("warm", drive / "warm")
    empty_store(far)
    check(drive, bodies)
    assert "no such file" in far.run("warm", drive / "nothing", status=20)
    far.run("cache", "clear")
    assert "could not be fetched" in far.run("warm", drive / "warm", status=15)
    far.umount()


def test_a_small_cache_and_none(far: World) -> None:
    directory = far.base / "drive"
    directory.mkdir(exist_ok=True)
    far.run("--cache-mib", "0", "mount", directory)
    bodies = fill(directory, "bounds")
    assert "the cache on disk is off" in far.run("warm", directory, status=19)
    far.umount()
    far.run("cache", "clear")
    far.run("--cache-mib", "4", "mount", directory)
    assert "3 of 4 files fitted" in far.run("warm", directory / "bounds")  # half of it is the most for one file
    check(directory, bodies)
    assert 300_000 < cached(far).used_bytes <= 4 << 20
    far.umount()


@pytest.mark.directory_store
def test_a_store_on_this_machine_needs_no_cache(shared_world: tuple[World, Path]) -> None:
    world, drive = shared_world
    assert "lies on this machine" in world.run("warm", drive, status=19)
    assert cached(world).files == 0


# --- the kernel's pages

MINCORE = ctypes.CDLL(None, use_errno=True).mincore


def pages_in_memory(path: Path) -> int:
    """How many of a file's pages the kernel has, as of an opening of its own."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        count = -(-len(view) // mmap.PAGESIZE)
        found = (ctypes.c_ubyte * count)()
        start = (ctypes.c_char * len(view)).from_buffer(view)
        assert MINCORE(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(len(view)), found) == 0
        del start
        return sum(page & 1 for page in found)


def eventually(what: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_the_kernel_keeps_pages_while_the_content_is_the_same_and_drops_them_when_it_changes(mounted) -> None:
    world, one = mounted
    two = world.mount("two")
    old, new = os.urandom(200_000), os.urandom(200_000)
    count = -(-200_000 // mmap.PAGESIZE)
    (one / "f").write_bytes(old)
    world.run("sync")
    eventually(lambda: (two / "f").exists() and (two / "f").read_bytes() == old)
    assert pages_in_memory(two / "f") == count  # a second opening
    os.chmod(one / "f", 0o600)
    eventually(lambda: (two / "f").stat().st_mode & 0o777 == 0o600)
    assert pages_in_memory(two / "f") == count  # other attributes are not other bytes
    (one / "f").write_bytes(new)
    world.run("sync")
    assert pages_in_memory(two / "f") == 0  # the same length, and other bytes
    assert (two / "f").read_bytes() == new
    world.umount("two")
