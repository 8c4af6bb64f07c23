"""Two mounts of one home, as on two machines: each with its own state, cache and runtime directories."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import World, needs_fuse

SEEN_S = 30.0
"""A deadline for a busy machine; how long it really took is printed."""


@dataclass
class OtherMachine(World):
    """The same home seen from a second machine: catalog, store and session are the first one's."""

    first: World

    def __post_init__(self) -> None:
        for name in ("state", "cache", "run"):
            (self.base / name).mkdir(mode=0o700)

    @property
    def environ(self) -> dict[str, str]:
        own = {f"XDG_{key}": str(self.base / name) for key, name in OWN.items()}
        return {**self.first.environ, **own}

    def close(self) -> None:
        """Unmount; what lies on servers is the first one's to remove."""
        for line in Path("/proc/self/mounts").read_text().splitlines():
            target = line.split()[1]
            if target.startswith(str(self.base)):
                subprocess.run(["umount", "-l", target], check=False)


LOG_TAIL = 6000
OWN = {"STATE_HOME": "state", "CACHE_HOME": "cache", "RUNTIME_DIR": "run"}


@dataclass(frozen=True)
class TwoMounts:
    """Mount points `one` and `two` of one home, in the worlds `here` and `there`."""

    here: World
    there: World
    one: Path
    two: Path

    def seen(self, what: str, check: Callable[[], object], timeout_s: float = SEEN_S) -> float:
        """Wait until it is so, and no error; the seconds that took. What it was at last is told where it never is."""
        began = time.monotonic()
        while (last := outcome(check)) is not True:
            assert time.monotonic() - began < timeout_s, f"{what}: not seen within {timeout_s} s, but {last!r}"
            time.sleep(0.02)
        took = time.monotonic() - began
        print(f"{what}: seen after {took:.2f} s")
        return took


def outcome(check: Callable[[], object]) -> object:
    try:
        return check()
    except OSError as problem:
        return problem


def same(*trees: dict[str, object]) -> object:
    """True where two trees are alike; else what is only in the one or the other."""
    one, other = (set(tree.items()) for tree in trees)
    return True if one == other else sorted(one ^ other, key=repr)


def tell_logs(*worlds: World) -> None:
    """Print the ends of the logs, for whoever looks why a test failed."""
    for world in worlds:
        print(f"--- log of {world.base.name}\n{world.log()[-LOG_TAIL:]}")


@pytest.fixture
def two_mounts(tmp_path: Path) -> Iterator[TwoMounts]:
    """A fresh home, mounted twice."""
    # what one has closed the other reads at once: only where closing waits for the upload
    with mounted_twice(tmp_path, "--write-through", "--ownership", "stored") as mounts:
        yield mounts


@pytest.fixture
def two_lazy_mounts(tmp_path: Path) -> Iterator[TwoMounts]:
    """The same, as mounts are by default: what was closed is uploaded later."""
    with mounted_twice(tmp_path) as mounts:
        yield mounts


@contextmanager
def mounted_twice(base: Path, *options: str) -> Iterator[TwoMounts]:
    needs_fuse()
    for name in ("here", "there"):
        (base / name).mkdir()
    here = World(base / "here")
    there = OtherMachine(base / "there", here)
    here.signup()
    try:
        mounts = [world.mount("drive", *options) for world in (here, there)]
        yield TwoMounts(here, there, *mounts)
        logs = here.log() + there.log()
    finally:
        tell_logs(here, there)
        there.close()
        here.close()
    assert "Traceback" not in logs, logs
