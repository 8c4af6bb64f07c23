"""Worlds: everything kumofs keeps, in a directory of the test's own, and the command to work with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "four little green words"


@dataclass
class World:
    """One machine's worth of kumofs: its own XDG directories."""

    base: Path

    def __post_init__(self) -> None:
        config = self.base / "config" / "kumofs"
        config.mkdir(mode=0o700, parents=True)
        (config / "config.toml").write_text("bcrypt_cost = 4\n")
        for name in ("data", "state", "cache", "run"):
            (self.base / name).mkdir(mode=0o700)

    @property
    def environ(self) -> dict[str, str]:
        names = {"DATA_HOME": "data", "CONFIG_HOME": "config", "STATE_HOME": "state", "CACHE_HOME": "cache", "RUNTIME_DIR": "run"}
        return {**os.environ, **{f"XDG_{key}": str(self.base / value) for key, value in names.items()}}

    @property
    def objects(self) -> Path:
        return self.base / "data" / "kumofs" / "store" / "objects"

    @property
    def staging(self) -> Path:
        return self.base / "state" / "kumofs" / "staging"

    def run(self, *args: object, stdin: str = "", status: int = 0) -> str:
        """Run `kumofs ARGS`; what it printed on both streams."""
        command = [sys.executable, "-m", "kumofs", *map(str, args)]
        done = subprocess.run(command, env=self.environ, input=stdin, capture_output=True, text=True, timeout=120)
        said = done.stdout + done.stderr
        assert done.returncode == status, f"{args} ended with {done.returncode}: {said}"
        return said

    def signup(self, email: str = "ada@example.org", password: str = PASSWORD) -> None:
        self.run("signup", email, "--password-stdin", stdin=password + "\n")

    def mount(self, name: str = "drive", *options: str) -> Path:
        directory = self.base / name
        if name not in os.listdir(self.base):  # a dead mount can only be listed from above
            directory.mkdir()
        self.run("mount", directory, *options)
        return directory

    def umount(self, name: str = "drive", status: int = 0) -> str:
        return self.run("umount", self.base / name, status=status)

    def pid(self) -> int:
        """The process of the one mount."""
        (found,) = (self.base / "run" / "kumofs").glob("*.pid")
        return int(found.read_text())

    def log(self) -> str:
        return "".join(path.read_text() for path in (self.base / "state" / "kumofs" / "log").glob("*.log"))

    def close(self) -> None:
        """Unmount whatever is left; by force where a test failed."""
        for line in Path("/proc/self/mounts").read_text().splitlines():
            target = line.split()[1]
            if target.startswith(str(self.base)):
                subprocess.run(["umount", "-l", target], check=False)


def needs_fuse() -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse: this machine cannot mount")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty world."""
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def new_world(tmp_path: Path) -> Iterator[Callable[[str], World]]:
    """Worlds by name, for tests that need several."""
    made: list[World] = []

    def make(name: str) -> World:
        (tmp_path / name).mkdir()
        made.append(World(tmp_path / name))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def mounted(world: World) -> Iterator[tuple[World, Path]]:
    """A world of its own with a signed-up user and a mount."""
    needs_fuse()
    world.signup()
    yield world, world.mount()


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Path]]:
    """One mount for all the tests that only need a folder in it."""
    needs_fuse()
    world = World(tmp_path_factory.mktemp("shared"))
    world.signup()
    drive = world.mount()
    yield world, drive
    world.umount()
    assert "Traceback" not in world.log()
    world.close()


@pytest.fixture(scope="session")
def new_session_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], World]]:
    """Signed-up worlds by name, for mounts with options of their own that many tests share."""
    needs_fuse()
    made: list[World] = []

    def make(name: str) -> World:
        made.append(World(tmp_path_factory.mktemp(name)))
        made[-1].signup()
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def folder(shared_world: tuple[World, Path], request: pytest.FixtureRequest) -> Path:
    """A fresh folder in a mounted drive."""
    path = shared_world[1] / f"{request.node.name[:80].replace('/', '_')}-{os.urandom(3).hex()}"
    path.mkdir()
    return path
