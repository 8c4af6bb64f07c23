"""A great many names: the daemon's memory stays bounded while they are listed, and falls when the kernel forgets."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kumofs.accounts.sessions import check_session
from kumofs.accounts.token_file import read_token
from kumofs.catalog import open_engine
from kumofs.catalog.claims import read_inode
from kumofs.catalog.documents import inode_document
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.port import Engine, Insert, Step
from kumofs.catalog.schema import ENTRIES, INODES
from kumofs.config import load_settings
from kumofs.model import Content, Inode, Kind, entry_id

LONG = bool(os.environ.get("KUMOFS_TEST_LONG"))
NAMES = 1_000_000 if LONG else 200_000
BIG = 100_000
"""Names of the one big folder; the rest is spread."""
PER_FOLDER = 2_000
MEMORY_MAX_MIB = 300


@pytest.fixture(scope="module")
def world(new_session_world):
    """A home of so many names."""
    made = new_session_world("many")
    populate(made, NAMES)
    return made


def populate(world, names: int) -> None:
    """Put so many files into the catalog, in folders, as if they had been uploaded."""
    settings = load_settings(world.environ)
    engine = open_engine(settings.catalog)
    try:
        user = check_session(engine, read_token(settings.config_dir))
        root = read_inode(engine, user.root)
        assert root is not None
        batch: list[Step] = []
        for step in steps(root, Numbers(engine), names):
            batch.append(step)
            if len(batch) == 5_000:
                insert(engine, batch)
        insert(engine, batch)
    finally:
        engine.close()


def insert(engine: Engine, batch: list[Step]) -> None:
    engine.batch(batch)
    batch.clear()


def steps(root: Inode, numbers: Numbers, names: int) -> Iterator[Step]:
    big = numbers.take()
    yield from both(root, root.ino, "big", big, Kind.DIR)
    for number in range(BIG):
        yield from both(root, big, f"{number:06}", numbers.take(), Kind.FILE)
    folder = root.ino
    for number in range(names - BIG):
        if number % PER_FOLDER == 0:
            folder = numbers.take()
            yield from both(root, root.ino, f"folder {number // PER_FOLDER:05}", folder, Kind.DIR)
        yield from both(root, folder, f"a photograph {number:07}.jpeg", numbers.take(), Kind.FILE)


def both(root: Inode, parent: int, name: str, ino: int, kind: Kind) -> Iterator[Step]:
    now_ns = time.time_ns()
    content = Content(f"{root.home}/{parent}/{name}", f"{ino:032x}", None, 1 << 20, f"{ino:016}") if kind is Kind.FILE else None
    inode = Inode(
        ino=ino, home=root.home, kind=kind, names=(entry_id(parent, name),), mode=0o755, uid=root.uid, gid=root.gid,
        atime_ns=now_ns, mtime_ns=now_ns, ctime_ns=now_ns, created_ns=now_ns, owner=root.owner, content=content,
    )  # fmt: skip
    yield Insert(ENTRIES, {"_id": entry_id(parent, name), "parent": parent, "inos": [ino], "token": "made"})
    yield Insert(INODES, inode_document(inode), ("changed_us",))


def memory_mib(pid: int, field: str = "VmRSS") -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


@pytest.fixture
def drive(world) -> Iterator[Path]:
    yield world.mount()
    world.umount()


@pytest.mark.timeout(3600 if LONG else 600)
def test_memory_is_bounded_while_all_is_listed(world, drive: Path, capsys) -> None:
    pid = world.pid()
    begun, before = time.monotonic(), memory_mib(pid)
    found = sum(sum(1 for _ in os.scandir(folder.path)) for folder in os.scandir(drive))
    assert found == NAMES
    took_s, peak = time.monotonic() - begun, memory_mib(pid, "VmHWM")
    with capsys.disabled():
        print(f"\n{found:,} names listed in {took_s:.0f} s: {before:.0f} MiB before, {peak:.0f} MiB at most")
    assert peak < MEMORY_MAX_MIB
    some = sorted(os.listdir(drive))[1]
    assert len(os.listdir(drive / some)) == PER_FOLDER  # asked to forget, it still knows


@pytest.mark.timeout(600)
def test_a_big_folder_is_read_while_names_come_and_go(drive: Path) -> None:
    folder = drive / "big"
    there = set(os.listdir(folder))
    gone = {f"{number:06}" for number in range(0, BIG, 997)}
    seen: list[str] = []
    with os.scandir(folder) as entries:
        for name in sorted(gone):
            seen += [entry.name for entry in itertools.islice(entries, 900)]
            os.unlink(folder / name)
            (folder / f"{name} new").touch()
            os.rename(folder / f"{name} new", folder / f"{name} moved")
        seen += [entry.name for entry in entries]
    assert len(seen) == len(set(seen))
    assert there - gone <= set(seen)
    now = set(os.listdir(folder))
    assert now == (there - gone) | {f"{name} moved" for name in gone}
