"""Two mounts do random things; in each pause both show the same, and that is what the catalog has."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from kumofs.accounts.sessions import check_session
from kumofs.accounts.token_file import read_token
from kumofs.catalog import open_engine
from kumofs.catalog.inodes import list_page
from kumofs.catalog.port import Engine
from kumofs.config import load_settings
from kumofs.model import Kind
from tests.conftest import World
from tests.together.conftest import TwoMounts, same

ROUNDS = 4
OPERATIONS = 150
NAMES = ("a", "b", "c.txt", "日 本")
FOLDERS = ("", "d/", "e/")
QUIET_S = 60.0

Tree = dict[str, tuple[object, ...]]


def shown(top: Path) -> Tree:
    """What a mount shows."""
    found: Tree = {}
    for directory, folders, files in os.walk(top):
        for name in folders + files:
            path = Path(directory, name)
            status = path.lstat()
            mode = stat.S_IMODE(status.st_mode)
            key = str(path.relative_to(top))
            if stat.S_ISREG(status.st_mode):
                body = path.read_bytes()
                found[key] = ("file", mode, status.st_size, len(body), hash(body), os.getxattr(path, "user.kumo.tag"))
            elif stat.S_ISLNK(status.st_mode):
                found[key] = ("symlink", os.readlink(path))
            else:
                found[key] = ("dir", mode)
    return found


def recorded(engine: Engine, ino: int, prefix: str = "") -> Tree:
    """What the catalog has; of files without their bytes."""
    found: Tree = {}
    for name, inode in list_page(engine, ino, "", 1000).found:
        if inode.kind is Kind.DIR:
            found[prefix + name] = ("dir", inode.mode)
            found |= recorded(engine, inode.ino, f"{prefix}{name}/")
        elif inode.kind is Kind.SYMLINK:
            found[prefix + name] = ("symlink", inode.target)
        else:
            found[prefix + name] = ("file", inode.mode, inode.size, ",".join(inode.tags).encode())
    return found


def without_bytes(tree: Tree) -> Tree:
    return {path: (*about[:3], about[5]) if about[0] == "file" else about for path, about in tree.items()}


def catalog_of(world: World) -> tuple[Engine, int]:
    """The catalog, and the root of the one home in it."""
    settings = load_settings(world.environ)
    engine = open_engine(settings.catalog)
    return engine, check_session(engine, read_token(settings.config_dir)).root


def write(chance: random.Random, path: Path) -> None:
    path.write_bytes(chance.randbytes(chance.choice((0, 1, 100, 5000, 70_000))))


def append(chance: random.Random, path: Path) -> None:
    with open(path, "ab") as file:
        file.write(chance.randbytes(chance.randrange(1, 3000)))


def rename(chance: random.Random, path: Path) -> None:
    os.rename(path, path.parent / chance.choice(NAMES))


def move(chance: random.Random, path: Path) -> None:
    top = path.parent if path.parent.name == "drive" else path.parent.parent
    os.rename(path, top / (chance.choice(FOLDERS) + chance.choice(NAMES)))


OPERATE: list[Callable[[random.Random, Path], object]] = [
    write,
    write,
    append,
    rename,
    move,
    lambda chance, path: os.unlink(path),
    lambda chance, path: os.mkdir(path),
    lambda chance, path: os.rmdir(path),
    lambda chance, path: os.truncate(path, chance.randrange(9000)),
    lambda chance, path: os.chmod(path, chance.choice((0o600, 0o644, 0o755))),
    lambda chance, path: os.setxattr(path, "user.kumo.tag", chance.choice((b"x", b"y,z", b""))),
    lambda chance, path: os.symlink("nowhere", path),
    lambda chance, path: os.link(path, path.parent / chance.choice(NAMES), follow_symlinks=False),
    lambda chance, path: path.read_bytes(),
    lambda chance, path: os.listdir(path.parent),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
def test_both_show_the_same_in_every_pause(two_mounts: TwoMounts, seed: int) -> None:
    chance = random.Random(seed)
    engine, root = catalog_of(two_mounts.here)
    for folder in FOLDERS[1:]:
        (two_mounts.one / folder).mkdir()
    done = 0
    for turn in range(ROUNDS):
        for _ in range(OPERATIONS):
            path = chance.choice((two_mounts.one, two_mounts.two)) / (chance.choice(FOLDERS) + chance.choice(NAMES))
            try:
                chance.choice(OPERATE)(chance, path)
                done += 1
            except OSError:
                continue  # what one mount did a moment ago the other may not know yet: an error, and nothing happened
        two_mounts.seen(f"round {turn}", lambda: same(shown(two_mounts.one), shown(two_mounts.two)), QUIET_S)
        two_mounts.seen("as recorded", lambda: same(without_bytes(shown(two_mounts.two)), recorded(engine, root)), QUIET_S)
    assert done > ROUNDS * OPERATIONS // 5
    engine.close()
