"""Two mounts create, rename and delete the same few names for a minute; then everything still fits together."""

from __future__ import annotations

import errno
import os
import random
import re
import threading
import time
from pathlib import Path

import pytest

from kumofs.config import load_settings
from kumofs.store import open_store
from tests.conftest import World
from tests.together.conftest import TwoMounts

FIGHT_S = 60.0
NAMES = [f"n{number}" for number in range(5)]
QUIET_S = 60.0
CLEAN = re.compile(r"^[^:]*:\s+0$")


def fight(folder: Path, seed: int, until: float, unexpected: list[BaseException], counts: list[int]) -> None:
    chance = random.Random(seed)
    while time.monotonic() < until:
        name, other = folder / chance.choice(NAMES), folder / chance.choice(NAMES)
        action = chance.randrange(4)
        try:
            if action == 0:
                name.write_bytes(f"{seed} {chance.random()}".encode())
            elif action == 1:
                os.rename(name, other)
            elif action == 2:
                os.unlink(name)
            else:
                assert re.fullmatch(rb"([01] [0-9.e-]+)?", name.read_bytes())
            counts[action] += 1
        except OSError as problem:
            # a name may be gone, or have changed twice while it was looked up; writing makes it where it is missing
            if problem.errno != errno.ESTALE and (problem.errno != errno.ENOENT or action == 0):
                unexpected.append(problem)
        except BaseException as problem:
            unexpected.append(problem)


def bodies(folder: Path) -> dict[str, bytes]:
    """Every name with its bytes; a name that cannot be read raises."""
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


def clean(said: str) -> bool:
    """Whether a collection found nothing to do and nothing wrong."""
    return all(CLEAN.match(line) for line in said.splitlines() if line)


def keys(world: World) -> list[str]:
    settings = load_settings(world.environ)
    store = open_store(settings.store, settings.s3)
    try:
        return [info.key for info in store.list("ada/")]
    finally:
        store.close()


@pytest.mark.timeout(900)
def test_a_minute_of_the_same_names(two_mounts: TwoMounts) -> None:
    (two_mounts.one / "ring").mkdir()
    two_mounts.seen("the folder", (two_mounts.two / "ring").is_dir)
    until, unexpected, counts = time.monotonic() + FIGHT_S, [], [0, 0, 0, 0]
    fighters = [
        threading.Thread(target=fight, args=(top / "ring", seed, until, unexpected, counts))
        for seed, top in enumerate((two_mounts.one, two_mounts.two))
    ]
    for fighter in fighters:
        fighter.start()
    for fighter in fighters:
        fighter.join()
    print("written, renamed, unlinked, read:", counts)
    assert unexpected == []
    assert min(counts) > 10
    two_mounts.seen("the same", lambda: bodies(two_mounts.one / "ring") == bodies(two_mounts.two / "ring"), QUIET_S)
    files = bodies(two_mounts.one / "ring")
    collected = []
    two_mounts.seen(
        "nothing left to collect",
        lambda: clean(collected.append(two_mounts.here.run("gc", "--older-than", 0)) or collected[-1]),
        QUIET_S,
    )
    assert not any("MISSING" in said or "left alone" in said for said in collected), collected
    assert len(keys(two_mounts.here)) == len(files)
    assert bodies(two_mounts.two / "ring") == files
